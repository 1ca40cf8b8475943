"""Errors only: what tools say is kept back and shown when the run fails, for then it is the error."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, TextIO

from cargoship.events import Event, ToolOutput

if TYPE_CHECKING:
    from cargoship.cli.failing.failures import Failure
    from cargoship.cli.paint import Paint

_KEPT_LINES = 2000


class QuietRenderer:
    """Silent, until something fails."""

    def __init__(self, stderr: TextIO, paint: Paint) -> None:
        self._stderr = stderr
        self._paint = paint
        self._lock = threading.Lock()
        self._kept: deque[str] = deque(maxlen=_KEPT_LINES)

    def emit(self, event: Event) -> None:
        """See `Renderer.emit`."""
        if isinstance(event, ToolOutput):
            with self._lock:
                self._kept.append(event.line)

    def close(self, *, failed: bool) -> None:
        """See `Renderer.close`."""
        if failed:
            self._write("".join(self._paint.tool_line(line) + "\n" for line in self._kept))
        self._kept.clear()

    def fail(self, failure: Failure) -> None:
        """See `Renderer.fail`."""
        self._write(failure.text(self._paint))

    def _write(self, text: str) -> None:
        try:
            self._stderr.write(text)
            self._stderr.flush()
        except (OSError, ValueError):
            return  # nobody reads any more
