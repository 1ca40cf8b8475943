"""Signals that end a run: Ctrl-C, SIGTERM and a closed terminal.

All of them unwind the stack, so that what was half done is put away and no child is left behind.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PATIENCE_S = 1.0


class Interrupt(KeyboardInterrupt):
    """One of the signals, as an exception in the main thread."""

    def __init__(self, exit_code: int) -> None:
        super().__init__()
        self.exit_code = exit_code


class Interrupts:
    """While it is entered, a signal raises `Interrupt` in the main thread.

    A terminal and an impatient hand send the signal more than once: repeats within a second are dropped so that
    they do not break the clean-up; a later one ends the process at once.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._settled = False
        self._since = 0.0
        self._before: dict[int, object] = {}

    @property
    def exit_code(self) -> int:
        """What a shell reports for a process that the signal ended."""
        return 128 + (self.received or signal.SIGINT)

    def __enter__(self) -> Self:
        """Take the signals over; only Python's main thread can."""
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                # nohup and background jobs start with signals ignored, and mean it
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def settle(self) -> None:
        """From here on signals change nothing any more: the outcome stands and is only told."""
        self._settled = True

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._settled:
            return
        if self.received is None:
            self.received, self._since = number, now
            raise Interrupt(self.exit_code)
        if now - self._since > _PATIENCE_S:
            os._exit(self.exit_code)
