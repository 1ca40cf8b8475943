"""cargo's lines in a run that another run follows, which says them all again: its warnings are shown once.

cargo keeps what rustc has said of a unit, and says it in each run (the cargo book, "Build cache"; `replay_output_cache`
in src/cargo/core/compiler/mod.rs). A run that fails is followed by none: its lines are shown, and from the first error
on at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from cargoship.events import Emit, Event, ToolOutput

_ERROR = re.compile(r"(?:\x1b\[[0-9;]*m)*error\b")


class Withheld:
    """Passes everything on but cargo's lines, until somebody lets these go."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._lines: list[ToolOutput] | None = []

    def emit(self, event: Event) -> None:
        """Take an event."""
        if self._lines is not None and isinstance(event, ToolOutput):
            if not _ERROR.match(event.line):
                self._lines.append(event)
                return
            self.let_go()
        self._emit(event)

    def let_go(self) -> None:
        """Pass on what was withheld, and withhold nothing more."""
        lines, self._lines = self._lines or (), None
        for each in lines:
            self._emit(each)


@contextmanager
def withheld(emit: Emit) -> Iterator[Withheld]:
    """Withhold cargo's lines; they are passed on where this is broken off."""
    held = Withheld(emit)
    try:
        yield held
    except BaseException:
        held.let_go()
        raise
