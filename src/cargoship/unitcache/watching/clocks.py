"""Programs that look at the clock, or take random numbers, for something that goes into nothing they make. Pure.

Some of them can be asked to tell the time, too. How they look at the clock then, and only then, is known of each.
"""

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


_CLOCK, _RANDOM = "looks at the clock", "takes random numbers"
_DATES_C = re.compile(r"cc1(?:plus|obj|objplus)?|(?:[\w.]+-)*clang(?:\+\+)?(?:-\d[\d.]*)?")
"""Compilers, which call time(2) for __DATE__ and __TIME__ alone (gcc/c-family, clang/lib/Lex/PPMacroExpansion.cpp)."""
_STAMPS = frozenset({"cmake", "ctest", "cpack"})
"""What asks for SOURCE_DATE_EPOCH where a file says string(TIMESTAMP) (Source/cmTimestamp.cxx)."""
GITS_CLOCK = "GIT_TEST_DATE_NOW"
"""The variable that git asks for before it says how long ago something was, or what was so long ago (date.c)."""
_TAKES_RANDOM_NUMBERS = "R"
_SECONDS = "t"
_FOR_A_STAMP = "e"


def what_never_is_the_same(kind: str, program: str) -> str:
    """What a program has looked at that no digest can hold; nothing where that goes into nothing it makes.

    `kind` is that of the event, as `watch.c` writes it.
    """
    if kind == _FOR_A_STAMP:
        return _CLOCK if program in _STAMPS else ""
    own = program in _CLOCK_OF_THEIR_OWN or _TARGETED.fullmatch(program) is not None
    if own and not (kind == _SECONDS and _DATES_C.fullmatch(program)):
        return ""
    return _RANDOM if kind == _TAKES_RANDOM_NUMBERS else _CLOCK
