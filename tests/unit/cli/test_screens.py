"""The live display as it stands on a screen, and the closing words of a build."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from cargoship.cli.paint import NO_COLOURS
from cargoship.cli.render.terminal import shows_links, shows_progress
from cargoship.cli.results.pushed import pushed_lines
from cargoship.events import (
    BlobPushed,
    BlobQueued,
    BytesMoved,
    CompileForeseen,
    CompileProgress,
    Event,
    Note,
    PhaseEnded,
    PhaseStarted,
    UnitFinished,
)
from cargoship.oci.digest import Digest
from cargoship.oci.reference import Reference
from cargoship.registry.push import Published
from support.screens import TERM, Played

BAR = "━" * 24
INDENT = " " * 13
Steps = Sequence[tuple[float, Event]]

STANDARD_LIBRARY: Steps = (
    (0, PhaseStarted("toolchain")),
    (
        1,
        PhaseStarted(
            "sysroot",
            "the standard library of Rust 1.85.0 for x86_64-unknown-linux-musl, aarch64-unknown-linux-musl; "
            "once, it is kept in /home/me/.cache/cargoship",
        ),
    ),
    (5, CompileProgress(3, 31, ("core", "compiler_builtins(build)"))),
    (80, CompileProgress(30, 31, ("std",))),
    (58, BytesMoved("cache", 0, 0)),
)
FORESEEN = {"tokio": (9.0, 9.0), "libsqlite3-sys(build)": (100.0,), **{f"crate{n}": (3.0,) for n in range(34)}}
COMPILING: Steps = (
    (0, PhaseStarted("compile", "2 targets")),
    (0, CompileForeseen(41, FORESEEN)),
    (1, CompileProgress(12, 41, ("libsqlite3-sys(build)",))),
    *((0, UnitFinished(f"crate{n}", f"crate{n}", fresh=True, name=f"crate{n}")) for n in range(12)),
    (77, CompileProgress(13, 41, ("libsqlite3-sys(build)", "tokio", "rustls(build.rs)", "hyper", "web(bin)"))),
    (3, BytesMoved("cache", 0, 40_000_000)),
    (0.2, BytesMoved("cache", 0, 400_000)),
)
PUSHING: Steps = (
    (0, PhaseStarted("publish")),
    (0, BlobQueued("sha256:aa", 90_000_000)),
    (0, BlobQueued("sha256:bb", 5_000_000)),
    (1, BlobPushed("sha256:bb", 5_000_000, "exists")),
    (1, BytesMoved("registry", 30_000_000, 0)),
    (1, BytesMoved("registry", 10_000_000, 0)),
)


@pytest.fixture(autouse=True)
def _closed_at_last() -> Iterator[None]:
    with Played.closing():
        yield


def titled(width: int, line: str, took: str) -> str:
    """A line with a time at the right edge."""
    return line + took.rjust(width - len(line))


def without_spinner(lines: list[str]) -> list[str]:
    return [" " + lines[0][1:], *lines[1:]]


def test_a_standard_library_is_built_and_not_located_at_80_columns() -> None:
    assert without_spinner(Played(80, STANDARD_LIBRARY).screen) == [
        titled(80, "    Building the standard library of Rust 1.85.0 for", "2m 23s"),
        f"{INDENT}x86_64-unknown-linux-musl, aarch64-unknown-linux-musl",
        f"{INDENT}{BAR} 30/31",
        f"{INDENT}std 58s",
    ]


def test_a_standard_library_says_its_targets_on_one_line_at_140_columns() -> None:
    first = "the standard library of Rust 1.85.0 for x86_64-unknown-linux-musl, aarch64-unknown-linux-musl"
    assert without_spinner(Played(140, STANDARD_LIBRARY).screen) == [
        titled(140, f"    Building {first}", "2m 23s"),
        f"{INDENT}{BAR} 30/31",
        f"{INDENT}std 58s",
    ]


def test_the_slowest_unit_says_since_when_and_a_known_build_how_long_it_will_take() -> None:
    # 100 s of the build script are nearly over; 22 crates of 3 s and two of 9 s are left, for two at a time
    assert without_spinner(Played(80, COMPILING).screen) == [
        titled(80, "   Compiling 2 targets", "1m 21s"),
        f"{INDENT}{BAR} 13/41  about 50s left",
        f"{INDENT}libsqlite3-sys build script 1m 20s, tokio 3.2s and 3 more",
        f"{INDENT}cache ↓ 40.4 MB, 80.8 MB/s",
    ]
    assert Played(140, COMPILING).screen[2] == (
        f"{INDENT}libsqlite3-sys build script 1m 20s, tokio 3.2s, rustls compiling its build script 3.2s, hyper 3.2s, "
        "web program 3.2s"
    )


@pytest.mark.parametrize("width", [80, 140])
def test_a_push_says_how_many_bytes_are_over(width: int) -> None:
    assert without_spinner(Played(width, PUSHING).screen) == [
        titled(width, "  Publishing the image", "3.0s"),
        f"{INDENT}{BAR} 45.0 MB of 95.0 MB, 1 of 2 blobs",
        f"{INDENT}registry ↑ 40.0 MB, 40.0 MB/s",
    ]


@pytest.mark.parametrize("steps", [STANDARD_LIBRARY, COMPILING, PUSHING])
@pytest.mark.parametrize("width", [20, 40, 80, 140])
def test_nothing_is_left_of_it_and_lines_scroll_above(width: int, steps: Steps) -> None:
    played = Played(width, [*steps, (0, Note("a line"))])
    assert played.screen[0] == "note: a line"
    assert all(len(line) <= width for line in played.screen)
    assert len(played.screen) > 2
    played.renderer.close(failed=False)
    assert played.screen == ["note: a line"]


def test_a_build_that_nobody_knows_says_nothing_of_the_time_that_is_left() -> None:
    known: Steps = [(0, CompileForeseen(41, {"serde": (3.0,)}))]
    for foreseen in ([], known):
        steps: Steps = [(0, PhaseStarted("compile", "2 targets")), *foreseen, (1, CompileProgress(2, 41, ("serde",)))]
        assert not any("left" in line for line in Played(80, steps).screen)


def test_each_frame_is_shown_at_once() -> None:
    written = Played(80, COMPILING).written
    frames = written.split("\x1b[?2026h")
    assert frames[0] == ""
    assert all("\x1b[?2026l" in frame for frame in frames[1:])


def test_a_terminal_that_shows_progress_gets_it_and_is_informed_of_the_end() -> None:
    env = {**TERM, "TERM_PROGRAM": "WezTerm"}
    played = Played(80, [*COMPILING], env)
    assert "\x1b]9;4;1;31\x1b\\" in played.written
    played.renderer.close(failed=True)
    assert played.written.endswith("\x1b]9;4;2;100\x1b\\")
    unknown = Played(80, [(0, PhaseStarted("metadata"))], env)
    assert "\x1b]9;4;3\x1b\\" in unknown.written
    unknown.renderer.close(failed=False)
    assert unknown.written.endswith("\x1b]9;4;0\x1b\\")
    assert "\x1b]9;4" not in Played(80, COMPILING).written


@pytest.mark.parametrize(
    ("env", "progress", "links"),
    [
        ({}, False, False),
        ({"WT_SESSION": "1"}, True, True),
        ({"TERM_PROGRAM": "vscode"}, False, True),
        ({"VTE_VERSION": "7003"}, False, True),
        ({"VTE_VERSION": "7900"}, True, True),
        ({"VTE_VERSION": "new"}, False, False),
        ({"TERM_PROGRAM": "ghostty", "CARGO_TERM_HYPERLINKS": "false"}, True, False),
        ({"WT_SESSION": "1", "CARGO_TERM_PROGRESS_TERM_INTEGRATION": "false"}, False, True),
    ],
)
def test_what_a_terminal_can_do(env: dict[str, str], *, progress: bool, links: bool) -> None:
    assert shows_progress(env) is progress
    assert shows_links(env, terminal=True) is links
    assert not shows_links(env, terminal=False)


def test_a_phase_that_is_over_makes_room_for_the_one_around_it() -> None:
    steps = [*STANDARD_LIBRARY, (1, PhaseEnded("sysroot", 144))]
    assert "Locating the toolchain" in Played(80, steps).screen[-1]


def test_what_was_pushed_fits_80_columns() -> None:
    reference = Reference.parse("ghcr.io/a-long-organisation/a-service-with-a-long-name").at(Digest.of(b""))
    tags = ("1.2.3", "latest")
    published = Published(reference, Digest.of(b""), tags, pushed=5, mounted=2, skipped=3, pushed_bytes=34_500_000)
    assert "\n".join(pushed_lines([published], NO_COLOURS)).splitlines() == [
        "      Pushed ghcr.io/a-long-organisation/a-service-with-a-long-name (1.2.3, latest)",
        f"{INDENT}5 blobs pushed (34.5 MB), 2 mounted, 3 already there",
    ]
