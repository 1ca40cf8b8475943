"""Who has signed what in a cache: each signer once, with what its signatures cover that is still there."""

from __future__ import annotations

from msgspec import Struct

from cargoship.errors import ContentInvalid
from cargoship.oci.digest import Digest
from cargoship.signing.certificates import claimed_identity
from cargoship.unitcache.packs.index import SaveSignature, UnitIndex
from cargoship.unitcache.packs.signatures import entry_digest, envelope_of, plan_digest
from cargoship.unitcache.stores.trust import TrustedSigners


class CacheSigner(Struct, frozen=True):
    """A key or an identity, and what of a cache it has signed."""

    name: str
    """The name of who is trusted; of others, what the signature says of itself, and `""` where it says nothing."""
    trusted: bool
    """Whether it was verified to be of somebody who is trusted."""
    why: str
    """Why it was not."""
    signatures: int
    units: tuple[str, ...]
    """Their names, in order."""
    builds: int
    """Whole builds."""
    seconds: float
    """What compiling these units took."""


class CacheSigners(Struct, frozen=True):
    """What of a cache is signed by whom. A unit that several have signed counts for each of them."""

    cache: str
    units: int
    signers: tuple[CacheSigner, ...]
    """Those that are trusted first, then those that cover most."""
    unsigned: tuple[str, ...]
    """Names of units that nobody has signed, in order."""


def signers_in(cache: str, index: UnitIndex, trust: TrustedSigners) -> CacheSigners:
    """Who has signed what is in an index; `trust` says whose signatures are verified. Raises SigningFailed."""
    groups: dict[tuple[str, bool], list[tuple[SaveSignature, str]]] = {}
    for key in sorted(index.signatures):
        signature = index.signatures[key]
        try:
            name, why, trusted = trust.signer_of(signature), "", True
        except ContentInvalid as error:
            name, why, trusted = _says(signature), error.message, False
        groups.setdefault((name, trusted), []).append((signature, why))
    entries = {entry_digest(entry): entry for entry in index.entries.values()}
    plans = {plan_digest(plan) for plan in index.plans.values()}
    signers, signed = [], set[Digest]()
    for (name, trusted), given in groups.items():
        listed = {digest for signature, _ in given for digest in signature.listed}
        own = [entries[digest] for digest in listed & entries.keys()]
        signed |= listed & entries.keys()
        names = tuple(sorted(entry.name or str(entry.key) for entry in own))
        seconds = round(sum(entry.seconds for entry in own), 1)
        signers.append(CacheSigner(name, trusted, given[0][1], len(given), names, len(listed & plans), seconds))
    signers.sort(key=lambda each: (not each.trusted, -len(each.units), each.name))
    left = sorted(entry.name or str(entry.key) for digest, entry in entries.items() if digest not in signed)
    return CacheSigners(cache, len(entries), tuple(signers), tuple(left))


def _says(signature: SaveSignature) -> str:
    """Who a signature says it is of: nobody has verified that."""
    try:
        bundle = envelope_of(signature)
    except ContentInvalid:
        return ""
    if bundle.has_certificate:
        claimed = claimed_identity(bundle.data)
        return "" if claimed is None else " by ".join(claimed)
    return f"the key {bundle.hint}" if bundle.hint else ""
