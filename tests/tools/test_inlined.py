"""Inlined calls of an address, as binutils' addr2line names them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from cargoship.elf.lines import DebugFile
from support.programs import distribution_rust, run

pytestmark = pytest.mark.tools

_MAIN = """#[inline(always)]
fn inner(number: u32) -> u32 {
    if number == 3 {
        panic!("three");
    }
    number * 7
}
#[inline(always)]
fn middle(number: u32) -> u32 {
    inner(number) + 1
}
#[inline(never)]
fn outer(number: u32) -> u32 {
    middle(number) ^ 5
}
fn main() {
    println!("{}", outer(std::env::args().count() as u32));
}
"""


def compiled(folder: Path, debug: str, dwarf: int) -> Path:
    (folder / "app.rs").write_text(_MAIN)
    rustc = distribution_rust().get("RUSTC", "rustc")
    name = f"app-{debug}-{dwarf}"
    words = ("-O", f"-Cdebuginfo={debug}", f"-Zdwarf-version={dwarf}", "-o", name, "app.rs")
    run(rustc, *words, cwd=folder, env={"RUSTC_BOOTSTRAP": "1"})
    return folder / name


def read_frames(path: Path) -> dict[int, list[tuple[str, int]]]:
    """By the addresses of a function: the functions that each lies in, the innermost first, with lines."""
    found = {}
    with path.open("rb") as stream:
        read = DebugFile(stream, path)
        function = next(each for each in read.functions if "3app5outer" in each.name)
        for address in range(function.start, function.end):
            place = read.place_of(address)
            if place is None:
                # of no line: code that is nobody's
                continue
            calls = read.calls_at(address)
            names = ["outer", *(re.sub(r".*\d", "", name) for name, _ in calls)]
            lines = [*(called.line for _, called in calls if called is not None), place.line]
            found[address - function.start] = list(zip(reversed(names), reversed(lines), strict=True))
    return found


def judged_frames(path: Path, start: int, offsets: Iterable[int]) -> dict[int, list[tuple[str, int]]]:
    found = {}
    for offset in offsets:
        words = run("addr2line", "-e", path, "-f", "-i", "-C", hex(start + offset)).stdout.splitlines()
        found[offset] = [
            (name.rpartition("::")[2], int(place.rpartition(":")[2].split()[0]))
            for name, place in zip(words[::2], words[1::2], strict=True)
        ]
    return found


def test_the_same_as_addr2line(tmp_path: Path) -> None:
    # that of binutils 2.40 knows the inlined calls of DWARF 4 alone, and names them where there is more than lines
    judged = compiled(tmp_path, "1", 4)
    own = read_frames(judged)
    with judged.open("rb") as stream:
        start = next(each.start for each in DebugFile(stream, judged).functions if "3app5outer" in each.name)
    assert own == judged_frames(judged, start, own)
    assert max(map(len, own.values())) == 3
    for debug, dwarf in (("1", 5), ("line-tables-only", 4), ("line-tables-only", 5)):
        assert read_frames(compiled(tmp_path, debug, dwarf)) == own
