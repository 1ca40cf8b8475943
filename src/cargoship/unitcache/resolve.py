"""Which units of a build are in the cache, decided before anything is fetched.

Units are taken in the order in which they depend on each other, for a key holds what came out of the units before it. A
unit that is missed is compiled, and so is everything that depends on it: cargo would do that anyway.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from cargoship.cargo.unit_graph import UnitGraph
from cargoship.oci.digest import Digest
from cargoship.unitcache.keys.file_digests import FileDigests
from cargoship.unitcache.keys.key import BuildEnvironment, LockedSources, identity_of, parts_of
from cargoship.unitcache.packs.index import UnitEntry
from cargoship.unitcache.packs.index_format import UnitGroup, group_of, groups_of


class Resolution(Struct, frozen=True):
    """What is in the cache, and what is not."""

    hits: Mapping[int, UnitEntry]
    """By place in the graph."""
    parts: Mapping[int, Mapping[str, str]]
    """Of every unit that could have a key: all units that it depends on are hits."""


class Entries:
    """Entries of an index, found by what they are made of."""

    def __init__(self, entries: Mapping[Digest, UnitEntry]) -> None:
        self._entries = entries
        self._groups: dict[UnitGroup, list[Digest]] = defaultdict(list)
        for key, group in groups_of(entries):
            self._groups[group].append(key)

    def of(self, parts: Mapping[str, str], contents: FileDigests) -> UnitEntry | None:
        """An entry with exactly these parts, whose inputs are as they are in this workspace."""
        for key in self._groups.get(group_of(parts), ()):
            entry = self._entries[key]
            if dict(entry.parts) == parts and contents.holds(entry.inputs):
                return entry
        return None

    def alike(self, parts: Mapping[str, str]) -> list[UnitEntry]:
        """Entries of the same unit, whatever else differs."""
        wanted = group_of(parts)
        package = wanted.package.rpartition("@")[0]
        same = self._groups.get(wanted) or [
            key
            for group, keys in self._groups.items()
            if replace(group, package=wanted.package) == wanted and group.package.rpartition("@")[0] == package
            for key in keys
        ]
        return [self._entries[key] for key in same]


def resolve_units(
    graph: UnitGraph,
    entries: Entries,
    *,
    lock: LockedSources,
    around: BuildEnvironment,
    contents: FileDigests,
    present: Mapping[str, Digest] | None = None,
) -> Resolution:
    """Look every unit up. `present` has, by places of fingerprints, what units that lie there already really hold."""
    identities: dict[int, Digest] = {}
    hits: dict[int, UnitEntry] = {}
    wanted: dict[int, Mapping[str, str]] = {}
    for index in graph.in_order():
        parts = parts_of(graph, index, lock=lock, around=around, identities=identities)
        if parts is None:
            continue
        wanted[index] = parts
        entry = entries.of(parts, contents)
        if entry is None:
            continue
        hits[index] = entry
        output = entry.output if present is None else present.get(entry.place, entry.output)
        identities[index] = identity_of(entry.key, output)
    return Resolution(hits, wanted)
