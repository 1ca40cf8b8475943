"""Signals that end a run: Ctrl-C, SIGTERM and a closed terminal.

All of them unwind the stack, so that what was half done is put away and no child is left behind.

Python runs a signal's handler between any two instructions of the main thread, those of finalizers and weak reference
callbacks included. What is raised there does not unwind: it ends in `sys.unraisablehook`. So that hook is listened to,
and an interrupt that was lost in it is raised again a moment later.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, TracebackType
    from typing import Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PATIENCE_S = 1.0
_AGAIN_S = 0.01


class Interrupt(KeyboardInterrupt):
    """One of the signals, as an exception in the main thread."""

    def __init__(self, exit_code: int) -> None:
        super().__init__()
        self.exit_code = exit_code


class Interrupts:
    """While it is entered, a signal raises `Interrupt` in the main thread.

    A terminal and an impatient hand send the signal more than once: repeats within a second are dropped so that
    they do not break the clean-up. A later one ends what the clean-up waits for, and one after that the process.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._again = False
        self._settled = False
        self._since = 0.0
        self._before: dict[int, object] = {}
        self._hook_before = sys.unraisablehook

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
            self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._raise_again)
            self._hook_before, sys.unraisablehook = sys.unraisablehook, self._unraisable
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the signals back."""
        if self._before:
            signal.setitimer(signal.ITIMER_REAL, 0)
            sys.unraisablehook = self._hook_before
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def settle(self) -> None:
        """From here on signals change nothing any more: the outcome stands and is only reported."""
        self._settled = True

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._settled:
            return
        if self.received is None:
            self.received, self._since = number, now
            raise Interrupt(self.exit_code)
        if now - self._since <= _PATIENCE_S:
            return
        if self._again:
            os._exit(self.exit_code)
        self._again, self._since = True, now
        raise Interrupt(self.exit_code)

    def _unraisable(self, lost: sys.UnraisableHookArgs) -> None:
        if not isinstance(lost.exc_value, Interrupt):
            self._hook_before(lost)
        elif not self._settled:
            # not from here: this runs inside the same finalizer
            signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)

    def _raise_again(self, _number: int, frame: FrameType | None) -> None:
        if self._settled:
            return
        while frame is not None:
            if frame.f_code is Interrupts._unraisable.__code__:
                # on a busy machine the time is over before the hook is: what it raises is lost too
                signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)
                return
            frame = frame.f_back
        raise Interrupt(self.exit_code)
