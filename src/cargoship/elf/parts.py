"""Where two binaries differ: by the sections of an ELF file, and the members of an archive.

Files come from anybody: what cannot be taken apart is compared byte by byte.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO, cast

from elftools.common.exceptions import ELFError
from elftools.construct import ConstructError
from elftools.elf.elffile import ELFFile

from cargoship.elf.bounded_reader import BoundedReader, ReadLimitExceeded
from cargoship.elf.read import is_elf

_ARCHIVE = b"!<arch>\n"
_HEADER_BYTES = 60
# The index of symbols and the table of long names say again what the members are.
_TABLES = frozenset({"/", "//", "/SYM64/"})
_PIECE_BYTES = 1 << 16


def differing_parts(one: bytes, other: bytes) -> tuple[str, ...]:
    """The parts that two files do not have alike, in the order of the file; none where they are the same.

    Parts are named as `member lib.rmeta`, `section .text` or both; a file that has none is shown by `byte 17`.
    """
    if one == other:
        return ()
    parts, others = dict(_parts(one)), dict(_parts(other))
    found = tuple(name for name in {**parts, **others} if parts.get(name) != others.get(name))
    return found or (f"byte {_first_byte(one, other)}",)


def _parts(data: bytes) -> Iterator[tuple[str, bytes]]:
    if data.startswith(_ARCHIVE):
        for name, content in _members(data):
            inner = [(f"member {name}, {part}", found) for part, found in _sections(content)]
            yield from inner or [(f"member {name}", content)]
    else:
        yield from _sections(data)


def _members(data: bytes) -> Iterator[tuple[str, bytes]]:
    """As `ar` writes them, in the form of System V and GNU; ends where it is damaged."""
    at, names = len(_ARCHIVE), b""
    while at + _HEADER_BYTES <= len(data):
        header = data[at : at + _HEADER_BYTES]
        raw, digits = header[:16].decode("latin-1").rstrip(), header[48:58].strip()
        if not digits.isdigit():
            return
        content = data[at + _HEADER_BYTES :][: int(digits)]
        at += _HEADER_BYTES + int(digits) + int(digits) % 2
        if raw == "//":
            names = content
        if raw in _TABLES:
            continue
        if raw[1:].isdigit() and raw.startswith("/"):
            raw = names[int(raw[1:]) :].partition(b"\n")[0].decode("latin-1")
        yield raw.removesuffix("/"), content


def _sections(data: bytes) -> list[tuple[str, bytes]]:
    if not is_elf(data):
        return []
    try:
        elf = ELFFile(cast("BinaryIO", BoundedReader(io.BytesIO(data))))
        return [
            (f"section {section.name}", data[section["sh_offset"] :][: section["sh_size"]])
            for section in elf.iter_sections()
            if section.name and section["sh_type"] != "SHT_NOBITS"
        ]
    except (
        ELFError, ConstructError, ReadLimitExceeded, AssertionError, LookupError, ValueError, TypeError, AttributeError,
        ArithmeticError,
    ):  # fmt: skip
        return []


def _first_byte(one: bytes, other: bytes) -> int:
    for start in range(0, min(len(one), len(other)), _PIECE_BYTES):
        piece, another = one[start : start + _PIECE_BYTES], other[start : start + _PIECE_BYTES]
        if piece != another:
            pairs = enumerate(zip(piece, another, strict=False))
            return start + next((at for at, (a, b) in pairs if a != b), min(len(piece), len(another)))
    return min(len(one), len(other))
