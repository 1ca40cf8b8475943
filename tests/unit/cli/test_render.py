"""Events to lines: plain, quiet, JSON."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable

import pytest

from cargoship.cli.failing.failures import Failure, explain_error
from cargoship.cli.paint import Paint, wants_colour, without_escapes
from cargoship.cli.render import Talk, make_renderer, words
from cargoship.cli.render.jsonlines import JsonRenderer
from cargoship.cli.render.plain import PlainRenderer
from cargoship.cli.render.quiet import QuietRenderer
from cargoship.errors import CargoshipError
from cargoship.events import (
    BlobPushed,
    CompileProgress,
    Event,
    LayerAssembled,
    Level,
    Note,
    PhaseEnded,
    PhaseStarted,
    ToolOutput,
    UnitFinished,
    UnitsKept,
    UnitsRestored,
    Written,
)

RED = "\x1b[1m\x1b[38;5;9merror[E0308]\x1b[0m: mismatched types"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def plain(events: Iterable[Event], *, verbosity: int = 0, colour: bool = False) -> list[str]:
    stream = io.StringIO()
    renderer = PlainRenderer(stream, Paint(colour), verbosity, Clock())
    for event in events:
        renderer.emit(event)
    renderer.close(failed=False)
    return stream.getvalue().splitlines()


@pytest.mark.parametrize(
    ("event", "from_verbosity", "line"),
    [
        (Note("x", Level.WARNING), 0, "warning: x"),
        (Note("x", Level.INFO), 0, "note: x"),
        (Note("x", Level.VERBOSE), 1, "x"),
        (Note("x", Level.DEBUG), 2, "x"),
        (ToolOutput("   Compiling serde v1.0"), 0, "   Compiling serde v1.0"),
        (PhaseStarted("compile", "2 targets"), 0, "   Compiling 2 targets"),
        (PhaseEnded("compile", 75.2, "2 targets"), 0, "    Compiled 2 targets in 1m 15s"),
        (PhaseEnded("metadata", 0.04), 0, "        Read the project in 0.0s"),
        (PhaseEnded("unheard-of", 1.0), 0, "  Unheard-of in 1.0s"),
        (Written("OCI layout", "target/x"), 0, "       Wrote OCI layout target/x"),
        # what was written where took three lines
        (PhaseEnded("write", 0.1), 1, "       Wrote the image in 0.1s"),
        (LayerAssembled("bin", "sha256:ab", 9), 1, "       Layer bin, 9 B sha256:ab"),
        (BlobPushed("sha256:ab", 999, "exists"), 1, "      Exists sha256:ab 999 B"),
        (UnitsRestored(0, 0, 12, 0, 0.2, 0), 3, ""),
        (
            UnitsRestored(11, 11, 12, 2_500_000, 0.2, 75),
            0,
            "    Restored 11 of 12 units, 2.5 MB in 0.2s, which took 1m 15s to compile",
        ),
        (UnitsKept(1, 1, 90, 2.0, 0.1), 0, "        Kept 1 unit, 90 B in 2.0s"),
        (UnitsKept(2, 1, 90, 2.0, 1.5), 0, "        Kept 2 units, 90 B in 2.0s, waited for 1.5s"),
        (UnitFinished("serde", "serde_derive", fresh=True), 2, "       Fresh serde (serde_derive)"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str | int) else None,
)
def test_an_event_is_worth_one_line_from_a_verbosity_on(event: Event, from_verbosity: int, line: str) -> None:
    for verbosity in range(3):
        assert plain([event], verbosity=verbosity) == ([line] if verbosity >= from_verbosity else [])


def test_progress_is_reported_sparingly() -> None:
    clock, stream = Clock(), io.StringIO()
    renderer = PlainRenderer(stream, Paint(enabled=False), 0, clock)
    renderer.emit(PhaseStarted("compile"))
    for done in range(1, 201):
        clock.now += 0.125
        renderer.emit(CompileProgress(done, 200, ("serde", "serde", "tokio", "ring", "http", "hyper", "tokio")))
    lines = stream.getvalue().splitlines()[1:]
    assert lines[0] == " " * 13 + "20/200 serde, tokio, ring and 2 more"
    assert 5 <= len(lines) <= 10
    assert "\r" not in stream.getvalue()


def test_a_long_unit_is_still_reported_now_and_then() -> None:
    clock, stream = Clock(), io.StringIO()
    renderer = PlainRenderer(stream, Paint(enabled=False), 0, clock)
    renderer.emit(PhaseStarted("compile"))
    for _ in range(100):
        clock.now += 1
        renderer.emit(CompileProgress(7, 200, ("openssl-sys",)))
    assert stream.getvalue().count("7/200 openssl-sys") == 5


def test_a_phase_that_says_nothing_for_a_minute_is_said_to_go_on() -> None:
    clock, stream = Clock(), io.StringIO()
    renderer = PlainRenderer(stream, Paint(enabled=False), 0, clock)

    def silence(seconds: float) -> list[str]:
        before = len(stream.getvalue())
        clock.now += seconds
        renderer.beat()
        return stream.getvalue()[before:].splitlines()

    assert silence(1000) == [], "nothing goes on"
    renderer.emit(PhaseStarted("toolchain"))
    renderer.emit(PhaseStarted("sysroot", "the standard library for a-target"))
    assert silence(59) == []
    assert silence(2) == [" " * 13 + "still building; 1m 01s so far"]
    assert silence(30) == []
    renderer.emit(CompileProgress(57, 58, ("std", "std")))
    assert silence(61) == [" " * 13 + "still building std, for 1m 01s; 2m 32s so far"]
    renderer.emit(CompileProgress(57, 58, ("test", "std")))
    assert silence(61) == [" " * 13 + "still building std, test, for 2m 02s; 3m 33s so far"]
    renderer.emit(PhaseEnded("sysroot", 1.0))
    assert silence(61) == [" " * 13 + "still locating; 4m 34s so far"]
    # one that has raised has no end of its own
    renderer.emit(PhaseStarted("trial"))
    renderer.emit(PhaseEnded("toolchain", 1.0))
    assert silence(1000) == []
    renderer.emit(PhaseStarted("compile"))
    renderer.close(failed=False)
    assert silence(1000) == []


@pytest.mark.parametrize("colour", [True, False])
def test_a_tools_colours_pass_or_are_taken_away(*, colour: bool) -> None:
    assert plain([ToolOutput(RED)], colour=colour) == [RED if colour else "error[E0308]: mismatched types"]


def test_links_are_taken_away_with_the_colours() -> None:
    assert without_escapes("\x1b]8;;https://x.y\x1b\\E0308\x1b]8;;\x1b\\ \x1b[Kend") == "E0308 end"


def test_what_stands_around_a_sequence_does_not_become_one() -> None:
    """A line without colours had one again, which two others had hidden."""
    assert without_escapes("\x1b[\x1b[0m1mx") == "\\x1b[1mx"


def test_quiet_shows_what_a_tool_said_only_when_the_run_fails() -> None:
    for failed, shown in ((False, ""), (True, "error[E0308]: mismatched types\n")):
        stream = io.StringIO()
        renderer = QuietRenderer(stream, Paint(enabled=False))
        for event in (ToolOutput(RED), Note("careful", Level.WARNING), PhaseEnded("compile", 1)):
            renderer.emit(event)
        renderer.close(failed=failed)
        assert stream.getvalue() == shown


def test_json_lines_carry_every_field() -> None:
    stream = io.StringIO()
    renderer = JsonRenderer(stream, 0, Clock())
    renderer.emit(PhaseStarted("compile", "2 targets"))
    renderer.emit(CompileProgress(1, 9, ("serde",)))
    renderer.emit(CompileProgress(2, 9, ("serde",)))  # within a tenth of a second
    renderer.emit(CompileProgress(9, 9))
    renderer.emit(Note("x", Level.WARNING))
    renderer.emit(Note("x", Level.DEBUG))
    renderer.emit(ToolOutput(RED))
    renderer.fail(Failure("it broke", 101, hint="mend it"))
    assert [json.loads(line) for line in stream.getvalue().splitlines()] == [
        {"event": "phase-started", "name": "compile", "detail": "2 targets"},
        {"event": "compile-progress", "done": 1, "total": 9, "active": ["serde"]},
        {"event": "compile-progress", "done": 9, "total": 9, "active": []},
        {"event": "note", "text": "x", "level": "warning"},
        {"event": "tool-output", "line": RED},
        {"event": "error", "message": "it broke", "hint": "mend it", "details": None, "exit_code": 101},
    ]


def test_a_failure_is_the_sentence_the_details_and_the_hint() -> None:
    failure = Failure("cargo says no", 11, hint="read the manual", details="line 1\n\x1b[31mline 2\x1b[0m\n")
    assert failure.text() == ("error: cargo says no\nline 1\nline 2\nhint: read the manual\n")


class Closed(io.StringIO):
    def write(self, _text: str) -> int:
        raise BrokenPipeError

    def isatty(self) -> bool:
        return False


@pytest.mark.parametrize("progress", ["auto", "plain", "json"])
@pytest.mark.parametrize("verbosity", [-1, 0])
def test_a_closed_standard_error_does_not_end_the_work(progress: str, verbosity: int) -> None:
    renderer = make_renderer(Talk(verbosity, progress), Closed(), Paint(enabled=False), {}, Clock())
    renderer.emit(PhaseStarted("compile"))
    renderer.emit(ToolOutput("x"))
    renderer.close(failed=True)
    renderer.fail(Failure("x", 1))


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (12_345_678, "12.3 MB"),
        (5_000_000_000, "5.0 GB"),
        (7 * 10**15, "7000.0 TB"),
    ],
)
def test_sizes(size_bytes: int, text: str) -> None:
    assert words.size(size_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0s"), (9.94, "9.9s"), (9.96, "10s"), (59.6, "1m 00s"), (125, "2m 05s")]
)
def test_durations(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("choice", "env", "terminal", "colour"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {"CLICOLOR_FORCE": "1"}, True, False),
        ("auto", {"NO_COLOR": "1", "CLICOLOR_FORCE": "1"}, True, False),
        ("auto", {"NO_COLOR": ""}, True, True),
        ("auto", {"CLICOLOR_FORCE": "1"}, False, True),
        ("auto", {"CLICOLOR_FORCE": "0"}, False, False),
        ("auto", {"CLICOLOR": "0"}, True, False),
        ("auto", {"TERM": "dumb"}, True, False),
        ("auto", {"CARGO_TERM_COLOR": "always"}, False, True),
        ("auto", {"CARGO_TERM_COLOR": "never"}, True, False),
        ("auto", {"CARGO_TERM_COLOR": "auto"}, True, True),
    ],
)
def test_whether_to_colour(choice: str, env: dict[str, str], *, terminal: bool, colour: bool) -> None:
    assert wants_colour(choice, env, terminal=terminal) is colour


@pytest.mark.parametrize(
    "text",
    [
        "cannot ask https://me:s3cr3t-word@mirror.example/x",
        "HTTP://s3cr3t-word@h.example: no",
        "docker.io=socks5h://u:s3cr3t-word@[::1]:1080/",
    ],
)
def test_no_password_of_an_address_is_shown(text: str) -> None:
    stream = io.StringIO()
    failure = explain_error(CargoshipError(text, hint=text, details=text))
    for renderer in (PlainRenderer(stream, Paint(enabled=False), 2, Clock()), JsonRenderer(stream, 2, Clock())):
        renderer.emit(Note(text, Level.WARNING))
        renderer.emit(Note(text, Level.DEBUG))
        renderer.fail(failure)
    assert "s3cr3t-word" not in stream.getvalue()
    assert "...@" in stream.getvalue()


@pytest.mark.parametrize("text", ["\x1b[2J", "\x1b]0;title\x07", "\x9b2J", "\u202eabc", "\r", "\x7f", "\x08"])
def test_a_terminal_obeys_nobody_but_us(text: str) -> None:
    stream = io.StringIO()
    events: list[Event] = [
        Note(text, Level.WARNING), Note(text, Level.DEBUG), ToolOutput(text), Written(text, text),
        PhaseEnded("compile", 1.0, text), UnitFinished(text, text, fresh=False),
    ]  # fmt: skip
    for renderer in (PlainRenderer(stream, Paint(enabled=True), 2, Clock()), JsonRenderer(stream, 2, Clock())):
        for event in events:
            renderer.emit(event)
        renderer.fail(explain_error(CargoshipError(text, hint=text, details=text)))
    shown = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())
    assert all(line.isprintable() for line in shown.split("\n")), shown
