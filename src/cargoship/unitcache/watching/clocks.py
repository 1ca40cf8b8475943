"""Programs that look at the clock, or take random numbers, for something that goes into nothing they make. Pure."""

from __future__ import annotations

import re

_CLOCK_OF_THEIR_OWN = frozenset(
    {
        "git",
        "find",
        "tar",
        "make",
        "gmake",
        "ninja",
        "cmake",
        "rustc",
        "cargo",
        "rustup",
        "clippy-driver",
        "cc",
        "gcc",
        "g++",
        "c++",
        "clang",
        "ld",
        "as",
        "ar",
    }
    | {"cc1", "cc1plus", "collect2", "ld.lld", "lld", "rust-lld", "mold", "pkg-config", "pkgconf"}
)
"""Programs that look at the clock, or take random numbers, for names of files, measurements, comparisons of times."""
_TARGETED = re.compile(r"(?:[\w.]+-)*(?P<tool>gcc|g\+\+|cc|c\+\+|clang(?:\+\+)?|ld(?:\.\w+)?|as|ar)(?:-\d[\d.]*)?")


def has_own_clock(program: str) -> bool:
    """Whether a program, by its name, is one of them."""
    return program in _CLOCK_OF_THEIR_OWN or _TARGETED.fullmatch(program) is not None
