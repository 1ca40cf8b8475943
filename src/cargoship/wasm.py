"""WebAssembly files, as far as their frame goes: what kind they are, and their custom sections.

Formats: https://webassembly.github.io/spec/core/binary/modules.html, and for components
https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md. Neither code nor types are looked at.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

HEADER_BYTES = 8
_MAGIC = b"\0asm"
_CUSTOM = 0
_NUMBER_BYTES_MAX = 5
_NAME_BYTES_MAX = 1 << 10


class WasmKind(enum.Enum):
    """What a file is, by the eight bytes that it begins with."""

    MODULE = "module"
    COMPONENT = "component"


_VERSIONS = {b"\x01\0\0\0": WasmKind.MODULE, b"\x0d\0\x01\0": WasmKind.COMPONENT}


def wasm_kind(start: bytes) -> WasmKind | None:
    """The kind of a file that begins so; None for what is no WebAssembly, or of a version that is not known."""
    return _VERSIONS.get(start[len(_MAGIC) : HEADER_BYTES]) if start.startswith(_MAGIC) else None


def wasm_kind_of(path: Path) -> WasmKind | None:
    """The same for a file; raises OSError."""
    with path.open("rb") as stream:
        return wasm_kind(stream.read(HEADER_BYTES))


def custom_sections(path: Path) -> tuple[str, ...]:
    """The names of a file's custom sections; raises ValueError for a damaged file, OSError."""
    with path.open("rb") as stream:
        stream.seek(HEADER_BYTES)
        return tuple(_custom_sections(stream, path.stat().st_size))


def custom_section(name: str, content: bytes) -> bytes:
    """A custom section, to be put behind all others."""
    inside = _number(len(name.encode())) + name.encode() + content
    return bytes([_CUSTOM]) + _number(len(inside)) + inside


def _custom_sections(stream: BinaryIO, size: int) -> Iterator[str]:
    while kind := stream.read(1):
        length = read_number(stream)
        end = stream.tell() + length
        if end > size:
            raise ValueError("a section is longer than the file")
        if kind[0] == _CUSTOM:
            name_length = read_number(stream)
            if name_length > min(_NAME_BYTES_MAX, end - stream.tell()):
                raise ValueError("the name of a section is too long")
            yield stream.read(name_length).decode("utf-8", "replace")
        stream.seek(end, os.SEEK_SET)


def read_number(stream: BinaryIO) -> int:
    """An unsigned LEB128 number of 32 bits; raises ValueError for what is none."""
    value = 0
    for place in range(_NUMBER_BYTES_MAX):
        byte = stream.read(1)
        if not byte:
            raise ValueError("the file ends in the middle of a section")
        value |= (byte[0] & 0x7F) << (7 * place)
        if not byte[0] & 0x80:
            return value
    raise ValueError("a number is too long")


def _number(value: int) -> bytes:
    found = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        found.append(low | (0x80 if value else 0))
        if not value:
            return bytes(found)
