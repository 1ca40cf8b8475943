"""What cargo 1.95 wrote into a pipe with CARGO_TERM_PROGRESS_WHEN=always, byte for byte (paths shortened)."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cargoship.cargo.progress import StatusLine, StderrReader, Written
from cargoship.events import CompileProgress, ToolOutput

CAPTURED = {path.stem: path.read_bytes() for path in (Path(__file__).parent / "captured").glob("*.stderr")}


def read(*pieces: bytes) -> list[Written]:
    reader = StderrReader()
    return [part for piece in pieces for part in reader.feed(piece)] + reader.finish()


def check(
    name: str, *, verbs: set[str], output: tuple[str, ...], last: CompileProgress, pieces: tuple[bytes, ...] = ()
) -> None:
    found = read(*(pieces or (CAPTURED[name],)))
    bars = [part for part in found if isinstance(part, CompileProgress)]
    lines = [part.line for part in found if isinstance(part, ToolOutput)]
    statuses = [part for part in found if isinstance(part, StatusLine)]
    assert {status.verb for status in statuses} == verbs
    assert bars[-1] == last
    assert all(bar.total == last.total and bar.done <= bar.total for bar in bars)
    assert sorted(bars, key=lambda bar: bar.done) == bars
    assert tuple(lines[: len(output)]) == output
    for text in (*lines, *(status.line for status in statuses)):
        assert "\r" not in text
        assert "\x1b[K" not in text
        assert "Building" not in text


WARNING = (
    "warning: unused variable: `x`",
    " --> src/main.rs:1:16",
    "  |",
    '1 | fn main(){ let x = 1; println!("{}", itoa::Buffer::new().format(3)); }',
)
CASES = {
    "plain": {"verbs": {"Compiling", "Finished"}, "output": WARNING, "last": CompileProgress(16, 17, ("proj(bin)",))},
    "colours": {
        "verbs": {"Updating", "Locking", "Downloaded", "Compiling", "Finished"},
        "output": ("\x1b[1m\x1b[33mwarning\x1b[0m\x1b[1m: unused variable: `x`\x1b[0m",),
        "last": CompileProgress(16, 17, ("proj(bin)",)),
    },
    "failure-colours": {
        "verbs": {"Compiling"},
        "output": (
            "\x1b[1m\x1b[91merror[E0308]\x1b[0m\x1b[1m: mismatched types\x1b[0m",
            " \x1b[1m\x1b[94m--> \x1b[0msrc/main.rs:1:25",
        ),
        "last": CompileProgress(16, 17, ("proj(bin)",)),
    },
    "failure-download": {
        "verbs": {"Updating", "Downloaded", "Compiling"},
        "output": ("error[E0308]: mismatched types", " --> src/main.rs:1:25", "  |"),
        "last": CompileProgress(16, 17, ("proj(bin)",)),
    },
}


@pytest.mark.parametrize("name", CASES)
def test_captured(name: str) -> None:
    check(name, **CASES[name])  # type: ignore[arg-type]


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_lost_or_invented(name: str) -> None:
    # What is not drawn over is printed: taking the lines that end with \n by hand gives the same text
    by_hand = [line.rpartition(b"\r")[2].removeprefix(b"\x1b[K").decode() for line in CAPTURED[name].split(b"\n")][:-1]
    found = [part.line for part in read(CAPTURED[name]) if not isinstance(part, CompileProgress)]
    assert found == by_hand


@given(st.sampled_from(sorted(CASES)), st.lists(st.integers(0, 12_000), max_size=30))
def test_pieces_may_end_anywhere(name: str, cuts: list[int]) -> None:
    data = CAPTURED[name]
    at = [0, *sorted(cuts), len(data)]
    assert read(*(data[start:end] for start, end in pairwise(at))) == read(data)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"no end", [ToolOutput("no end")]),
        (b"windows\r\n", [ToolOutput("windows")]),
        (b"curl  10%\rcurl 100%\n", [ToolOutput("curl  10%\rcurl 100%")]),
        (b"   Compiling x v1\n", [StatusLine("Compiling", "   Compiling x v1")]),
        (b"    Building [=>  ] 3/10: foo, bar...          \r", [CompileProgress(3, 10, ("foo", "bar..."))]),
        (b"    Building [=>  ] 3/10: foo, ...             \r", [CompileProgress(3, 10, ("foo",))]),
        (b"    Building 3/10\r", [CompileProgress(3, 10)]),
        (b"       Fetch [=====>     ]  45.20%, 1.2MiB/s   \r", []),
        (b" Downloading 3 crates, remaining bytes: 1.2MiB   \r\x1b[K", []),
        # Text of others that only looks alike
        (b"Compiling on the left\n", [ToolOutput("Compiling on the left")]),
        (b"   Compilers x\n", [ToolOutput("   Compilers x")]),
        (b"12 |     Building [=>] 3/10\n", [ToolOutput("12 |     Building [=>] 3/10")]),
        (b"caf\xc3\xa9 \xff\n", [ToolOutput("caf\u00e9 \ufffd")]),
    ],
)
def test_lines(data: bytes, expected: list[Written]) -> None:
    assert read(data) == expected


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    read(data)
