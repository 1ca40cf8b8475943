"""Where two versions of a program differ: sections, build id, what it needs, crates.

Programs come from anybody: what cannot be taken apart has other contents, and no more is said of it.
"""

from __future__ import annotations

import io
import struct
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

from msgspec import Struct

from cargoship.bom.auditable import SECTION, SECTION_BYTES_MAX, packages_in
from cargoship.elf.read import is_elf, read_elf_stream
from cargoship.elf.section import Section, section_of, sections_of
from cargoship.errors import CannotStart, ContentInvalid
from cargoship.images.comparing.difference import (
    Change,
    Difference,
    DifferenceKind,
    mapping_differences,
    value_difference,
)

_IN_MEMORY_BYTES = 16 << 20
_NOTE = ".note.gnu.build-id"
_NOTE_BYTES_MAX = 4096


class Anatomy(Struct, frozen=True):
    """What a program is made of; `crates` by name, each with its versions, None where it does not say."""

    sections: tuple[Section, ...]
    build_id: str | None
    needed: tuple[str, ...]
    crates: tuple[CrateUse, ...] | None


class CrateUse(Struct, frozen=True, order=True):
    """A crate as a program or an SBOM names it; `role` tells build-time crates from those that are in."""

    name: str
    version: str
    source: str = ""
    role: str = ""

    def said(self) -> str:
        """Its version, and what else is known."""
        about = [each for each in (self.source, self.role) if each]
        return f"{self.version} ({', '.join(about)})" if about else self.version


def anatomy_of(pieces: Iterable[bytes], size_bytes: int) -> Anatomy | None:
    """Take a program of that size apart; None for what is none, or damaged. Only of a program all pieces are read."""
    with io.BytesIO() if size_bytes <= _IN_MEMORY_BYTES else tempfile.TemporaryFile() as held:
        for piece in pieces:
            if not held.tell() and not is_elf(piece):
                return None
            held.write(piece)
        return _anatomy(held) if held.tell() else None


def _anatomy(stream: BinaryIO) -> Anatomy | None:
    try:
        sections = sections_of(stream)
        note = section_of(stream, _NOTE, size_max=_NOTE_BYTES_MAX)
    except CannotStart:
        return None
    return Anatomy(sections, None if note is None else _build_id(note), _needed(stream), _crates(stream))


def _build_id(note: bytes) -> str | None:
    """The description of the one note (System V ABI, "Note Section"), in either order of bytes."""
    for order in "<>":
        try:
            name_bytes, id_bytes, _ = struct.unpack_from(f"{order}3I", note)
        except struct.error:
            return None
        start = 12 + name_bytes + -name_bytes % 4
        if name_bytes == len(b"GNU\0") and start + id_bytes <= len(note):
            return note[start : start + id_bytes].hex()
    return None


def _needed(stream: BinaryIO) -> tuple[str, ...]:
    try:
        return read_elf_stream(stream, "the program").needed
    except CannotStart:
        return ()


def _crates(stream: BinaryIO) -> tuple[CrateUse, ...] | None:
    try:
        content = section_of(stream, SECTION, size_max=SECTION_BYTES_MAX)
        return None if content is None else tuple(sorted(_crate(each) for each in packages_in(content)))
    except (CannotStart, ContentInvalid):
        return None


def _crate(package: Mapping[str, Any]) -> CrateUse:
    name, version, source, kind = (str(package.get(key, "")) for key in ("name", "version", "source", "kind"))
    return CrateUse(name, version, source, "" if kind in {"", "runtime"} else kind)


def program_differences(one: Anatomy, other: Anatomy) -> Iterator[Difference]:
    """Where two programs differ; what they are called is their caller's."""
    yield from value_difference(DifferenceKind.BUILD_ID, "build-id", one.build_id, other.build_id)
    old, new = (dict.fromkeys(each.needed) for each in (one, other))
    yield from mapping_differences(DifferenceKind.LIBRARY, old, new)
    if one.crates is not None and other.crates is not None:
        yield from crate_differences(DifferenceKind.CRATE, one.crates, other.crates)
    sections = tuple(_section_differences(one.sections, other.sections))
    yield from sections
    if not sections:
        yield Difference(DifferenceKind.SECTION, "outside of all sections", Change.CHANGED, "bytes", "other bytes")


def _section_differences(one: Iterable[Section], other: Iterable[Section]) -> Iterator[Difference]:
    old, new = dict(_by_name(one)), dict(_by_name(other))
    for name in {**old, **new}:
        for each in value_difference(DifferenceKind.SECTION, name, _or_none(old.get(name)), _or_none(new.get(name))):
            absent = Change.ADDED if name not in old else Change.REMOVED if name not in new else each.change
            yield Difference(DifferenceKind.SECTION, name, absent, each.old, each.new)


def _by_name(sections: Iterable[Section]) -> Iterator[tuple[str, Section]]:
    """Sections by their names, which several may have."""
    seen: Counter[str] = Counter()
    for each in sections:
        seen[each.name] += 1
        number = seen[each.name]
        yield (each.name if number == 1 else f"{each.name} ({number})"), each


def _or_none(section: Section | None) -> dict[str, object] | None:
    if section is None:
        return None
    return {"size": section.size_bytes, "blake2b-128": section.digest.hex()}


def crate_differences(kind: DifferenceKind, one: Iterable[CrateUse], other: Iterable[CrateUse]) -> Iterator[Difference]:
    """Crates that one side alone has; one that has another version there is one difference."""
    old, new = Counter(one), Counter(other)
    gone, come = list((old - new).elements()), list((new - old).elements())
    names = sorted({each.name for each in (*gone, *come)})
    left, right = _grouped(gone), _grouped(come)
    for name in names:
        before, after = left.get(name, []), right.get(name, [])
        if len(before) == len(after) == 1:
            yield Difference(kind, name, Change.CHANGED, before[0].said(), after[0].said())
            continue
        for each in before:
            yield Difference(kind, name, Change.REMOVED, old=each.said())
        for each in after:
            yield Difference(kind, name, Change.ADDED, new=each.said())


def _grouped(uses: Iterable[CrateUse]) -> dict[str, list[CrateUse]]:
    found: dict[str, list[CrateUse]] = {}
    for each in uses:
        found.setdefault(each.name, []).append(each)
    return found
