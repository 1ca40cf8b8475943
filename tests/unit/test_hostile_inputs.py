"""Whatever a stranger hands over is read or refused: soon, in little memory, and nothing else is touched.

`scripts/fuzz-inputs` tries a million of them; here are 20,000, the same ones each time.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cargoship.errors import CargoshipError
from support.hostile.areas import AREAS, shares
from support.hostile.changes import Chance
from support.hostile.judge import Judge, Kind, shown
from support.programs import REPOSITORY

INPUTS = 20_000


@pytest.mark.thorough
@pytest.mark.parametrize("area", AREAS)
def test_twenty_thousand_inputs(area: str) -> None:
    script = REPOSITORY / "scripts" / "fuzz-inputs"
    wanted: list[str | Path] = [sys.executable, script, "--area", area, "--inputs", str(INPUTS // len(AREAS) + 1)]
    done = subprocess.run(wanted, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"inputs of \d+ kinds, \d+ refused, 0 faults", done.stdout)


def test_every_kind_gets_its_share() -> None:
    kinds = [kind for area in AREAS.values() for kind in area]
    counts = [count for _, count in shares(kinds, 1_000_000)]
    assert sum(counts) == 1_000_000
    assert len(counts) == len(kinds) == len({kind.name for kind in kinds})
    assert min(counts) >= 10


def _refuses(_: Chance, __: Path) -> None:
    raise CargoshipError("no, \x1b[2J")


def _raises(_: Chance, __: Path) -> None:
    raise KeyError("x")


def _hangs(_: Chance, __: Path) -> None:
    with contextlib.suppress(Exception):
        while True:
            pass


def _grows(_: Chance, __: Path) -> None:
    assert bytearray(os.urandom(1 << 20) * 400)


def _strays(_: Chance, folder: Path) -> None:
    (folder.parent / "outside" / "x").write_text("x")


def _strays_through_a_link(_: Chance, folder: Path) -> None:
    (folder / "link").symlink_to(folder.parent / "outside")
    (folder / "link" / "x").write_text("x")


def _starts(_: Chance, __: Path) -> None:
    subprocess.run(["true"], check=True)


def _tells(_: Chance, __: Path) -> None:
    shown("\x9b2J")


WRONG: dict[str, tuple[Callable[[Chance, Path], None], str]] = {
    "what is refused well": (_refuses, ""),
    "another error": (_raises, "KeyError"),
    "no end": (_hangs, "it takes more than 2 s"),
    "much memory": (_grows, "the process has grown to"),
    "a file elsewhere": (_strays, "it has written elsewhere"),
    "a file behind a link": (_strays_through_a_link, "it has written elsewhere"),
    "a program": (_starts, "it has started something"),
    "a terminal that obeys": (_tells, "a terminal would obey"),
}


def _judged(read: Callable[[Chance, Path], object]) -> str:
    import tempfile  # noqa: PLC0415 - in a process of its own

    with tempfile.TemporaryDirectory() as folder:
        judge = Judge(Path(folder, "work").resolve(), 1)
        with judge.watching():
            judge.try_kind(Kind("it", read, on_disk=True), 1)
        return "\n".join(map(str, judge.account.faults))


@pytest.mark.thorough
@pytest.mark.parametrize("name", WRONG)
def test_the_judge_sees_what_is_wrong(name: str) -> None:
    """In a process of its own: what watches a process watches it to its end."""
    program = "import sys; sys.path.insert(0, sys.argv[1]); import unit.test_hostile_inputs as tests; "
    program += "print(tests._judged(tests.WRONG[sys.argv[2]][0]))"
    found = subprocess.run(
        [sys.executable, "-c", program, REPOSITORY / "tests", name], capture_output=True, text=True, check=True
    ).stdout
    assert WRONG[name][1] in found
    assert ("scripts/fuzz-inputs --only 'it' --seed 1 --first 0 --inputs 1" in found) == bool(WRONG[name][1])
