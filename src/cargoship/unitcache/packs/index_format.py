"""An index as bytes: one zstd frame of JSON, the same bytes for the same index. Read strictly, with bounds.

    {"format": 1, "packs": [[hex, size, units]], "entries": [...], "plans": [...], "signatures": [{"listed", "bundle"}]}

Digests are hexadecimal digits without their algorithm; an entry names its pack by its place in the list. What a
signature lists is one string of such digits. Without signatures there is no word of them.

All is checked when an index is read, but for the parts of keys, which are most of it: they stay bytes until somebody
asks for the entry. Parts that are none are those of no unit, so that nobody finds the entry by them; such an entry is
not written again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Annotated

import msgspec

from cargoship.errors import ContentInvalid
from cargoship.oci.digest import Digest
from cargoship.oci.zstd import CompressionParameter, ZstdCompressor, ZstdDecompressor, ZstdError
from cargoship.unitcache.packs.entries import LazyEntries
from cargoship.unitcache.packs.frame import FRAME_BYTES_MAX
from cargoship.unitcache.packs.index import (
    FORMAT,
    NOTHING,
    PLANS_MAX,
    BuildRecord,
    PackInfo,
    SaveSignature,
    UnitEntry,
    UnitIndex,
)
from cargoship.unitcache.packs.signatures import within_limits

INDEX_BYTES_MAX = 64 << 20
"""What an index may have as bytes of a store."""
_JSON_BYTES_MAX = 256 << 20
_PIECE_BYTES = 256 * 1024
"""What is unpacked at a time: all at once would be in memory twice."""
_MARGIN = 0.9
"""What is cut is cut a little shorter, so that the next save need not cut again."""
_ENTRIES_MAX = 200_000
_PACKS_MAX = 50_000
_NAMES_MAX = 20_000
SIGNATURES_MAX = 1_000
"""Savers with a key have one signature each, those with an identity one for each save."""
BUNDLE_BYTES_MAX = 64 << 10
"""Those of identities have about ten kilobytes, with certificates and the log's word."""
_LISTED_MAX = 2 * _ENTRIES_MAX
_HEX_DIGITS = 64

_Hex = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$", max_length=64)]
_Digits = Annotated[str, msgspec.Meta(min_length=64, max_length=64)]
"""Such a digest where there are very many: a pattern for each takes longer than all the rest (see `_check_digits`)."""
_NONE = msgspec.Raw(b"{}")
_Size = Annotated[int, msgspec.Meta(ge=0, le=1 << 44)]
_PackSize = Annotated[int, msgspec.Meta(ge=0, le=2 * FRAME_BYTES_MAX)]
"""A pack is closed with the frame that makes it large enough, so it is never as large as two of the largest."""
_Text = Annotated[str, msgspec.Meta(max_length=1 << 20)]
_Name = Annotated[str, msgspec.Meta(max_length=4096)]
_Inputs = Annotated[dict[_Name, _Hex], msgspec.Meta(max_length=_NAMES_MAX)]

_Parts = Annotated[dict[_Name, _Text], msgspec.Meta(max_length=_NAMES_MAX)]


class _Pack(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    digest: _Hex
    size: _PackSize
    units: _Size


class _Entry(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    key: _Digits
    pack: _Size
    offset: _Size
    length: _Size
    frame: _Digits
    unpacked: _Size
    name: _Name = ""
    parts: msgspec.Raw = _NONE
    seconds: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    inputs: _Inputs = {}
    output: _Digits = NOTHING.hex
    place: _Name = ""


class _Plan(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    key: _Hex
    units: Annotated[list[_Digits], msgspec.Meta(max_length=_ENTRIES_MAX)]
    outputs: Annotated[dict[_Name, _Hex], msgspec.Meta(max_length=_NAMES_MAX)] = {}
    inputs: _Inputs = {}
    saved_at: Annotated[int, msgspec.Meta(ge=0, le=1 << 44)] = 0
    parts: _Parts = {}


class _Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    listed: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{64})*$", max_length=_LISTED_MAX * _HEX_DIGITS)]
    bundle: Annotated[str, msgspec.Meta(max_length=BUNDLE_BYTES_MAX)]


class _Format(msgspec.Struct, frozen=True):
    format: int


class _Index(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    format: int
    packs: Annotated[list[_Pack], msgspec.Meta(max_length=_PACKS_MAX)]
    entries: Annotated[list[_Entry], msgspec.Meta(max_length=_ENTRIES_MAX)]
    plans: Annotated[list[_Plan], msgspec.Meta(max_length=PLANS_MAX)]
    signatures: Annotated[list[_Signature], msgspec.Meta(max_length=SIGNATURES_MAX)] = []


class UnitGroup(msgspec.Struct, frozen=True, gc=False):
    """What different compilations of one unit have in common, by the names of parts."""

    package: str = ""
    target: str = ""
    platform: str = ""
    mode: str = ""


_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER = msgspec.json.Decoder(_Index)
_FORMAT_DECODER = msgspec.json.Decoder(_Format)
_GROUP_DECODER = msgspec.json.Decoder(UnitGroup)
_PARTS_DECODER = msgspec.json.Decoder(_Parts)


def encode_unit_index(index: UnitIndex) -> bytes:
    """The index as bytes. Entries whose pack is unknown are left out.

    So are those of the oldest builds, where it would be larger than any that is read: as a whole it would be lost.
    """
    if len(index.signatures) > SIGNATURES_MAX or sum(map(_length, index.signatures.values())) > _LISTED_MAX:
        index = within_limits(index, count=SIGNATURES_MAX, listed=_LISTED_MAX)
    places = {digest: place for place, digest in enumerate(sorted(index.packs))}
    entries = _latest(_rows(index.entries, places), index.plans.values(), _ENTRIES_MAX)
    while True:
        text, data = _encoded(index, places, entries)
        too_large = max(text / _JSON_BYTES_MAX, len(data) / INDEX_BYTES_MAX)
        if too_large <= 1.0 or not entries:
            return data
        entries = _latest(entries, index.plans.values(), int(len(entries) * _MARGIN / too_large))


def _encoded(index: UnitIndex, places: Iterable[Digest], entries: list[_Entry]) -> tuple[int, bytes]:
    """How many bytes it has as text, and what is written."""
    document = _Index(
        FORMAT,
        [_Pack(digest.hex, index.packs[digest].size, index.packs[digest].units) for digest in places],
        entries,
        [_plan(plan) for plan in index.plans.values()],
        [_signature(index.signatures[key]) for key in sorted(index.signatures)],
    )
    compressor = ZstdCompressor(options={CompressionParameter.compression_level: 3})
    text = _ENCODER.encode(document)
    return len(text), compressor.compress(text, ZstdCompressor.FLUSH_FRAME)


def _latest(entries: Iterable[_Entry], plans: Iterable[BuildRecord], count: int) -> list[_Entry]:
    """So many entries at most, in the order of their keys: those of the latest builds."""
    found = list(entries)
    if len(found) > count:
        used = {key.hex: plan.saved_at for plan in sorted(plans, key=lambda plan: plan.saved_at) for key in plan.units}
        found.sort(key=lambda entry: (-used.get(entry.key, -1), entry.key))
        del found[count:]
    return sorted(found, key=lambda entry: entry.key)


def decode_unit_index(data: bytes) -> UnitIndex:
    """What `encode_unit_index` wrote; an empty index for another format. Raises ContentInvalid."""
    text = _unpacked(data)
    try:
        document = _DECODER.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        if _is_another_format(text):
            return UnitIndex()
        raise ContentInvalid(f"the index of the cache cannot be read: {error}") from error
    if document.format != FORMAT:
        return UnitIndex()
    packs = [(Digest(pack.digest), PackInfo(pack.size, pack.units)) for pack in document.packs]
    for each in document.entries:
        if each.pack >= len(packs):
            raise ContentInvalid("the index of the cache names a pack that it does not have")
        if each.offset + each.length > document.packs[each.pack].size:
            raise ContentInvalid("the index of the cache places a unit outside of its pack")
    for field in ("key", "frame", "output"):
        _check_digits(map(attrgetter(field), document.entries))
    for plan in document.plans:
        _check_digits(plan.units)
    names = tuple(digest for digest, _ in packs)
    rows = {each.key: each for each in document.entries}
    entries = LazyEntries(rows, names, lambda each: _read_entry(each, names[each.pack]))
    plans = [_read_plan(each) for each in document.plans]
    if len(rows) < len(document.entries) or len(dict(packs)) < len(packs) or len({p.key for p in plans}) < len(plans):
        raise ContentInvalid("the index of the cache has something twice")
    signatures = _read_signatures(document.signatures)
    return UnitIndex(entries, {plan.key: plan for plan in plans}, dict(packs), signatures)


def groups_of(entries: Mapping[Digest, UnitEntry]) -> Iterator[tuple[Digest, UnitGroup]]:
    """The keys of all entries of units, and what of their parts tells one unit from another."""
    if not isinstance(entries, LazyEntries):
        yield from ((key, group_of(entry.parts)) for key, entry in entries.items())
        return
    for key, row in entries.rows.items():
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            yield Digest(key), _GROUP_DECODER.decode(row.parts)


def group_of(parts: Mapping[str, str]) -> UnitGroup:
    """What of the parts of a key tells one unit from another."""
    return UnitGroup(*(parts.get(name, "") for name in UnitGroup.__struct_fields__))


def _unpacked(data: bytes) -> bytearray:
    if len(data) > INDEX_BYTES_MAX:
        raise ContentInvalid(f"the index of the cache has {len(data)} bytes; the limit is {INDEX_BYTES_MAX}")
    decompressor, text = ZstdDecompressor(), bytearray()
    try:
        while not decompressor.eof and len(text) <= _JSON_BYTES_MAX:
            piece = decompressor.decompress(data, max_length=_PIECE_BYTES)
            if not piece and decompressor.needs_input:
                break
            text += piece
            data = b""
    except ZstdError as error:
        raise ContentInvalid(f"the index of the cache cannot be unpacked: {error}") from error
    if not decompressor.eof or len(text) > _JSON_BYTES_MAX:
        raise ContentInvalid("the index of the cache is cut off, or too large")
    return text


def _is_another_format(text: bytearray) -> bool:
    """Whether it is of a later format, which may have any other shape."""
    try:
        return _FORMAT_DECODER.decode(text).format != FORMAT
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False


def _check_digits(digests: Iterable[str]) -> None:
    """Raise ContentInvalid for what is no hexadecimal digits in lower case."""
    if "".join(digests).encode().translate(None, b"0123456789abcdef"):
        raise ContentInvalid("the index of the cache has something else in the place of a digest")


def _rows(entries: Mapping[Digest, UnitEntry], places: Mapping[Digest, int]) -> Iterator[_Entry]:
    """Entries of packs that are known, as they are written."""
    if not isinstance(entries, LazyEntries):
        yield from (_entry(entry, places[entry.pack]) for entry in entries.values() if entry.pack in places)
        return
    numbers = [places.get(digest) for digest in entries.packs]
    for row in entries.rows.values():
        number = numbers[row.pack]
        if number is not None and _parts(row.parts) is not None:
            yield msgspec.structs.replace(row, pack=number)


def _parts(raw: msgspec.Raw) -> dict[str, str] | None:
    try:
        return _PARTS_DECODER.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _entry(entry: UnitEntry, place: int) -> _Entry:
    return _Entry(
        entry.key.hex,
        place,
        entry.offset,
        entry.length,
        entry.frame.hex,
        entry.unpacked,
        entry.name,
        msgspec.Raw(_ENCODER.encode(dict(entry.parts))) if entry.parts else _NONE,
        entry.seconds,
        {path: digest.hex for path, digest in entry.inputs.items()},
        entry.output.hex,
        entry.place,
    )


def _read_entry(each: _Entry, pack: Digest) -> UnitEntry:
    return UnitEntry(
        Digest(each.key),
        pack,
        each.offset,
        each.length,
        Digest(each.frame),
        each.unpacked,
        each.name,
        _parts(each.parts) or {},
        each.seconds,
        {path: Digest(text) for path, text in each.inputs.items()},
        Digest(each.output),
        each.place,
    )


def _plan(plan: BuildRecord) -> _Plan:
    return _Plan(
        plan.key.hex,
        [key.hex for key in plan.units],
        {name: key.hex for name, key in plan.outputs.items()},
        {path: digest.hex for path, digest in plan.inputs.items()},
        plan.saved_at,
        dict(plan.parts),
    )


def _read_plan(each: _Plan) -> BuildRecord:
    return BuildRecord(
        Digest(each.key),
        tuple(Digest(key) for key in each.units),
        {name: Digest(key) for name, key in each.outputs.items()},
        {path: Digest(text) for path, text in each.inputs.items()},
        each.saved_at,
        each.parts,
    )


def _length(signature: SaveSignature) -> int:
    return len(signature.listed)


def _signature(signature: SaveSignature) -> _Signature:
    return _Signature("".join(digest.hex for digest in signature.listed), signature.bundle.decode())


def _read_signatures(signatures: Iterable[_Signature]) -> dict[Digest, SaveSignature]:
    found = {}
    total = 0
    for each in signatures:
        total += len(each.listed) // _HEX_DIGITS
        if total > _LISTED_MAX:
            raise ContentInvalid("the signatures of the cache list more units than a cache has")
        starts = range(0, len(each.listed), _HEX_DIGITS)
        listed = tuple(Digest(each.listed[start : start + _HEX_DIGITS]) for start in starts)
        bundle = each.bundle.encode()
        found[Digest.of(bundle)] = SaveSignature(listed, bundle)
    return found
