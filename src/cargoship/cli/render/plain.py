"""Plain lines, for logs: nothing is ever overwritten, and progress is reported sparingly."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from cargoship.cli.render import words
from cargoship.events import CompileProgress, Event, PhaseStarted
from cargoship.printable import printable

if TYPE_CHECKING:
    from cargoship.cli.failures import Failure
    from cargoship.cli.render.paint import Paint

_TENTHS = 10
_AT_LEAST_S = 2.0
_AT_MOST_S = 20.0
_NAMES_SHOWN = 3


class PlainRenderer:
    """One line after the other."""

    def __init__(self, stderr: TextIO, paint: Paint, verbosity: int, clock: Callable[[], float]) -> None:
        self._stderr = stderr
        self._paint = paint
        self._verbosity = verbosity
        self._clock = clock
        self._lock = threading.Lock()
        self._reported_at = 0.0
        self._reported_tenth = 0

    def emit(self, event: Event) -> None:
        """See `Renderer.emit`."""
        with self._lock:
            if isinstance(event, PhaseStarted):
                self._reported_at, self._reported_tenth = self._clock(), 0
                # The short phases are reported when they are over; of a long one a log should say that it has begun.
                if event.name in {"sysroot", "trial", "compile"}:
                    self._write(words.status(*words.running(event.name, event.detail), self._paint))
            elif isinstance(event, CompileProgress):
                self._progress(event)
            elif (line := words.line_of(event, self._verbosity, self._paint)) is not None:
                self._write(line)

    def close(self, *, failed: bool) -> None:
        """See `Renderer.close`."""

    def fail(self, failure: Failure) -> None:
        """See `Renderer.fail`."""
        with self._lock:
            self._write(failure.text(self._paint).rstrip("\n"))

    def _progress(self, event: CompileProgress) -> None:
        if not event.total or event.done >= event.total:
            return
        now, tenth = self._clock(), _TENTHS * event.done // event.total
        since = now - self._reported_at
        if since < _AT_LEAST_S or (tenth <= self._reported_tenth and since < _AT_MOST_S):
            return
        self._reported_at, self._reported_tenth = now, tenth
        # a crate is compiled for several targets at a time
        active = tuple(dict.fromkeys(event.active))
        more = len(active) - _NAMES_SHOWN
        names = printable(", ".join(active[:_NAMES_SHOWN])) + (f" and {more} more" if more > 0 else "")
        self._write(words.status("", f"{event.done}/{event.total} {names}", self._paint))

    def _write(self, line: str) -> None:
        try:
            self._stderr.write(line + "\n")
            self._stderr.flush()
        except (OSError, ValueError):
            return  # nobody reads any more; the work goes on
