"""Comparing what was compiled again with what a cache would have given for it, unit by unit.

Both are read from stores, as a restore reads them. A cache gives units as one chain: what depends on a unit is looked
for by the unit that was given, so a dependent is compared with the one that belongs to the cache's own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from graphlib import TopologicalSorter
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from cargoship.elf.parts import differing_parts
from cargoship.oci.digest import Digest
from cargoship.unitcache.builddir.layout import BuildDir
from cargoship.unitcache.builddir.outputs import output_digests
from cargoship.unitcache.builds import is_output
from cargoship.unitcache.explain.differences import names_in_words
from cargoship.unitcache.keys.file_digests import NEVER, FileDigests
from cargoship.unitcache.keys.key import identity_of
from cargoship.unitcache.packs.index import UnitEntry, UnitIndex
from cargoship.unitcache.resolve import Entries
from cargoship.unitcache.stores.store import Store
from cargoship.unitcache.unpacking import unpack_single, unpack_units


class Held(Struct, frozen=True):
    """A store with its index, and the workspace that it is asked for."""

    store: Store
    index: UnitIndex
    contents: FileDigests


class Compared(Struct, frozen=True):
    """A unit that was compiled again, and the one that a store would have given in its place."""

    made: UnitEntry
    given: UnitEntry
    where: tuple[str, ...] = ()
    """`FILE: section .text` of what differs; none: they are the same."""
    elsewhere: bool = False
    """The store's was compiled in another folder, whose path is in what compilers leave: bytes alone tell nothing."""

    @property
    def missed(self) -> tuple[str, ...]:
        """What the unit was seen to read now, and the store's was not, for people."""
        return missed_inputs(self.made.inputs, self.given.inputs)


def missed_inputs(made: Mapping[str, Digest], given: Mapping[str, Digest]) -> tuple[str, ...]:
    """Inputs that one has and the other lacks, for people."""
    return names_in_words(name for name in made if name not in given and name != NEVER)


def compare(made: Held, given: Held, scratch: Path) -> list[Compared]:
    """Compare each unit that both have, every one after those that it depends on.

    What a store has promised and cannot give is left out: a build compiles it. Raises CacheUnavailable, OSError.
    """
    pairs = _pairs(made, given)
    given.store.prefetch(given.index, [other for _, other in pairs])
    found = []
    for unit, other in pairs:
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            ours, theirs = (Path(folder, name) for name in ("made", "given"))
            if _put(made, unit, ours) and _put(given, other, theirs):
                found.append(_compared(unit, other, ours, theirs, given.contents))
    return found


def unpack_program(held: Held, entry: UnitEntry, into: Path) -> Path | None:
    """The program that an entry holds; None where it cannot be had. Raises CacheUnavailable."""
    return unpack_single(held.store, held.index, [entry], is_output, into).get(entry.key)


def _pairs(made: Held, given: Held) -> list[tuple[UnitEntry, UnitEntry]]:
    # others are standard libraries and what Zig has made: anybody who uses those has their content in his key
    units = {
        identity_of(entry.key, entry.output).hex: entry
        for entry in made.index.entries.values()
        if "mode" in entry.parts
    }
    needs = {
        name: [value for part, value in entry.parts.items() if part.startswith("dependency ")]
        for name, entry in units.items()
    }
    entries = Entries(given.index.entries)
    known: dict[str, str] = {}
    pairs = []
    for name in TopologicalSorter(needs).static_order():
        unit = units.get(name)
        if unit is None:
            continue
        other = entries.of({part: known.get(value, value) for part, value in unit.parts.items()}, given.contents)
        if other is not None:
            known[name] = identity_of(other.key, other.output).hex
            pairs.append((unit, other))
    return pairs


def _put(held: Held, entry: UnitEntry, folder: Path) -> bool:
    return entry.key in unpack_units(held.store, held.index, [entry], folder, stamp_ns=0).keys


def _compared(unit: UnitEntry, other: UnitEntry, ours: Path, theirs: Path, given: FileDigests) -> Compared:
    one, two = _outputs(ours, unit.place), _outputs(theirs, other.place)
    names = sorted(name for name in {*one, *two} if one.get(name) != two.get(name))
    where = [f"{name}: {part}" for name in names for part in _parts(ours / name, theirs / name)]
    found = Compared(unit, other, tuple(where))
    # immutable sources have the same path wherever they have the same key
    apart = bool(where) and "manifest" in unit.parts and not found.missed and _was_elsewhere(ours, theirs, given)
    return replace(found, elsewhere=apart)


def _outputs(root: Path, place: str) -> Mapping[str, bytes]:
    """What the unit at `place` has for others, by the names of its files."""
    folder = next((each for each in BuildDir.scan(root).folders.values() if each.fingerprint == place), None)
    if folder is None:
        return {}
    return dict(output_digests(root, (path.relative_to(root).as_posix() for path in _files(root)), folder))


def _files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_symlink() or not path.is_dir())


def _parts(one: Path, other: Path) -> tuple[str, ...]:
    if not all(path.is_file() and not path.is_symlink() for path in (one, other)):
        return ("one of them lacks it",)
    return differing_parts(one.read_bytes(), other.read_bytes()) or ("the folders that it names",)


def _was_elsewhere(ours: Path, theirs: Path, given: FileDigests) -> bool:
    """Whether the unit in `theirs` was compiled in another build directory than its user's, or another workspace."""
    build_dir, root = (str(path).encode() for path in (given.build_dir, given.root))
    said = [path for path in _files(theirs) if path.suffix == ".d" or path.name == "root-output"]
    if not any(build_dir in path.read_bytes() for path in said):
        return True
    return _has(ours, root) and not _has(theirs, root)


def _has(folder: Path, text: bytes) -> bool:
    return any(text in path.read_bytes() for path in _files(folder) if path.is_file() and path.suffix != ".d")
