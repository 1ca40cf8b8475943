"""Collecting garbage: which units stay, and packs rewritten of which less than half is of use.

What a store holds is bounded in two ways: by bytes, and by the plans that are kept. Units that no kept plan needs go
first, the least recently used of them before the others, then those of the oldest plans.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from msgspec import Struct

from cargoship.errors import CacheUnavailable, ContentInvalid
from cargoship.oci.digest import Digest
from cargoship.unitcache.packs import signatures
from cargoship.unitcache.packs.index import UnitEntry, UnitIndex
from cargoship.unitcache.packs.pack import Pack, entry_at
from cargoship.unitcache.packs.packing import frame_writer
from cargoship.unitcache.stores.store import Store
from cargoship.unitcache.unpacking import check_bounds, verified_frame

_LIVE_SHARE = 0.5


class Rules(Struct, frozen=True):
    """How much stays: `bytes_max` of packs, and with `plans_kept` only what the last so many plans need."""

    bytes_max: int
    plans_kept: int | None = None


class Garbage(Struct, frozen=True):
    """What can go."""

    keys: frozenset[Digest]
    """Units."""
    plans: frozenset[Digest]
    sparse: tuple[Digest, ...]
    """Packs that are to be rewritten."""


class Collected(Struct, frozen=True):
    """What a collection came to: bytes and units before and after it."""

    size_before: int
    size: int
    units_before: int
    units: int
    rewritten: int
    """Packs of which only a part was kept."""


def garbage(index: UnitIndex, rules: Rules, used: Mapping[Digest, int]) -> Garbage:
    """What can go by these rules; `used` says when packs were used last, as far as that is known. Pure."""
    plans = list(index.plans.values())
    kept = plans if rules.plans_kept is None else plans[len(plans) - min(rules.plans_kept, len(plans)) :]
    rank: dict[Digest, int] = {}
    for number, plan in enumerate(kept, 1):
        rank |= dict.fromkeys(plan.needed, number)
    gone: set[Digest] = set()
    if rules.plans_kept is not None and plans:
        gone = {key for key in index.entries if key not in rank}
    # the first to go first; the key makes the order the same everywhere
    order = sorted(
        (entry for entry in index.entries.values() if entry.key not in gone),
        key=lambda entry: (rank.get(entry.key, 0), used.get(entry.pack, 0), entry.pack, entry.key),
    )
    live = sum(entry.length for entry in order)
    for entry in order:
        if live <= rules.bytes_max:
            break
        live -= entry.length
        gone.add(entry.key)
    lost = {plan.key for plan in plans if plan not in kept or not plan.needed.isdisjoint(gone)}
    return Garbage(frozenset(gone), frozenset(lost), _sparse(index, gone, rules.bytes_max))


def _sparse(index: UnitIndex, gone: set[Digest], bytes_max: int) -> tuple[Digest, ...]:
    """Packs to rewrite: those of which less than half is of use; all that have a gap, if there is too little room."""
    live = dict.fromkeys(index.packs, 0)
    for key, entry in index.entries.items():
        if key not in gone and entry.pack in live:
            live[entry.pack] += entry.length
    used = {pack: size for pack, size in sorted(live.items()) if size}
    sparse = [pack for pack, size in used.items() if size < index.packs[pack].size * _LIVE_SHARE]
    if sum(size if pack in sparse else index.packs[pack].size for pack, size in used.items()) > bytes_max:
        sparse = [pack for pack, size in used.items() if size < index.packs[pack].size]
    return tuple(sparse)


def collect(store: Store, rules: Rules, *, scratch: Path, used: Mapping[Digest, int] | None = None) -> Collected:
    """Collect a store's garbage; raises CacheUnavailable. What others save meanwhile stays, and all that it needs."""
    before = store.load()
    found = garbage(before, rules, used or {})
    moved: dict[Digest, UnitEntry] = {}
    packs = _rewrite(store, before, found, scratch, moved)

    def change(index: UnitIndex) -> UnitIndex:
        needed = {key for each, plan in index.plans.items() if before.plans.get(each) != plan for key in plan.needed}
        entries = {}
        for key, entry in index.entries.items():
            same = before.entries.get(key) == entry
            if same and key in found.keys and key not in needed:
                continue
            entries[key] = moved.get(key, entry) if same else entry
        plans = {key: plan for key, plan in index.plans.items() if key not in found.plans or before.plans[key] != plan}
        live = {entry.pack for entry in entries.values()}
        # packs that came meanwhile are somebody else's, and may be about to get their entries
        packs = {pack: info for pack, info in index.packs.items() if pack in live or pack not in before.packs}
        return signatures.pruned(replace(index, entries=entries, plans=plans, packs=packs))

    try:
        after = store.save(packs, change).index
    finally:
        for pack in packs:
            pack.path.unlink(missing_ok=True)
    return Collected(before.size, after.size, len(before.entries), len(after.entries), len(found.sparse))


def _rewrite(
    store: Store, index: UnitIndex, found: Garbage, scratch: Path, moved: dict[Digest, UnitEntry]
) -> Sequence[Pack]:
    """Frames that stay, in packs of their own; a damaged one is left behind."""
    if not found.sparse:
        return ()
    wanted: dict[Digest, list[UnitEntry]] = defaultdict(list)
    for key, entry in index.entries.items():
        if entry.pack in found.sparse and key not in found.keys:
            wanted[entry.pack].append(entry)
    try:
        with frame_writer(scratch) as writer:
            for pack in found.sparse:
                size = index.packs[pack].size
                entries = sorted(wanted[pack], key=lambda entry: entry.offset)
                with store.open_pack(pack, size, entries) as source:
                    for entry in entries:
                        try:
                            check_bounds(entry, size)
                            writer.add_frame(entry, verified_frame(source, entry))
                        except ContentInvalid:
                            continue
            packs = writer.close()
    except OSError as error:
        raise CacheUnavailable(f"cannot write {scratch}: {error.strerror or error}") from error
    for made in packs:
        for placed in made.placed:
            moved[placed.key] = entry_at(placed, index.entries[placed.key])
    return packs
