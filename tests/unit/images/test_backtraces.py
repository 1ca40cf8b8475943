"""Backtraces without symbols: where the program was, and what stays as it is."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from cargoship.elf.lines import DebugFile, Function, Place
from cargoship.images.backtraces import symbolicated

NAMES = {
    0x1000: "_RNvNtNtCs1_3std12backtrace_rs9backtrace5traceB2_",
    0x2040: "_RNvNtCs1_3std9panicking12default_hook",
    0x3080: "rust_begin_unwind",
    0x40C0: "_RNvNtCs7_4core9panicking9panic_fmt",
    0x5100: "_RNvCs3_3app4deep",
    0x6140: "_RNvNtCs1_3std2rt10lang_start_internal",
    0x7180: "main",
}
SIZE = 0x80


class Symbols(DebugFile):
    """Symbols that need no file."""

    def __init__(self, *, moves: bool = True) -> None:
        super().__init__(io.BytesIO(), Path("app.debug"))
        self._moves = moves
        self.__dict__["functions"] = tuple(Function(at, at + SIZE, name) for at, name in NAMES.items())

    @property
    def moves(self) -> bool:
        return self._moves

    def place_of(self, address: int) -> Place | None:
        return Place("src/main.rs", address & 0xFF, 5) if 0x5100 <= address < 0x5180 else None

    def calls_at(self, address: int) -> list[tuple[str, Place | None]]:
        at = Place("src/main.rs", 7, 9)
        return [("_RNvCs3_3app6middle", at), ("_RNvCs3_3app5inner", None)] if 0x5170 <= address < 0x5180 else []


def log(base: int) -> list[str]:
    frames = [f"{number:4}: {base + at + 0x21:#18x} - <unknown>\n" for number, at in enumerate(NAMES)]
    return ["thread 'main' panicked\n", "stack backtrace:\n", *frames, "the end\n"]


@pytest.mark.parametrize("base", [0, 0x5500_0000_0000, 0x7F77_B86A_9000])
def test_one_place_alone_makes_all_frames_fit(base: int) -> None:
    found = "".join(symbolicated(log(base), [Symbols()]))
    assert f"   4: {base + 0x5121:#18x} - app::deep\n" in found
    assert f"{'at src/main.rs:32:5':>44}\n" in found or "at src/main.rs:32:5\n" in found
    assert "rust_begin_unwind" in found
    assert found.startswith("thread 'main' panicked\n")
    assert found.endswith("the end\n")
    assert "<unknown>" not in found


def test_frames_of_other_programs_stay_as_they_are() -> None:
    lines = [f"{number:4}: {0x7F00_1234_5000 + number * 0x1003:#18x} - <unknown>\n" for number in range(8)]
    assert list(symbolicated(lines, [Symbols()])) == lines
    assert list(symbolicated(log(0x1000), [Symbols(moves=False)])) == log(0x1000)


def test_a_place_that_is_known_is_taken() -> None:
    lines = [f"   0: {0x10_0000 + 0x5121:#18x} - <unknown>\n"]
    assert list(symbolicated(lines, [Symbols()])) == lines
    assert "app::deep" in "".join(symbolicated(lines, [Symbols()], 0x10_0000))


def test_each_backtrace_has_a_place_of_its_own() -> None:
    found = "".join(symbolicated([*log(0x1_0000_0000), *log(0x2_0000_0000)], [Symbols()]))
    assert found.count("app::deep") == 2


def test_words_before_a_frame_stay() -> None:
    """As container engines and Kubernetes print logs: with times and names before each line."""
    lines = [f"2026-01-01T00:00:00Z app {line}" for line in log(0x3_0000_0000)]
    found = list(symbolicated(lines, [Symbols()]))
    assert all(line.startswith("2026-01-01T00:00:00Z app ") for line in found)
    assert any("app::deep" in line for line in found)


def test_inlined_calls_are_named_too() -> None:
    lines = [f"  {number}: {0x7F0000000000 + at + 0x75:#18x} - <unknown>\n" for number, at in enumerate(NAMES)]
    found = [line.rstrip() for line in symbolicated(lines, [Symbols()], 0x7F0000000000)]
    at = next(number for number, line in enumerate(found) if line.endswith("app::inner"))
    assert [line.strip() for line in found[at + 1 : at + 5]] == [
        "at src/main.rs:116:5",
        "app::middle",
        "app::deep",
        "at src/main.rs:7:9",
    ]
    # names stand below one another
    assert found[at + 2].index("app::middle") == found[at].index("app::inner")


class OfAnotherFile(Symbols):
    """The same program, of another crate."""

    def place_of(self, address: int) -> Place | None:
        place = super().place_of(address)
        return None if place is None else Place("/workspace/b/src/main.rs", place.line, 5)


@pytest.mark.parametrize("other_is_first", [True, False])
def test_of_programs_that_are_alike_the_one_with_the_panic_is_taken(*, other_is_first: bool) -> None:
    """Two binaries of a workspace in one image: the second one's backtrace got the names of the first."""
    files = [OfAnotherFile(), Symbols()] if other_is_first else [Symbols(), OfAnotherFile()]
    lines = ["thread 'main' (7) panicked at b/src/main.rs:32:5:\n", "boom\n", *log(0x7F77_B86A_9000)[1:]]
    found = "".join(symbolicated(lines, files))
    assert "at /workspace/b/src/main.rs:32:5\n" in found
    # where the message is of neither, as ever
    assert f"at {'/workspace/b/' if other_is_first else ''}src/main.rs:32:5\n" in "".join(
        symbolicated(["panicked at c.rs:1:1:\n", *lines[2:]], files)
    )


@pytest.mark.parametrize(
    "line",
    ["panicked at '', a:" * 60_000, "panicked at '" * 60_000, "panicked at " + "1:" * 500_000],
    ids=["messages", "quotes", "numbers"],
)
def test_a_long_line_that_looks_like_panics_holds_nobody_up(line: str) -> None:
    """Minutes for one line: each quote was tried with each colon after it."""
    assert next(symbolicated([f"{line}\n", *log(0x7F77_B86A_9000)[1:]], [Symbols()])) == f"{line}\n"


@pytest.mark.parametrize(
    "line", ["1" * 5000 + ": 0x1 - <unknown>\n", f"  1: 0x{'f' * 5000} - <unknown>\n"], ids=["number", "address"]
)
def test_numbers_that_no_backtrace_has_stay_as_they_are(line: str) -> None:
    """A number of more than 4,300 digits was an unexpected error."""
    lines = ["  0: 0x1 - <unknown>\n", line]
    assert list(symbolicated(lines, [Symbols()])) == lines


def test_the_place_of_a_panic_as_older_compilers_write_it() -> None:
    lines = ["thread 'main' panicked at 'it's a:1:2, see', b/src/main.rs:32:5\n", *log(0x7F77_B86A_9000)[1:]]
    assert "at /workspace/b/src/main.rs:32:5\n" in "".join(symbolicated(lines, [Symbols(), OfAnotherFile()]))
