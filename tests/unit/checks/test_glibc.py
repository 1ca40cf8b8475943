"""Whether a base has the glibc that programs are to be linked for."""

from __future__ import annotations

import pytest

from cargoship.checks.glibc import check_glibc
from cargoship.checks.program import ProgramContext
from cargoship.platforms import row
from support.roots import glibc, root


@pytest.mark.parametrize(
    ("has", "floor", "fits"),
    [
        ("2.36", (2, 36), True),
        ("2.36", (2, 17), True),
        ("2.36", (2, 37), False),
        # glibc 2.31 gave libc.so.6 nothing new, so that bullseye's looks like 2.30
        ("2.30", (2, 31), True),
        ("2.30", (2, 32), False),
        ("2.18", (2, 21), True),
        ("2.17", (2, 19), False),
    ],
)
def test_the_floor_of_a_base(has: str, floor: tuple[int, int], fits: bool) -> None:  # noqa: FBT001
    found = list(check_glibc(root(*glibc(version=has)), ProgramContext(row("amd64").platform, {}), floor, base="it"))
    assert (found == []) is fits
