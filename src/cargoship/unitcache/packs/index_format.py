"""An index as bytes: one zstd frame of JSON, the same bytes for the same index. Read strictly, with bounds.

    {"format": 1, "packs": [[hex, size, units]], "entries": [...], "plans": [...], "signatures": [{"listed", "bundle"}]}

Digests are hexadecimal digits without their algorithm; an entry names its pack by its place in the list. What a
signature lists is one string of such digits. Without signatures there is no word of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import msgspec

from cargoship.errors import ContentInvalid
from cargoship.oci.digest import Digest
from cargoship.oci.zstd import CompressionParameter, ZstdCompressor, ZstdDecompressor, ZstdError
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
_JSON_BYTES_MAX = 128 << 20
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


class _Entry(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    key: _Hex
    pack: _Size
    offset: _Size
    length: _Size
    frame: _Hex
    unpacked: _Size
    name: _Name = ""
    parts: _Parts = {}
    seconds: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    inputs: _Inputs = {}
    output: _Hex = NOTHING.hex
    place: _Name = ""


class _Plan(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    key: _Hex
    units: Annotated[list[_Hex], msgspec.Meta(max_length=_ENTRIES_MAX)]
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


_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER = msgspec.json.Decoder(_Index)
_FORMAT_DECODER = msgspec.json.Decoder(_Format)


def encode_unit_index(index: UnitIndex) -> bytes:
    """The index as bytes. Entries whose pack is unknown are left out."""
    if len(index.signatures) > SIGNATURES_MAX or sum(map(_length, index.signatures.values())) > _LISTED_MAX:
        index = within_limits(index, count=SIGNATURES_MAX, listed=_LISTED_MAX)
    places = {digest: place for place, digest in enumerate(sorted(index.packs))}
    entries = sorted((entry for entry in index.entries.values() if entry.pack in places), key=lambda entry: entry.key)
    document = _Index(
        FORMAT,
        [_Pack(digest.hex, index.packs[digest].size, index.packs[digest].units) for digest in places],
        [_entry(entry, places[entry.pack]) for entry in entries],
        [_plan(plan) for plan in index.plans.values()],
        [_signature(index.signatures[key]) for key in sorted(index.signatures)],
    )
    compressor = ZstdCompressor(options={CompressionParameter.compression_level: 3})
    return compressor.compress(_ENCODER.encode(document), ZstdCompressor.FLUSH_FRAME)


def decode_unit_index(data: bytes) -> UnitIndex:
    """What `encode_unit_index` wrote; an empty index for another format. Raises ContentInvalid."""
    text = _unpacked(data)
    try:
        # a later format may have any other shape
        if _FORMAT_DECODER.decode(text).format != FORMAT:
            return UnitIndex()
        document = _DECODER.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ContentInvalid(f"the index of the cache cannot be read: {error}") from error
    packs = [(Digest(pack.digest), PackInfo(pack.size, pack.units)) for pack in document.packs]
    entries: dict[Digest, UnitEntry] = {}
    for each in document.entries:
        if each.pack >= len(packs):
            raise ContentInvalid("the index of the cache names a pack that it does not have")
        pack, info = packs[each.pack]
        if each.offset + each.length > info.size:
            raise ContentInvalid("the index of the cache places a unit outside of its pack")
        entry = _read_entry(each, pack)
        entries[entry.key] = entry
    plans = [_read_plan(each) for each in document.plans]
    if (
        len(entries) < len(document.entries)
        or len(dict(packs)) < len(packs)
        or len({p.key for p in plans}) < len(plans)
    ):
        raise ContentInvalid("the index of the cache has something twice")
    signatures = _read_signatures(document.signatures)
    return UnitIndex(entries, {plan.key: plan for plan in plans}, dict(packs), signatures)


def _unpacked(data: bytes) -> bytes:
    if len(data) > INDEX_BYTES_MAX:
        raise ContentInvalid(f"the index of the cache has {len(data)} bytes; the limit is {INDEX_BYTES_MAX}")
    try:
        decompressor = ZstdDecompressor()
        text = decompressor.decompress(data, max_length=_JSON_BYTES_MAX)
    except ZstdError as error:
        raise ContentInvalid(f"the index of the cache cannot be unpacked: {error}") from error
    if not decompressor.eof:
        raise ContentInvalid("the index of the cache is cut off, or too large")
    return text


def _entry(entry: UnitEntry, place: int) -> _Entry:
    return _Entry(
        entry.key.hex,
        place,
        entry.offset,
        entry.length,
        entry.frame.hex,
        entry.unpacked,
        entry.name,
        dict(entry.parts),
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
        each.parts,
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
