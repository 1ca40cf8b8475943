"""What an ELF file says of the processor that it needs: GNU properties.

Linkers write them for -z x86-64-v3 and the like, compilers for -mneeded; glibc's loader starts nothing that needs more
than the processor has. Sources: x86-64 psABI, "Program Property"; Linux Extensions to gABI, "Program Property".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

_NOTE_BYTES_MAX = 64 << 10
_NT_GNU_PROPERTY_TYPE_0 = 5
_X86_ISA_1_NEEDED = 0xC0008002
_LEVELS_MAX = 4


def x86_level(stream: BinaryIO, offset: int, size: int, *, bits: int) -> int | None:
    """The level of x86-64 that a segment of properties asks for, 1 (baseline) to 4; None where it says nothing.

    Of a damaged segment what comes before the damage counts, as the loader has it.
    """
    stream.seek(offset)
    data = stream.read(min(size, _NOTE_BYTES_MAX))
    found = None
    try:
        for kind, value in _properties(data, 8 if bits == 64 else 4):  # noqa: PLR2004 - bits of the class
            if kind == _X86_ISA_1_NEEDED and len(value) == 4:  # noqa: PLR2004 - a word of four bytes
                needed = int.from_bytes(value, "little") & ((1 << _LEVELS_MAX) - 1)
                found = max(found or 0, needed.bit_length()) or None
    except struct.error:
        pass
    return found


def _properties(data: bytes, align: int) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        name_size, size, kind = struct.unpack_from("<3I", data, at)
        start = at + 12 + _padded(name_size, 4)
        if kind == _NT_GNU_PROPERTY_TYPE_0 and data[at + 12 : at + 12 + name_size] == b"GNU\0":
            yield from _array(data[start : start + size], align)
        at = start + _padded(size, align)


def _array(data: bytes, align: int) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        kind, size = struct.unpack_from("<2I", data, at)
        yield kind, data[at + 8 : at + 8 + size]
        at += 8 + _padded(size, align)


def _padded(size: int, align: int) -> int:
    return size + -size % align
