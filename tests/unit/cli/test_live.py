"""The live display, on a pseudo-terminal."""

from __future__ import annotations

import os
import pty
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import pytest

from cargoship.cli.paint import Paint
from cargoship.cli.render import Talk, make_renderer
from cargoship.cli.render.live import LiveRenderer
from cargoship.cli.render.plain import PlainRenderer
from cargoship.cli.render.renderer import Renderer
from cargoship.events import (
    BlobPushed,
    BlobQueued,
    BytesMoved,
    CompileProgress,
    PhaseEnded,
    PhaseStarted,
    SlotsUsed,
    ToolOutput,
)
from support.counting import counted

LINE = "\x1b[1m\x1b[33mwarning\x1b[0m: " + "unused [bold]markup[/bold] " * 12


class Screen:
    """What a program writes to a terminal."""

    def __init__(self, source: int) -> None:
        self._source = source
        self._data = b""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._source, 65536)
            except OSError:  # the other end is closed
                return
            self._data += data

    def text(self) -> str:
        self._reader.join(timeout=10)
        return self._data.decode().replace("\r\n", "\n")


@contextmanager
def terminal() -> Iterator[tuple[TextIO, Screen]]:
    source, target = pty.openpty()
    screen = Screen(source)
    with open(target, "w", encoding="utf-8") as stream:  # noqa: PTH123 - a file descriptor
        yield stream, screen
    screen.text()
    os.close(source)


def renderer(stream: TextIO, *, colour: bool = True, **env: str) -> Renderer:
    return make_renderer(Talk(), stream, Paint(colour), env, time.monotonic)


def test_only_a_terminal_that_can_move_its_cursor_gets_it() -> None:
    with terminal() as (stream, _):
        assert isinstance(renderer(stream, TERM="xterm"), LiveRenderer)
        assert isinstance(renderer(stream, TERM="dumb"), PlainRenderer)
        assert isinstance(renderer(stream, TERM="xterm", CI="true"), PlainRenderer)
        assert isinstance(
            make_renderer(Talk(progress="plain"), stream, Paint(enabled=True), {}, time.monotonic), PlainRenderer
        )


@pytest.mark.parametrize("colour", [True, False])
def test_lines_of_tools_pass_as_they_are_above_the_region(*, colour: bool) -> None:
    with terminal() as (stream, screen):
        shown = renderer(stream, colour=colour, TERM="xterm")
        shown.emit(PhaseStarted("compile", "2 targets"))
        shown.emit(CompileProgress(12, 40, ("serde", "tokio")))
        shown.emit(SlotsUsed("reapi://there", 5, 32))
        time.sleep(0.3)
        shown.emit(ToolOutput(LINE))
        shown.emit(PhaseEnded("compile", 61, "40 units"))
        shown.emit(PhaseStarted("publish"))
        shown.emit(BlobQueued("sha256:aa", 5_000_000))
        shown.emit(BytesMoved("registry", 5_000_000, 0))
        shown.emit(BlobPushed("sha256:aa", 5_000_000, "pushed"))
        time.sleep(0.3)
        shown.close(failed=False)
    text = screen.text()
    assert (LINE if colour else re.sub(r"\x1b\[\d+m", "", LINE)) + "\n" in text
    assert "12/40" in text
    assert "serde, tokio" in text
    assert "5 of 32 slots at reapi://there" in text
    assert "5.0 MB of 5.0 MB, 1 of 1 blob" in text
    last = text.rpartition("\r")[2]
    assert re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text.partition("40 units in")[2]).startswith(" 1m 01s\n")
    assert "Publishing" not in last, "the region is gone when the work is over"
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h"), "the cursor is given back"


def test_it_costs_little() -> None:
    with terminal() as (stream, _):
        shown = renderer(stream, TERM="xterm")
        shown.emit(PhaseStarted("compile"))
        with counted() as work:
            for done in range(2000):
                shown.emit(CompileProgress(done, 2000, ("serde", "tokio")))
        shown.close(failed=False)
    assert work.calls < 2000 * 50, "an event changes a number; drawing is for the display's own rhythm"
