"""Looking at every unit of a store as a restore would, without writing a file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from cargoship.errors import CacheUnavailable, ContentInvalid
from cargoship.oci.digest import Digest
from cargoship.unitcache.index import Entry, Index
from cargoship.unitcache.store import Store
from cargoship.unitcache.unpacking import Unpacked, check_bounds, checked

_JOBS = 2


@dataclass(frozen=True)
class Verified:
    """What was found: how many units are right, and what is wrong with the others, by their names for people."""

    units: int
    size: int
    """Bytes of the frames that were read."""
    damaged: Mapping[Digest, str]


def verify(store: Store, index: Index) -> Verified:
    """Read and unpack everything; raises CacheUnavailable where a store cannot be read at all."""
    packs: dict[Digest, list[Entry]] = defaultdict(list)
    for entry in index.entries.values():
        packs[entry.pack].append(entry)

    def look(pack: Digest) -> dict[Digest, str]:
        return _look(store, pack, index, sorted(packs[pack], key=lambda entry: entry.offset))

    with ThreadPoolExecutor(_JOBS, thread_name_prefix="verify") as pool:
        damaged = {key: words for found in pool.map(look, sorted(packs)) for key, words in found.items()}
    right = [entry for key, entry in index.entries.items() if key not in damaged]
    return Verified(len(right), sum(entry.length for entry in right), damaged)


def _look(store: Store, pack: Digest, index: Index, entries: list[Entry]) -> dict[Digest, str]:
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
                    content = Unpacked(checked(source, entry), entry.unpacked)
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


def mend(store: Store, damaged: Mapping[Digest, str], index: Index) -> Index:
    """Forget damaged units, so that they are compiled and kept again; raises CacheUnavailable."""

    def change(now: Index) -> Index:
        entries = {
            key: entry for key, entry in now.entries.items() if key not in damaged or index.entries.get(key) != entry
        }
        live = {entry.pack for entry in entries.values()}
        packs = {pack: info for pack, info in now.packs.items() if pack in live or pack not in index.packs}
        return Index(entries, now.plans, packs)

    return store.save((), change).index
