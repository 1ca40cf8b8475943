"""Which programs tell the time, and which only look at it."""

from __future__ import annotations

import pytest

from cargoship.unitcache.watching.clocks import what_never_is_the_same


@pytest.mark.parametrize(
    ("kind", "program", "what"),
    [
        ("C", "date", "looks at the clock"),
        ("t", "perl", "looks at the clock"),
        ("C", "a procedural macro", "looks at the clock"),
        ("t", "cc1plus", "looks at the clock"),
        ("t", "aarch64-linux-gnu-clang-14", "looks at the clock"),
        ("e", "cmake", "looks at the clock"),
        ("R", "uuidgen", "takes random numbers"),
        ("C", "cc1", ""),
        ("t", "git", ""),
        ("e", "clang", ""),
        ("e", "build-script-build", ""),
        ("R", "rustc", ""),
    ],
)
def test_what_a_program_does_with_the_time(kind: str, program: str, what: str) -> None:
    assert what_never_is_the_same(kind, program) == what
