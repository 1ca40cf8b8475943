"""What a person sees: a run's events on a terminal of a width, by a terminal emulator."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import ClassVar

import pyte

from cargoship.cli.paint import Paint
from cargoship.cli.render.live import LiveRenderer
from cargoship.events import Event

ROWS = 24
TERM: Mapping[str, str] = {"TERM": "xterm-256color", "CARGO_BUILD_JOBS": "2"}


class Terminal(io.StringIO):
    """Takes what a program writes to its terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class Clock:
    """Stands still until it is asked to go on."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class Played:
    """A live display after some events, each with the seconds that pass before it; the work goes on.

    It has a thread that draws until it is closed: `closing` closes all that are made in it.
    """

    _made: ClassVar[ExitStack]

    @classmethod
    @contextmanager
    def closing(cls) -> Iterator[None]:
        with ExitStack() as cls._made:
            yield

    def __init__(self, width: int, steps: Sequence[tuple[float, Event]], env: Mapping[str, str] = TERM) -> None:
        self._width = width
        self._terminal = Terminal()
        clock = Clock()
        self.renderer = LiveRenderer(self._terminal, Paint(enabled=True), 0, env, clock=clock, width=width)
        self._made.callback(partial(self.renderer.close, failed=False))
        for pause_s, event in steps:
            clock.now += pause_s
            self.renderer.emit(event)
        self.renderer.refresh()

    @property
    def written(self) -> str:
        """Everything that was written."""
        return self._terminal.getvalue()

    @property
    def screen(self) -> list[str]:
        """The lines that stand on the screen now."""
        screen = pyte.Screen(self._width, ROWS)
        # what a terminal's driver makes of a line's end
        pyte.Stream(screen).feed(self.written.replace("\n", "\r\n"))
        return [line.rstrip() for line in screen.display if line.strip()]
