"""A store of which only the units count that somebody trusted has signed, and in which what is saved is signed.

Everything else in it is as good as not there: `load` leaves it out. A save sees all of it, so that what others have
saved stays, and their signatures with it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from cargoship.errors import CacheUnavailable, CargoshipError, ContentInvalid
from cargoship.oci.digest import Digest
from cargoship.unitcache.packs.index import BuildRecord, SaveSignature, UnitEntry, UnitIndex
from cargoship.unitcache.packs.pack import Pack
from cargoship.unitcache.packs.signatures import entry_digest, envelope_of, plan_digest, pruned, statement_of
from cargoship.unitcache.stores.store import LocalStore, PackSource, Saved, Store
from cargoship.unitcache.stores.trust import TrustedSigners

if TYPE_CHECKING:
    from cargoship.signing.signer import Signer

UNSIGNED = "nobody has signed it"


@dataclass
class _Shared:
    lock: threading.Lock = field(default_factory=threading.Lock)
    bundles: dict[bytes, bytes] = field(default_factory=dict)
    """What was signed in this run, by its statement: an identity signs otherwise each time."""
    said: bool = False


@dataclass(frozen=True)
class TrustedStore(Store):
    """What `trust` vouches for in `store`; `signer` signs what is saved, and `say` hears what is left out."""

    store: Store
    trust: TrustedSigners
    signer: Signer | None
    say: Callable[[str], None] = field(repr=False)
    shared: _Shared = field(default_factory=_Shared, repr=False)

    @property
    def name(self) -> str:
        """See Store."""
        return self.store.name

    @property
    def writable(self) -> bool:
        """See Store."""
        return self.store.writable

    def load(self) -> UnitIndex:
        """See Store: what somebody trusted has signed."""
        found = self.store.load()
        index, reasons = accepted(found, self.trust)
        left = len(found.entries) - len(index.entries)
        with self.shared.lock:
            new, self.shared.said = bool(left) and not self.shared.said, self.shared.said or bool(left)
        if new:
            why, _ = reasons.most_common(1)[0]
            self.say(f"{left} of {len(found.entries)} units in {self.name} are not taken: {why} (cache-trust)")
        return index

    def open_pack(self, pack: Digest, size: int, wanted: Sequence[UnitEntry]) -> AbstractContextManager[PackSource]:
        """See Store."""
        return self.store.open_pack(pack, size, wanted)

    def save(self, packs: Sequence[Pack], change: Callable[[UnitIndex], UnitIndex]) -> Saved:
        """See Store: what is new is signed. Raises CacheUnavailable where that fails, and nothing is saved."""
        saved = self.store.save(packs, lambda index: self._signed(index, change(index)))
        return structs.replace(saved, index=accepted(saved.index, self.trust)[0])

    def prefetch(self, index: UnitIndex, wanted: Iterable[UnitEntry]) -> None:
        """See Store."""
        self.store.prefetch(index, wanted)

    def lacks(self, plan: BuildRecord) -> bool:
        """See Store."""
        return self.store.lacks(plan)

    def last_used(self, packs: Collection[Digest]) -> Mapping[Digest, int]:
        """See Store."""
        return self.store.last_used(packs)

    def giver(self, pack: Digest) -> str:
        """See Store."""
        return self.store.giver(pack)

    def stop(self) -> None:
        """See Store."""
        self.store.stop()

    def close(self) -> None:
        """See Store."""
        self.store.close()

    def _signed(self, before: UnitIndex, after: UnitIndex) -> UnitIndex:
        """With a signature over what this run has added: what it has from others carries theirs."""
        if self.signer is not None:
            own = {entry_digest(each) for key, each in after.entries.items() if _is_ours(each, before.entries.get(key))}
            own |= {plan_digest(each) for key, each in after.plans.items() if _is_ours(each, before.plans.get(key))}
            if own:
                after = self._with_signature(after, own)
        return pruned(after)

    def _with_signature(self, index: UnitIndex, own: set[Digest]) -> UnitIndex:
        """One signature of a key is enough: it takes the place of its earlier ones, and covers what they covered."""
        assert self.signer is not None  # noqa: S101 - the caller has looked
        earlier = {} if self.signer.key is None else self._of_key(index)
        if any(own.issubset(each.listed) for each in earlier.values()) and len(earlier) == 1:
            return index
        live = own.union(*(each.listed for each in earlier.values()))
        if earlier:
            entries = {entry_digest(each) for each in index.entries.values()}
            live &= entries | {plan_digest(each) for each in index.plans.values()}
        listed = tuple(sorted(live))
        bundle = self._bundle(statement_of(listed))
        others = {key: each for key, each in index.signatures.items() if key not in earlier}
        return replace(index, signatures={**others, Digest.of(bundle): SaveSignature(listed, bundle)})

    def _of_key(self, index: UnitIndex) -> dict[Digest, SaveSignature]:
        """The signatures that the saver's key has made."""
        assert self.signer is not None  # noqa: S101 - as above
        assert self.signer.key is not None  # noqa: S101 - as above
        own = TrustedSigners((("", self.signer.key.public),))
        found = {}
        for key, each in index.signatures.items():
            try:
                own.signer_of(each)
            except ContentInvalid:
                continue
            found[key] = each
        return found

    def _bundle(self, statement: bytes) -> bytes:
        with self.shared.lock:
            bundle = self.shared.bundles.get(statement)
            if bundle is None:
                assert self.signer is not None  # noqa: S101 - as above
                try:
                    bundle = self.signer.bundle(statement)
                except CargoshipError as error:
                    raise CacheUnavailable(
                        f"nothing is saved in {self.name}: {error.message}", hint=error.hint
                    ) from error
                self.shared.bundles[statement] = bundle
            return bundle


@dataclass(frozen=True)
class TrustedFolder(TrustedStore, LocalStore):
    """The same, of a store with a folder of this machine."""

    store: LocalStore

    @property
    def scratch(self) -> Path:
        """See LocalStore."""
        return self.store.scratch

    def pack_path(self, pack: Digest) -> Path:
        """See LocalStore."""
        return self.store.pack_path(pack)


def accepted(index: UnitIndex, trust: TrustedSigners) -> tuple[UnitIndex, Counter[str]]:
    """What somebody trusted has signed, with their names, and how often something else is there for which reason."""
    vouched: dict[Digest, str] = {}
    refusals: dict[Digest, str] = {}
    for key in sorted(index.signatures):
        signature = index.signatures[key]
        try:
            name = trust.signer_of(signature)
        except ContentInvalid as error:
            refusals |= dict.fromkeys(signature.listed, f"{whose(signature)}: {error.message}")
        else:
            vouched |= dict.fromkeys(signature.listed, name)
    entries, refused = {}, {}
    for unit, entry in index.entries.items():
        covered = entry_digest(entry)
        if covered in vouched:
            entries[unit] = replace(entry, signer=vouched[covered])
        else:
            refused[unit] = refusals.get(covered, UNSIGNED)
    plans = {}
    for build, plan in index.plans.items():
        covered = plan_digest(plan)
        if covered in vouched:
            plans[build] = replace(plan, signer=vouched[covered])
    return replace(index, entries=entries, plans=plans, refused=refused), Counter(refused.values())


def whose(signature: SaveSignature) -> str:
    """Who a signature says it is of: nobody has verified that."""
    try:
        bundle = envelope_of(signature)
    except ContentInvalid:
        return "a signature"
    if bundle.has_certificate:
        return "the signature of an identity"
    return f"the signature of the key {bundle.hint}" if bundle.hint else "a signature"


def _is_ours(now: UnitEntry | BuildRecord, before: UnitEntry | BuildRecord | None) -> bool:
    """Whether this run has made it: an object of its own, for which nobody has vouched before."""
    return now is not before and not now.signer
