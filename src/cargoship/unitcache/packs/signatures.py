"""What a signature in an index covers, and how it is written: one for all that a save has added.

A unit and a build each come to a digest of everything that a reader goes by: key, parts, inputs, the digest of the
frame. Where they lie (pack, offset) and how long they took are left out, so that packs may be rewritten, and what two
savers have made alike is covered by the signatures of both. The digests, in order, are a list; the subject of a
statement of in-toto is the digest of that list; the statement is in an envelope of Sigstore's bundle (`signing`). So a
byte of a unit is covered by its frame's digest, that by the entry's, that by the list, and that by the signature.

It must not know who is trusted: `stores.trust` does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from cargoship.errors import ContentInvalid
from cargoship.oci.digest import Digest
from cargoship.unitcache.packs.index import FORMAT, BuildRecord, SaveSignature, UnitEntry, UnitIndex

if TYPE_CHECKING:
    from cargoship.signing.bundle import Bundle

PREDICATE_TYPE = "https://cargoship.dev/unit-cache/v1"
"""What tells such a statement from those about images: a key may sign both."""
_ENCODER = msgspec.json.Encoder(order="deterministic")


def entry_digest(entry: UnitEntry) -> Digest:
    """What a unit comes to."""
    inputs = {path: digest.hex for path, digest in entry.inputs.items()}
    return _digest(
        "unit", entry.key.hex, entry.frame.hex, entry.unpacked, entry.name, entry.parts, inputs, entry.output.hex,
        entry.place,
    )  # fmt: skip


def plan_digest(plan: BuildRecord) -> Digest:
    """What a build comes to."""
    outputs = {name: key.hex for name, key in plan.outputs.items()}
    inputs = {path: digest.hex for path, digest in plan.inputs.items()}
    units = [key.hex for key in plan.units]
    return _digest("build", plan.key.hex, units, outputs, inputs, plan.saved_at, plan.parts)


def _digest(kind: str, *said: object) -> Digest:
    return Digest.of(_ENCODER.encode((kind, FORMAT, *said)))


def list_bytes(listed: Iterable[Digest]) -> bytes:
    """The list as the bytes whose digest is signed."""
    return b"cargoship units %d\n" % FORMAT + "".join(f"{digest.hex}\n" for digest in listed).encode()


def statement_of(listed: Collection[Digest]) -> bytes:
    """The statement that a saver signs; the same bytes for the same list."""
    from cargoship.attest.statement import Statement, Subject

    subject = Subject.of(Digest.of(list_bytes(listed)), "units")
    return Statement((subject,), PREDICATE_TYPE, {"listed": len(listed)}).encode()


def envelope_of(signature: SaveSignature) -> Bundle:
    """The bundle of a signature that is about its list; nobody has verified it then. Raises ContentInvalid."""
    from cargoship.attest.statement import decode_heading
    from cargoship.signing.bundle import read_bundle

    bundle = read_bundle(signature.bundle)
    statement = decode_heading(bundle.envelope.payload)
    if statement.predicate_type != PREDICATE_TYPE:
        raise ContentInvalid("it signs something else than units of a cache")
    if len(statement.subjects) != 1 or not statement.speaks_of(Digest.of(list_bytes(signature.listed))):
        raise ContentInvalid("it signs another list of units")
    return bundle


def digests_in(index: UnitIndex) -> set[Digest]:
    """What all units and builds of an index come to."""
    return {*map(entry_digest, index.entries.values()), *map(plan_digest, index.plans.values())}


def pruned(index: UnitIndex) -> UnitIndex:
    """Without the signatures that cover nothing any more."""
    if not index.signatures:
        return index
    live = digests_in(index)
    left = {key: each for key, each in index.signatures.items() if not live.isdisjoint(each.listed)}
    return index if len(left) == len(index.signatures) else replace(index, signatures=left)


def within_limits(index: UnitIndex, *, count: int, listed: int) -> UnitIndex:
    """With at most so many signatures, and so much that they list together: those stay that cover most."""
    live = digests_in(index)
    covers = {key: len(live.intersection(each.listed)) for key, each in index.signatures.items()}
    kept: dict[Digest, SaveSignature] = {}
    # the key decides where two cover the same, so that it is the same everywhere
    for key in sorted(covers, key=lambda key: (-covers[key], key)):
        size = len(index.signatures[key].listed)
        if covers[key] and len(kept) < count and size <= listed:
            kept[key] = index.signatures[key]
            listed -= size
    return replace(index, signatures=kept)


def covering(
    signatures: Mapping[Digest, SaveSignature], entries: Iterable[UnitEntry], plans: Iterable[BuildRecord] = ()
) -> dict[Digest, SaveSignature]:
    """Those of the signatures that cover some of these units and builds."""
    if not signatures:
        return {}
    wanted = {*map(entry_digest, entries), *map(plan_digest, plans)}
    return {key: each for key, each in signatures.items() if not wanted.isdisjoint(each.listed)}
