"""Reading the facts of an ELF file: what reads it is loaded when there is one to be read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from cargoship.elf.facts import ElfFacts

_MAGIC = b"\x7fELF"


def is_elf(start: bytes) -> bool:
    """Whether a file that begins with these bytes is one."""
    return start.startswith(_MAGIC)


def read_elf(path: Path) -> ElfFacts:
    """Read the facts of a program; raises CannotStart for what is no valid ELF file, and OSError."""
    with path.open("rb") as stream:
        return read_elf_stream(stream, str(path))


def read_elf_stream(stream: BinaryIO, name: str) -> ElfFacts:
    """Read the facts of a file that can be sought in; `name` is for messages. Raises CannotStart."""
    from cargoship.elf.headers import read_headers  # noqa: PLC0415 - loads pyelftools, 30 ms

    return read_headers(stream, name)
