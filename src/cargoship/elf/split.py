"""A program without its symbols, and its symbols apart, as `strip` and `objcopy --only-keep-debug` make them.

What is loaded stays byte for byte where it is. Both files have the same build id (`.note.gnu.build-id`), by which gdb,
perf and debuginfod find one by the other: the linker's, or else one that is made of what is loaded. DWARF is compressed
(System V ABI, "Section Compression", ELFCOMPRESS_ZLIB). Files of every class and byte order that ELF knows.
"""

from __future__ import annotations

import hashlib
import io
import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from cargoship.elf.attributes import SHT_ARM_ATTRIBUTES
from cargoship.elf.section import SectionTable, section_table
from cargoship.errors import CannotStart

BUILD_ID = ".note.gnu.build-id"
_NOTE, _NOBITS, _REL, _RELA, _STRTAB = 7, 8, 9, 4, 3
_ALLOCATED, _INFO_LINK, _COMPRESSED = 0x2, 0x40, 0x800
_COMPRESSED_ZLIB = 1
_OWNER, _KIND = b"GNU\0", 3
_ID_BYTES = 20
_PIECE = 1 << 20
_PROGRAM_HEADERS_AT = {False: (0x20, "Q", 0x36, "2I6Q", (2, 5)), True: (0x1C, "I", 0x2A, "8I", (1, 4))}
"""By whether it is of 32 bits: where e_phoff is and its type, where e_phentsize and e_phnum are, the fields of a
program header, and which of them are its offset and its size in the file."""


def split_symbols(program: Path, stripped: Path, debug: Path) -> str:
    """Write a program without symbols, with its mode, and a file that has them alone; its build id in hexadecimal.

    Raises CannotStart for what is no program, or damaged, and OSError.
    """
    with program.open("rb") as stream:
        source = _Source.of(stream, str(program))
        note = source.build_id_note()
        build_id = _id_in(note, source.table.order) if note else source.content_id()
        added = b"" if note else _note_of(build_id, source.table.order)
        with stripped.open("wb") as out:
            _write_stripped(source, out, added)
            os.fchmod(out.fileno(), os.fstat(stream.fileno()).st_mode & 0o777)
        with debug.open("wb") as out:
            _write_debug(source, out, added)
    return build_id.hex()


class _Source(Struct, frozen=True):
    """A program that is read."""

    stream: BinaryIO
    table: SectionTable
    segments: tuple[tuple[int, ...], ...]
    segments_at: int
    size: int

    @classmethod
    def of(cls, stream: BinaryIO, name: str) -> _Source:
        table = section_table(stream, name)
        at, kind, counts_at, fields, _ = _PROGRAM_HEADERS_AT[table.is_32]
        size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        start = stream.read(64)
        (offset,) = struct.unpack_from(table.order + kind, start, at)
        each = struct.Struct(table.order + fields)
        entry, count = struct.unpack_from(table.order + "2H", start, counts_at)
        if count and (entry != each.size or offset + count * entry > size):
            raise CannotStart(f"{name} is a damaged ELF file: its segments", hint="build it again")
        stream.seek(offset)
        return cls(stream, table, tuple(each.iter_unpack(stream.read(count * each.size))), offset, size)

    @property
    def loaded_end(self) -> int:
        """Where the part of the file ends that is loaded, or says what is."""
        *_, fields, (offset, size) = _PROGRAM_HEADERS_AT[self.table.is_32]
        ends = [each[offset] + each[size] for each in self.segments]
        ends += [each[4] + each[5] for each in self.table.headers if each[2] & _ALLOCATED and each[1] != _NOBITS]
        end = max([*ends, self.segments_at + len(self.segments) * struct.calcsize("=" + fields), 64])
        if end > self.size:
            raise CannotStart("the program is a damaged ELF file: it ends early", hint="build it again")
        return end

    def build_id_note(self) -> bytes:
        """The content of the note that the linker has made; empty where it made none."""
        for number, header in enumerate(self.table.headers):
            if header[1] == _NOTE and self.table.name(number) == BUILD_ID and header[5] <= _PIECE:
                return self.table.content(self.stream, header)
        return b""

    def content_id(self) -> bytes:
        """An identity of all that is loaded."""
        hashing = hashlib.sha256()
        for piece in self.pieces(0, self.loaded_end):
            hashing.update(piece)
        return hashing.digest()[:_ID_BYTES]

    def pieces(self, offset: int, size: int) -> Iterator[bytes]:
        """A part of the file; raises CannotStart where it ends before."""
        self.stream.seek(offset)
        while size:
            piece = self.stream.read(min(size, _PIECE))
            if not piece:
                raise CannotStart("the program is a damaged ELF file: it ends early", hint="build it again")
            size -= len(piece)
            yield piece


def _write_stripped(source: _Source, out: BinaryIO, note: bytes) -> None:
    table = source.table
    kept = [
        number
        for number, header in enumerate(table.headers)
        if not number or header[2] & _ALLOCATED or header[1] == SHT_ARM_ATTRIBUTES
    ]
    places = {number: place for place, number in enumerate(kept)}
    source.stream.seek(0)
    _copy(source.stream, out, source.loaded_end)
    headers = []
    names = bytearray(b"\0")
    for number in kept:
        header = list(table.headers[number])
        if number:
            header[0] = _named(names, table.name(number))
            header[6] = places.get(header[6], 0)
            if header[1] in {_REL, _RELA} or header[2] & _INFO_LINK:
                header[7] = places.get(header[7], 0)
            if not header[2] & _ALLOCATED:
                offset, size = header[4], header[5]
                header[4] = _aligned(out, 1)
                out.writelines(source.pieces(offset, size))
        headers.append(header)
    if note:
        headers.append([_named(names, BUILD_ID), _NOTE, 0, 0, _appended(out, note, 4), len(note), 0, 0, 4, 0])
    own = _named(names, ".shstrtab")
    headers.append([own, _STRTAB, 0, 0, _appended(out, bytes(names), 1), len(names), 0, 0, 1, 0])
    _finish(table, out, headers, len(headers) - 1)


def _write_debug(source: _Source, out: BinaryIO, note: bytes) -> None:
    table = source.table
    _write_start(source, out)
    headers = [list(header) for header in table.headers] or [[0] * 10]
    for number, header in enumerate(headers):
        name = table.name(number)
        if not number or header[1] == _NOBITS:
            continue
        if header[2] & _ALLOCATED and header[1] != _NOTE:
            # where it is, and how large, and nothing of it
            header[1], header[4] = _NOBITS, out.tell()
        elif number == table.names_at:
            continue
        elif name.startswith(".debug_") and not header[2] & _COMPRESSED and header[5]:
            _compress(source, out, header)
        else:
            offset, size = header[4], header[5]
            header[4] = _aligned(out, min(max(header[8], 1), 4096))
            out.writelines(source.pieces(offset, size))
    names = bytearray(table.names)
    if note:
        headers.append([_named(names, BUILD_ID), _NOTE, 0, 0, _appended(out, note, 4), len(note), 0, 0, 4, 0])
    names_at = table.names_at
    if not names_at:
        names_at = len(headers)
        headers.append([_named(names, ".shstrtab"), _STRTAB, 0, 0, 0, 0, 0, 0, 1, 0])
    headers[names_at][4:6] = _appended(out, bytes(names), 1), len(names)
    _finish(table, out, headers, names_at)


def _write_start(source: _Source, out: BinaryIO) -> None:
    """The header and the segments, of which the file has no content."""
    source.stream.seek(0)
    is_32 = source.table.is_32
    at, kind, _, fields, (_, size) = _PROGRAM_HEADERS_AT[is_32]
    start = bytearray(source.stream.read(52 if is_32 else 64))
    if source.segments:
        struct.pack_into(source.table.order + kind, start, at, len(start))
    out.write(start)
    each = struct.Struct(source.table.order + fields)
    for segment in source.segments:
        of_nothing = (0 if number == size else value for number, value in enumerate(segment))
        out.write(each.pack(*of_nothing))


def _compress(source: _Source, out: BinaryIO, header: list[int]) -> None:
    from zlib_ng import zlib_ng  # noqa: PLC0415 - most programs are never split

    offset, size, alignment = header[4], header[5], header[8]
    is_32, order = source.table.is_32, source.table.order
    header[4] = _aligned(out, 4 if is_32 else 8)
    out.write(struct.pack(order + ("3I" if is_32 else "2I2Q"), *_compression(size, alignment, is_32=is_32)))
    packing = zlib_ng.compressobj(6)
    out.writelines(packing.compress(piece) for piece in source.pieces(offset, size))
    out.write(packing.flush())
    header[2] |= _COMPRESSED
    header[5] = out.tell() - header[4]
    header[8] = 4 if is_32 else 8


def _compression(size: int, alignment: int, *, is_32: bool) -> Sequence[int]:
    return (_COMPRESSED_ZLIB, size, alignment) if is_32 else (_COMPRESSED_ZLIB, 0, size, alignment)


def _finish(table: SectionTable, out: BinaryIO, headers: Sequence[Sequence[int]], names_at: int) -> None:
    """Write the table of sections, and where it is into the header."""
    offset = _aligned(out, 8)
    each = struct.Struct(table.order + table.layout.header)
    try:
        out.writelines(each.pack(*header) for header in headers)
        out.seek(table.layout.offset_at)
        out.write(struct.pack(table.order + table.layout.offset, offset))
        out.seek(table.layout.counts_at)
        out.write(struct.pack(table.order + "3H", each.size, len(headers), names_at))
    except struct.error as error:
        raise CannotStart("the program is a damaged ELF file: its sections", hint="build it again") from error


def _copy(stream: BinaryIO, out: BinaryIO, size: int) -> None:
    left = size
    while left:
        piece = stream.read(min(left, _PIECE))
        if not piece:
            break
        out.write(piece)
        left -= len(piece)


def _named(names: bytearray, name: str) -> int:
    at = len(names)
    names += name.encode("utf-8", "replace") + b"\0"
    return at


def _aligned(out: BinaryIO, alignment: int) -> int:
    out.write(b"\0" * (-out.tell() % alignment))
    return out.tell()


def _appended(out: BinaryIO, data: bytes, alignment: int) -> int:
    at = _aligned(out, alignment)
    out.write(data)
    return at


def _note_of(build_id: bytes, order: str) -> bytes:
    return struct.pack(order + "3I", len(_OWNER), len(build_id), _KIND) + _OWNER + build_id


def _id_in(note: bytes, order: str) -> bytes:
    try:
        owner, size, kind = struct.unpack_from(order + "3I", note)
    except struct.error as error:
        raise CannotStart("the program has a damaged build id", hint="build it again") from error
    start = 12 + -(-owner // 4) * 4
    found = note[start : start + size]
    if note[12 : 12 + owner] != _OWNER or kind != _KIND or len(found) != size or not 2 <= size <= 64:  # noqa: PLR2004
        raise CannotStart("the program has a damaged build id", hint="build it again")
    return found
