r"""What rustc says that a crate was made of: its file for make, with variables in comments. Pure.

FOLDER/libfoo.rlib: src/lib.rs src/a\ b.rs
# env-dep:NAME=VALUE       with \n, \r and \\; without a value: the variable was not set
"""

from __future__ import annotations

import os
import re

from msgspec import Struct

_ESCAPE = re.compile(r"\\(.)")
_SPACE = re.compile(r"(?<!\\) ")
_LETTERS = {"n": "\n", "r": "\r", "\\": "\\"}


class CrateReads(Struct, frozen=True):
    """Files, as they are written there, and variables: None where one was not set."""

    files: tuple[str, ...]
    variables: dict[str, str | None]


def reads_of_crate(data: bytes) -> CrateReads:
    """Read one."""
    files: dict[str, None] = {}
    variables: dict[str, str | None] = {}
    for line in os.fsdecode(data).splitlines():
        if line.startswith("# env-dep:"):
            name, mark, value = line.removeprefix("# env-dep:").partition("=")
            variables[name] = _ESCAPE.sub(lambda found: _LETTERS.get(found[1], found[0]), value) if mark else None
        elif line and not line.startswith("#"):
            _, mark, rest = line.partition(": ")
            names = _SPACE.split(rest) if mark else ()
            files |= dict.fromkeys(name.replace("\\ ", " ") for name in names if name)
    return CrateReads(tuple(files), variables)
