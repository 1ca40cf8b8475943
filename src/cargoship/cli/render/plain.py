"""Plain lines, for logs: nothing is ever overwritten, and progress is reported sparingly."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TextIO

from cargoship.cli.render import words
from cargoship.events import CompileProgress, Event, PhaseEnded, PhaseStarted
from cargoship.printable import printable

if TYPE_CHECKING:
    from cargoship.cli.failing.failures import Failure
    from cargoship.cli.paint import Paint

_TENTHS = 10
_AT_LEAST_S = 2.0
_AT_MOST_S = 20.0
_NAMES_SHOWN = 3
_SILENCE_S = 60.0
"""Some CI hosts end a job that says nothing for ten minutes, and people one that says nothing for less."""


class PlainRenderer:
    """One line after the other, and one now and then where a long phase has nothing to say."""

    def __init__(self, stderr: TextIO, paint: Paint, verbosity: int, clock: Callable[[], float]) -> None:
        self._stderr = stderr
        self._paint = paint
        self._verbosity = verbosity
        self._clock = clock
        self._lock = threading.Lock()
        self._reported_at = 0.0
        self._reported_tenth = 0
        self._phases: list[tuple[PhaseStarted, float]] = []
        self._active: dict[str, float] = {}
        """What is compiled now, and since when."""
        self._written_at = clock()
        self._beating: threading.Thread | None = None
        self._is_over = threading.Event()

    def emit(self, event: Event) -> None:
        """See `Renderer.emit`."""
        with self._lock:
            self._note(event)
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
        del failed
        self._is_over.set()
        if self._beating is not None:
            # one that writes when Python ends takes the stream with it
            self._beating.join()

    def beat(self) -> None:
        """Say what is still going on, and for how long, if nothing was said for a minute."""
        with self._lock:
            now = self._clock()
            if not self._phases or self._is_over.is_set() or now - self._written_at < _SILENCE_S:
                return
            phase, began = self._phases[-1]
            word = words.running(phase.name, "")[0].lower()
            about = ""
            if self._active:
                # a unit may be one of hundreds: the phase says nothing of how long it takes
                longest = words.duration(now - min(self._active.values()))
                about = f" {_shown(sorted(self._active, key=self._active.__getitem__))}, for {longest}"
            self._write(words.status("", f"still {word}{about}; {words.duration(now - began)} so far", self._paint))

    def fail(self, failure: Failure) -> None:
        """See `Renderer.fail`."""
        with self._lock:
            self._write(failure.text(self._paint).rstrip("\n"))

    def _note(self, event: Event) -> None:
        """Know what is going on. A phase that raises has no end: what it was part of ends it, or the run."""
        match event:
            case PhaseStarted():
                self._phases.append((event, self._clock()))
                self._active = {}
                if self._beating is None:
                    self._beating = threading.Thread(target=self._beat_on, daemon=True)
                    self._beating.start()
            case PhaseEnded(name=name):
                at = next((at for at, (phase, _) in enumerate(self._phases) if phase.name == name), None)
                del self._phases[len(self._phases) if at is None else at :]
                self._active = {}
            case CompileProgress(active=active):
                now = self._clock()
                self._active = {name: self._active.get(name, now) for name in active}
            case _:
                pass

    def _beat_on(self) -> None:
        while not self._is_over.wait(_SILENCE_S / 2):
            self.beat()

    def _progress(self, event: CompileProgress) -> None:
        if not event.total or event.done >= event.total:
            return
        now, tenth = self._clock(), _TENTHS * event.done // event.total
        since = now - self._reported_at
        if since < _AT_LEAST_S or (tenth <= self._reported_tenth and since < _AT_MOST_S):
            return
        self._reported_at, self._reported_tenth = now, tenth
        self._write(words.status("", f"{event.done}/{event.total} {_shown(event.active)}", self._paint))

    def _write(self, line: str) -> None:
        self._written_at = self._clock()
        try:
            self._stderr.write(line + "\n")
            self._stderr.flush()
        except (OSError, ValueError):
            return  # nobody reads any more; the work goes on


def _shown(active: Sequence[str]) -> str:
    # a crate is compiled for several targets at a time
    names = tuple(dict.fromkeys(active))
    more = len(names) - _NAMES_SHOWN
    return printable(", ".join(names[:_NAMES_SHOWN])) + (f" and {more} more" if more > 0 else "")
