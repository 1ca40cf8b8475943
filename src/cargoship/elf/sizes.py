"""What a program's bytes are: crates, C, tables. Every byte of the file is counted once, so that the sum is its size.

Symbols say where functions and constants lie, with their sizes. What has no symbol (texts and constants that are the
compiler's own, tables for unwinding, the symbols themselves) is found by its section.
"""

from __future__ import annotations

import enum
import io
import struct
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from msgspec import Struct

from cargoship.elf.crates import crate_of_symbol, source_of_file_symbol
from cargoship.elf.section import SectionTable, section_table
from cargoship.errors import CannotStart

_SYMBOLS_MAX = 4_000_000
_SYMTAB, _NOBITS = 2, 8
_ALLOCATED = 2
_OBJECT, _FUNC, _FILE, _TLS = 1, 2, 4, 6
_NOTYPE = 0
_LOCAL = 0
_ARM = 40


class PartKind(enum.Enum):
    """What a part of a program is."""

    CRATE = "crate"
    C = "c"
    SECTION = "section"
    """What of a section has no symbol."""
    HEADERS = "headers"
    """Headers, and padding between sections."""


class Part(Struct, frozen=True):
    """A crate, or something else that a program's bytes are: a source in C, a section."""

    kind: PartKind
    name: str
    size_bytes: int


class _Symbol(Struct, frozen=True):
    start: int
    """In the file."""
    end: int
    section: int
    name: bytes
    source: tuple[str, bool] | None
    """The file that it is local to, where it is."""


def program_parts(stream: BinaryIO) -> tuple[Part, ...]:
    """The parts of a program, the largest first; together they are its size.

    Raises CannotStart for what is no program, or damaged. One without symbols (`strip = true`) has sections alone.
    """
    size = stream.seek(0, io.SEEK_END)
    table = section_table(stream, "the program")
    sizes: dict[tuple[PartKind, str], int] = defaultdict(int)
    symbols = sorted(_symbols(stream, table), key=lambda each: (each.start, -each.end))
    labels = _labels(symbols)
    taken: dict[int, int] = defaultdict(int)
    done = 0
    for symbol, label in zip(symbols, labels, strict=True):
        # of what has several names the first counts
        start = max(symbol.start, done)
        if symbol.end > start:
            sizes[label] += symbol.end - start
            taken[symbol.section] += symbol.end - start
            done = symbol.end
    for number, header in enumerate(table.headers):
        if header[1] in {0, _NOBITS} or header[4] + header[5] > size:
            continue
        rest = header[5] - taken[number]
        name = table.name(number)
        if rest > 0:
            sizes[PartKind.SECTION, name] += rest
    counted = sum(sizes.values())
    if counted > size:
        raise CannotStart("the program is damaged: its sections overlap", hint="build it again")
    if counted < size:
        sizes[PartKind.HEADERS, "headers and padding"] += size - counted
    parts = (Part(kind, name, taken_bytes) for (kind, name), taken_bytes in sizes.items())
    return tuple(sorted(parts, key=lambda part: (-part.size_bytes, part.name)))


def _symbols(stream: BinaryIO, table: SectionTable) -> Iterator[_Symbol]:
    """Those of functions and constants that take room in the file."""
    form = struct.Struct(table.order + ("IIIBBH" if table.is_32 else "IBBHQQ"))
    mask = ~1 if table.machine == _ARM else ~0
    for header in table.headers:
        if header[1] != _SYMTAB or header[5] > _SYMBOLS_MAX * form.size or header[6] >= len(table.headers):
            continue
        data, names = table.content(stream, header), table.content(stream, table.headers[header[6]])
        source = None
        for raw in form.iter_unpack(data[: len(data) - len(data) % form.size]):
            if table.is_32:
                name_at, value, size, info, _, section = raw
            else:
                name_at, info, _, section, value, size = raw
            name = names[name_at : names.find(b"\0", name_at)]
            kind = info & 15
            if kind == _FILE:
                source = source_of_file_symbol(name.decode("utf-8", "replace"))
                continue
            if not size or kind not in {_NOTYPE, _OBJECT, _FUNC, _TLS} or not 0 < section < len(table.headers):
                continue
            holder = table.headers[section]
            if holder[1] == _NOBITS or not holder[2] & _ALLOCATED:
                continue
            inside = (value & mask if kind == _FUNC else value) - holder[3]
            if inside >= 0 and inside + size <= holder[5]:
                start = holder[4] + inside
                yield _Symbol(start, start + size, section, name, source if info >> 4 == _LOCAL else None)


def _labels(symbols: Sequence[_Symbol]) -> list[tuple[PartKind, str]]:
    """What each is of. What has a name that says nothing, and no file, is of the file that it lies in the midst of."""
    found: list[tuple[PartKind, str] | None] = [_label(each) for each in symbols]
    known = [place for place, label in enumerate(found) if label is not None]
    labels = []
    for place, label in enumerate(found):
        if label is None:
            at = bisect_right(known, place)
            beside = [
                found[known[near]]
                for near in (at - 1, at)
                if 0 <= near < len(known) and symbols[known[near]].section == symbols[place].section
            ]
            inside = len(beside) == 2 and beside[0] == beside[1]  # noqa: PLR2004 - one on each side
            around = beside[0] if inside else None
            label = around if around is not None else (PartKind.C, "C and assembly")  # noqa: PLW2901 - in its place
        labels.append(label)
    return labels


def _label(symbol: _Symbol) -> tuple[PartKind, str] | None:
    crate = crate_of_symbol(symbol.name.decode("utf-8", "replace"))
    if crate is not None:
        return PartKind.CRATE, crate
    if symbol.source is None:
        return None
    name, is_source = symbol.source
    return (PartKind.C if is_source else PartKind.CRATE), name
