"""What a macro was seen to look at on a worker, and whether it is the same here."""

from __future__ import annotations

from pathlib import Path

import pytest

from cargoship.execution.call import StaysHere
from cargoship.execution.script import FILES, LINKED, LINKER, RUST, TEMPORARY
from cargoship.execution.watched import seen_there
from cargoship.unitcache.watching.records import Event
from unit.execution.test_call import a_call, a_program

ROOT = "/worker/7"
THERE = f"{ROOT}/{FILES}"
DEPS = "/ws/target/t/release/deps"
HEAD = "Kfoo\t-0123456789abcdef\t/out"


def seen(
    *lines: str,
    files: tuple[str, ...] = ("/ws/src/lib.rs", "/ws/data/a.txt"),
    pinned: bool = False,
    env: str = "",
    program: bool = False,
) -> tuple[Event, ...]:
    data = b"".join(line.encode() + b"\0" for line in (HEAD, *lines))
    call = a_program() if program else a_call(env=dict.fromkeys(env.split(), "here"))
    return seen_there(data, call, root=ROOT, files=files, given={"GIVEN": "here"}, pinned=pinned)


def test_what_was_sent_is_what_is_here() -> None:
    found = seen(
        f"O{THERE}/ws/data/a.txt", f"S{THERE}/ws/data", f"A{THERE}/nowhere/b.txt", f"O{ROOT}/{RUST}/lib/x.so",
        f"W{THERE}{DEPS}/rmetaX/full.rmeta", "O/proc/self/maps", "O/sys/fs/cgroup/cpu.max", "Crustc", "Rrustc",
    )  # fmt: skip
    assert found == (Event("O", "/ws/data/a.txt"), Event("S", "/ws/data"), Event("A", "/nowhere/b.txt"))


def test_what_neither_machine_has_is_the_same_here(tmp_path: Path) -> None:
    """rustc looks so for std's own sources, to show a line of them."""
    (tmp_path / "here").touch()
    missing = "/rustc/0123456789abcdef/library/core/src/macros/mod.rs"
    assert seen(f"A{missing}") == (Event("A", missing),)
    for other in (f"A{tmp_path}/here", f"A{ROOT}/other", f"O{missing}", f"S{missing}"):
        with pytest.raises(StaysHere, match="files of the machine"):
            seen(other)


def test_what_rustc_does_for_a_linker_is_its_own() -> None:
    linker = f"{ROOT}/{LINKER}/cargoship-t-unknown-linux-musl-ld"
    lines = (
        f"X{linker}",
        f"Z{linker}\n/cwd\n-o\nx",
        f"W{ROOT}/{TEMPORARY}/rustcAbC123/symbols.o",
        f"W{ROOT}/{LINKED}/0",
    )
    assert seen(*lines, program=True) == ()
    for line in (*lines[:2], f"O{ROOT}/{TEMPORARY}/a.txt", f"D{ROOT}/{TEMPORARY}", f"X{ROOT}/{LINKER}/other"):
        with pytest.raises(StaysHere):
            seen(line, program=line not in lines)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("O/etc/hostname", "files of the machine"),
        ("O/worker/8/secret", "files of the machine"),
        (f"O{THERE}/ws/other.txt", "looks into folders"),
        (f"D{THERE}/ws/data", "looks into folders"),
        (f"O{THERE}/ws/data", "looks into folders"),
        (f"S{THERE}/ws/data/../../etc", "looks into folders"),
        (f"W{THERE}/ws/made.rs", "writes files"),
        ("A{}/here.txt", "that is here alone"),
        ("O/dev/hwrng", "otherwise on each machine"),
        ("X/bin/date", "otherwise on each machine"),
        ("N", "otherwise on each machine"),
        ("Hrustc", "otherwise on each machine"),
        ("Urawsyscall", "otherwise on each machine"),
        (f"G{THERE}{DEPS}/libevil.so", "all variables"),
    ],
)
def test_what_may_be_otherwise_here_stays_here(tmp_path: Path, line: str, why: str) -> None:
    (tmp_path / "here.txt").write_text("")
    with pytest.raises(StaysHere, match=why):
        seen(line.format(f"{THERE}{tmp_path}"))


def test_a_variable_that_is_set_here_alone_stays_here() -> None:
    assert seen("VGIVEN", "VNOWHERE", env="TOKEN GIVEN") == (Event("V", "GIVEN"), Event("V", "NOWHERE"))
    with pytest.raises(StaysHere, match="looks at TOKEN"):
        seen("VTOKEN", env="TOKEN")
    with pytest.raises(StaysHere, match="looks at HOME"):
        seen("VHOME", env="HOME")
    # what every machine has otherwise, and no published crate is made of
    assert seen("VHOME", env="HOME", pinned=True) == (Event("V", "HOME"),)
    assert seen("VCARGO_PKG_NAME", env="CARGO_PKG_NAME") == (Event("V", "CARGO_PKG_NAME"),)


@pytest.mark.parametrize("data", [b"", b"Kfoo", b"O/x\0O/y", b"\0" * 60_000], ids=["none", "cut", "later", "many"])
def test_a_record_that_is_not_whole_stays_here(data: bytes) -> None:
    with pytest.raises(StaysHere, match="as a whole"):
        seen_there(data, a_call(), root=ROOT, files=(), given={}, pinned=False)
