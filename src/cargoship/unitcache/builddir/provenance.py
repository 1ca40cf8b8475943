"""Which units of a build directory are known to be what would be made now, and which ones nobody can speak for.

The history of a build directory says it of those that cargoship has made or put there. Of all others cargo knows times
alone: anybody who filled the directory may have done so with other files, variables or wrappers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from cargoship.cargo.unit_graph import Unit, UnitGraph
from cargoship.oci.digest import Digest
from cargoship.unitcache.builddir.history import UnitOrigin, read_history, stamp_of
from cargoship.unitcache.builddir.layout import BuildDir
from cargoship.unitcache.builddir.matching import Look, Matched
from cargoship.unitcache.builddir.outputs import output_of
from cargoship.unitcache.keys.file_digests import FileDigests
from cargoship.unitcache.keys.key import BuildEnvironment, LockedSources, base_of, digest_of_parts, own_parts_of


class CurrentUnits(Struct, frozen=True):
    """A build's units, and all that decides what they are made of now."""

    graph: UnitGraph
    lock: LockedSources
    around: BuildEnvironment
    contents: FileDigests

    def made(
        self, unit: Unit, *, key: str, inputs: Mapping[str, Digest], output: str, stamp_ns: int, said: str
    ) -> UnitOrigin:
        """What is remembered of a unit that was made now."""
        own = own_parts_of(unit, lock=self.lock, around=self.around)
        read = {name: digest.hex for name, digest in inputs.items()}
        return UnitOrigin(
            digest_of_parts(own).hex, base_of(own).hex, key, read, output, stamp_ns, said if unit.runs else ""
        )


def noted(build_dir: Path) -> dict[str, UnitOrigin]:
    """What is known of the units that lie in a build directory, by the places of their fingerprints."""
    return {
        place: made for place, made in read_history(build_dir).items() if stamp_of(build_dir, place) == made.stamp_ns
    }


def stale(wanted: CurrentUnits, known: Mapping[str, UnitOrigin]) -> dict[str, str]:
    """Units that an earlier run has made of something else than what they would be made of now.

    By the places of their fingerprints: what the run of a build script has said.
    """
    graph = wanted.graph
    now: dict[str, set[str]] = defaultdict(set)
    names = {}
    for index, unit in enumerate(graph.units):
        parts = own_parts_of(unit, lock=wanted.lock, around=wanted.around)
        names[index] = digest_of_parts(parts).hex
        now[names[index]].add(base_of(parts).hex)
    there = {place: made for place, made in known.items() if made.unit in now}
    found = {made.unit for made in there.values() if not _is_as_made(made, now[made.unit], wanted.contents)}
    # cargo would not see of every unit that what it depends on was made again
    for index in graph.in_order():
        if any(names[each.index] in found for each in graph.units[index].dependencies):
            found.add(names[index])
    return {place: made.said for place, made in there.items() if made.unit in found}


def strangers(wanted: CurrentUnits, seen: Look, *, stamp_ns: int) -> tuple[dict[int, str], dict[str, str]]:
    """Units that cargo took for fresh, and of which nobody knows what they were made of, where cargo has ended.

    `stamp_ns` is a time before cargo started, in ns since 1970. By their places in the graph, the places of their
    fingerprints; then those of them and of all that depends on them, as `stale` gives them. Raises OSError.
    """
    graph, contents, build, matches = wanted.graph, wanted.contents, seen.build, seen.matches
    known = noted(contents.build_dir)
    found: dict[int, str] = {}
    affected: set[int] = set()
    for index in graph.in_order():
        unit, matched = graph.units[index], matches.found.get(index)
        if matched is not None and matched.was_there(build.root, stamp_ns):
            place = matched.folder.fingerprint
            own = base_of(own_parts_of(unit, lock=wanted.lock, around=wanted.around)).hex
            made = known.get(place)
            if made is None or not _is_as_made(made, {own}, contents) or _was_changed(unit, matched, made, build):
                found[index] = place
        if index in found or any(each.index in affected for each in unit.dependencies):
            affected.add(index)
    folders = (matches.found[index].folder for index in affected if index in matches.found)
    runs = {matches.found[index].folder for index in affected if index in matches.found and graph.units[index].runs}
    return found, {folder.fingerprint: folder.said if folder in runs else "" for folder in folders}


def _was_changed(unit: Unit, matched: Matched, made: UnitOrigin, build: BuildDir) -> bool:
    """Whether a program is not the one any more that was made: people strip and compress them in their places."""
    if "bin" not in unit.kinds or not made.output:
        return False
    files = build.files_of(matched.folder, unit.crate_types, unit.name.replace("-", "_"))
    return output_of(build.root, files, matched.folder).hex != made.output


def _is_as_made(made: UnitOrigin, now: set[str], contents: FileDigests) -> bool:
    """Whether a unit would be made of the same now."""
    return made.own in now and contents.holds({name: Digest(value) for name, value in made.inputs.items()})
