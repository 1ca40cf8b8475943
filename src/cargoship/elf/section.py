"""A section more in a finished program, without a linker.

The section is not loaded (no flags): headers of segments, and so all that runs, stay byte for byte where they are. Its
content, the table of names with one more, and the table of sections with one more come after the file's end. Programs
of every class and byte order that ELF knows (System V ABI, "Object Files"); strip(1) and objcopy(1) keep and see it.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import struct
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from cargoship.errors import CannotStart

_NULL = 0
_PROGBITS = 1
_STRTAB = 3
_NOBITS = 8
_NAMES_BYTES_MAX = 16 << 20
_SECTIONS_MAX = 0xFEFF
"""SHN_LORESERVE - 1: with more, their number is kept elsewhere."""


class _Class(Struct, frozen=True):
    """Where a class of ELF files keeps what is changed here."""

    header: str
    """The fields of a section's header: name, type, flags, address, offset, size, link, info, alignment, entry size."""
    offset_at: int
    offset: str
    counts_at: int
    """e_shentsize, e_shnum and e_shstrndx, one after the other."""


_CLASSES = {1: _Class("10I", 0x20, "I", 0x2E), 2: _Class("2I4Q2I2Q", 0x28, "Q", 0x3A)}
_ORDERS = {1: "<", 2: ">"}


def copy_with_section(program: Path, to: Path, name: str, content: bytes) -> None:
    """Write a copy of `program` to `to` that has the section, with its mode; it must have none of that name.

    Raises CannotStart for what is no program, or has no room for another section, and OSError.
    """
    with program.open("rb") as stream, to.open("wb") as out:
        tail = _tail(stream, str(program), name.encode(), content)
        stream.seek(0)
        shutil.copyfileobj(stream, out, 1 << 20)
        out.write(tail.appended)
        for at, field in tail.fields:
            out.seek(at)
            out.write(field)
        os.fchmod(out.fileno(), os.fstat(stream.fileno()).st_mode & 0o777)


def has_section(program: Path, name: str) -> bool:
    """Whether a program has a section of this name; raises CannotStart for what is no program, and OSError."""
    with program.open("rb") as stream:
        table = section_table(stream, str(program))
    return any(_name_of(table.names, header[0]) == name.encode() for header in table.headers)


def section_of(stream: BinaryIO, name: str, *, size_max: int) -> bytes | None:
    """The content of a section, None where there is none; raises CannotStart for one of more than `size_max` bytes."""
    table = section_table(stream, "the program")
    for header in table.headers:
        if _name_of(table.names, header[0]) == name.encode():
            if header[5] > size_max:
                raise CannotStart(f"the section {name} is larger than {size_max} bytes", hint="build it again")
            return _read_at(stream, header[4], header[5])
    return None


class Section(Struct, frozen=True):
    """A section of a file: its content's size in bytes and digest (empty for one that takes no room in the file)."""

    name: str
    size_bytes: int
    digest: bytes


def sections_of(stream: BinaryIO) -> tuple[Section, ...]:
    """All sections of a file that can be sought in, in its order; raises CannotStart for a damaged one.

    Those of a file whose sections are together far larger than itself are damaged: they would be read again and again.
    """
    table = section_table(stream, "the program")
    left = 2 * stream.seek(0, io.SEEK_END)
    found = []
    for header in table.headers:
        name = _name_of(table.names, header[0]).decode("utf-8", "backslashreplace")
        kind, offset, size = header[1], header[4], header[5]
        if kind == _NULL:
            continue
        digest = b""
        if kind != _NOBITS:
            left -= size
            if left < 0:
                raise _damaged("the program")
            digest = _digest_at(stream, offset, size)
        found.append(Section(name, size, digest))
    return tuple(found)


def _digest_at(stream: BinaryIO, offset: int, size: int) -> bytes:
    try:
        stream.seek(offset)
    except (OverflowError, ValueError, OSError) as error:
        raise _damaged("the program") from error
    hashing = hashlib.blake2b(digest_size=16)
    while size:
        piece = stream.read(min(size, 1 << 20))
        if not piece:
            raise _damaged("the program")
        hashing.update(piece)
        size -= len(piece)
    return hashing.digest()


class _Tail(Struct, frozen=True):
    """What comes after the end of a file, and what changes in its header, by offset."""

    appended: bytes
    fields: tuple[tuple[int, bytes], ...]


class SectionTable(Struct, frozen=True):
    """The sections of a file."""

    layout: _Class
    order: str
    headers: tuple[tuple[int, ...], ...]
    names_at: int
    """The number of the section that has the names."""
    names: bytes
    machine: int = 0
    """As the header has it (e_machine)."""

    @property
    def is_32(self) -> bool:
        """Whether it is of the class of 32 bits."""
        return self.layout is _CLASSES[1]

    def name(self, number: int) -> str:
        """What a section is called."""
        return _name_of(self.names, self.headers[number][0]).decode("utf-8", "backslashreplace")

    def content(self, stream: BinaryIO, header: tuple[int, ...]) -> bytes:
        """What a section holds; raises CannotStart where the file ends before."""
        try:
            return _read_at(stream, header[4], header[5])
        except (OverflowError, ValueError, OSError) as error:
            raise _damaged("the program") from error


def _damaged(name: str) -> CannotStart:
    return CannotStart(f"{name} is a damaged ELF file: its sections", hint="build it again")


def _read_at(stream: BinaryIO, offset: int, size: int) -> bytes:
    stream.seek(offset)
    data = stream.read(size)
    if len(data) != size:
        raise _damaged("the program")
    return data


def section_table(stream: BinaryIO, name: str) -> SectionTable:
    """The table of sections; raises CannotStart for what is no program, or damaged. `name` is what it is called."""
    try:
        start = _read_at(stream, 0, 64)
        layout, order = _CLASSES[start[4]], _ORDERS[start[5]]
        if start[:4] != b"\x7fELF":
            raise _damaged(name)
        (machine,) = struct.unpack_from(order + "H", start, 0x12)
        (offset,) = struct.unpack_from(order + layout.offset, start, layout.offset_at)
        size, count, names_at = struct.unpack_from(order + "3H", start, layout.counts_at)
        each = struct.Struct(order + layout.header)
        if not count:
            # a stripped file may have none: the first of a table is empty (SHN_UNDEF)
            return SectionTable(layout, order, ((0,) * 10,), 0, b"\0")
        if size != each.size or not 0 < names_at < count:
            raise _damaged(name)
        headers = tuple(each.iter_unpack(_read_at(stream, offset, size * count)))
        if headers[names_at][5] > _NAMES_BYTES_MAX:
            raise _damaged(name)
        names = _read_at(stream, headers[names_at][4], headers[names_at][5])
    except (struct.error, KeyError, IndexError, OverflowError, ValueError) as error:
        raise _damaged(name) from error
    return SectionTable(layout, order, headers, names_at, names, machine)


def _name_of(names: bytes, at: int) -> bytes:
    return names[at : names.find(b"\0", at)] if at < len(names) else b""


def _tail(stream: BinaryIO, program: str, name: bytes, content: bytes) -> _Tail:
    table = section_table(stream, program)
    if len(table.headers) + 2 > _SECTIONS_MAX:
        raise CannotStart(f"{program} has no room for another section", hint="set auditable = false")
    end = stream.seek(0, io.SEEK_END)
    headers = [list(header) for header in table.headers]
    own_name = len(table.names)
    names = table.names + name + b"\0"
    names_at = table.names_at
    headers.append([own_name, _PROGBITS, 0, 0, end, len(content), 0, 0, 1, 0])
    if not names_at:
        names_at = len(headers)
        headers.append([len(names), _STRTAB, 0, 0, 0, 0, 0, 0, 1, 0])
        names += b".shstrtab\0"
    headers[names_at][4:6] = end + len(content), len(names)
    appended = content + names
    appended += b"\0" * (-(end + len(appended)) % 8)
    offset = end + len(appended)
    order, layout = table.order, table.layout
    each = struct.Struct(order + layout.header)
    try:
        appended += b"".join(each.pack(*header) for header in headers)
        fields = (
            (layout.offset_at, struct.pack(order + layout.offset, offset)),
            (layout.counts_at, struct.pack(order + "3H", each.size, len(headers), names_at)),
        )
    except struct.error as error:
        raise _damaged(program) from error
    return _Tail(appended, fields)
