"""Looking at every unit of a store as a restore would, without writing a file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from msgspec import Struct

from cargoship.errors import CacheUnavailable, ContentInvalid
from cargoship.oci.digest import Digest
from cargoship.unitcache.packs import signatures
from cargoship.unitcache.packs.index import UnitEntry, UnitIndex
from cargoship.unitcache.stores.store import Store
from cargoship.unitcache.unpacking import FrameReader, check_bounds, verified_frame

_JOBS = 2


class Verified(Struct, frozen=True):
    """What was found: how many units are right, and what is wrong with the others, by their names for people."""

    units: int
    size: int
    """Bytes of the frames that were read."""
    damaged: Mapping[Digest, str]


def check_store(store: Store, index: UnitIndex) -> Verified:
    """Read and unpack everything; raises CacheUnavailable where a store cannot be read at all."""
    packs: dict[Digest, list[UnitEntry]] = defaultdict(list)
    for entry in index.entries.values():
        packs[entry.pack].append(entry)

    def look(pack: Digest) -> dict[Digest, str]:
        return _look(store, pack, index, sorted(packs[pack], key=lambda entry: entry.offset))

    with ThreadPoolExecutor(_JOBS, thread_name_prefix="verify") as pool:
        damaged = {key: words for found in pool.map(look, sorted(packs)) for key, words in found.items()}
    right = [entry for key, entry in index.entries.items() if key not in damaged]
    return Verified(len(right), sum(entry.length for entry in right), damaged)


def _look(store: Store, pack: Digest, index: UnitIndex, entries: list[UnitEntry]) -> dict[Digest, str]:
    if pack not in index.packs:
        return {entry.key: "its pack is not in the index" for entry in entries}
    size, damaged = index.packs[pack].size, {}
    seen: set[Digest] = set()
    try:
        with store.open_pack(pack, size, entries) as source:
            for entry in entries:
                seen.add(entry.key)
                try:
                    check_bounds(entry, size)
                    content = FrameReader(verified_frame(source, entry), entry.unpacked)
                    for _ in content.read(sum(row.size for row in content.rows())):
                        pass
                except ContentInvalid as error:
                    damaged[entry.key] = error.message
                except CacheUnavailable:
                    seen.discard(entry.key)
                    raise
    except CacheUnavailable as error:
        damaged |= {entry.key: error.message for entry in entries if entry.key not in seen}
    return damaged


def mend(store: Store, damaged: Mapping[Digest, str], index: UnitIndex) -> UnitIndex:
    """Forget damaged units, so that they are compiled and kept again; raises CacheUnavailable."""
    return drop_entries(store, lambda entry: entry.key in damaged and index.entries.get(entry.key) == entry, index)


def drop_entries(
    store: Store, is_wrong: Callable[[UnitEntry], bool], index: UnitIndex, *, plans: Collection[Digest] = ()
) -> UnitIndex:
    """Forget some entries and plans, and packs that nobody needs then; `index` is what was looked at.

    What others save meanwhile stays. Raises CacheUnavailable.
    """

    def change(now: UnitIndex) -> UnitIndex:
        entries = {key: entry for key, entry in now.entries.items() if not is_wrong(entry)}
        live = {entry.pack for entry in entries.values()}
        packs = {pack: info for pack, info in now.packs.items() if pack in live or pack not in index.packs}
        left = {key: plan for key, plan in now.plans.items() if key not in plans}
        return signatures.pruned(replace(now, entries=entries, plans=left, packs=packs))

    return store.save((), change).index
