"""Put units where cargo looks for them, before it starts.

Only what the build directory lacks is fetched. Where it has some units and lacks others, what it has is looked at:
a unit fits only to the very dependencies that it was compiled against.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from cargoship.cargo.unit_graph import UnitGraph, ask_unit_graph
from cargoship.errors import CacheUnavailable
from cargoship.events import Emit, Level, Note
from cargoship.oci.digest import Digest
from cargoship.process import Runner
from cargoship.unitcache.build import Build, Busy, locked, prepare_folder
from cargoship.unitcache.capture import output_of
from cargoship.unitcache.folders import BuildDir
from cargoship.unitcache.index import Entry, Index
from cargoship.unitcache.inputs import all_of, changing_packages, files_beside
from cargoship.unitcache.key import Lock, Surroundings
from cargoship.unitcache.local import Contents
from cargoship.unitcache.resolve import Entries, Resolution, resolve
from cargoship.unitcache.store import Store
from cargoship.unitcache.surroundings import cargo_home, look_around, read_lock, with_manifests
from cargoship.unitcache.unpacking import restore as unpack

_ATTEMPTS = 3


@dataclass(frozen=True)
class Restored:
    """What was found for a build, and what a save afterwards needs to know."""

    graph: UnitGraph
    index: Index
    lock: Lock
    around: Surroundings
    contents: Contents
    resolution: Resolution
    stamp_ns: int
    """The time that restored files have."""
    placed: Mapping[str, Entry] = field(default_factory=dict)
    """What was put there, by the place of its fingerprint."""
    seconds: float = 0.0

    @property
    def size(self) -> int:
        """Bytes that were unpacked."""
        return sum(entry.unpacked for entry in self.placed.values())


def restore(
    build: Build,
    store: Store,
    *,
    runner: Runner,
    emit: Emit,
    index: Callable[[], Index] | None = None,
    graph: Callable[[], UnitGraph] | None = None,
    around: Surroundings | None = None,
    ready: Callable[[], None] = lambda: None,
) -> Restored:
    """Fill the build directory with what the store has of a build's units.

    `index` gives what the store holds and `graph` what cargo will compile, where somebody has asked already, and
    `around` what `look_around` has said; after `ready` the store knows which packs are on their way.

    Raises ToolchainError when cargo does not tell its units, OSError when the build directory cannot be written, and
    what reading the project raises: the build itself will say the same. A store that fails is a note and an empty one.
    """
    started = time.monotonic()
    with ThreadPoolExecutor(3) as beside:
        loaded = beside.submit(partial(_loaded, store, emit) if index is None else index)
        asked = beside.submit(partial(ask_unit_graph, runner, build.command) if graph is None else graph)
        around = around or look_around(build.compilers, build.root, build.command, runner=runner, env=build.env)
        units = asked.result()
        known = Restored(
            graph=units,
            index=loaded.result(),
            lock=read_lock(build.lock, units, cargo_home(build.env)),
            around=with_manifests(around, units),
            contents=Contents(build.root, build.build_dir, build.env),
            resolution=Resolution({}, {}),
            # before any file is compared
            stamp_ns=prepare_folder(build.build_dir),
        )
    known.contents.remember(
        name
        for package in changing_packages(known.graph, known.lock)
        for name in (*files_beside(package, known.contents), *all_of(package, known.contents))
    )
    entries = Entries(known.index.entries.values())
    resolution, absent = _wanted(known, entries, build.build_dir)
    placed: dict[str, Entry] = {}
    try:
        if absent:
            ready()
            with locked(build.build_dir, map(_profile_of, absent)):
                placed = _fetched(known, absent, store, build.build_dir, emit)
    except Busy as busy:
        emit(Note(f"the unit cache is not used: another cargo works in {busy}"))
    except CacheUnavailable as error:
        emit(Note(f"nothing comes from the unit cache: {error.message}", Level.WARNING))
    return replace(known, resolution=resolution, placed=placed, seconds=time.monotonic() - started)


def _fetched(
    known: Restored, absent: Mapping[str, Entry], store: Store, build_dir: Path, emit: Emit
) -> dict[str, Entry]:
    """Put units into their places; what fails is compiled, and told in one line."""
    done = unpack(store, known.index, absent.values(), build_dir, stamp_ns=known.stamp_ns)
    if done.failed:
        why = next(iter(done.failed.values()))
        emit(Note(f"{len(done.failed)} units cannot be had from the unit cache {store.name}: {why}", Level.WARNING))
    return {place: entry for place, entry in absent.items() if entry.key in done.keys}


def _profile_of(place: str) -> str:
    """The folder of the profile that a fingerprint is in."""
    return place.partition("/.fingerprint/")[0].partition("/build/")[0]


def _loaded(store: Store, emit: Emit) -> Index:
    try:
        return store.load()
    except CacheUnavailable as error:
        emit(Note(f"the unit cache {store.name} cannot be read: {error.message}", Level.WARNING))
        return Index()


def _wanted(known: Restored, entries: Entries, build_dir: Path) -> tuple[Resolution, dict[str, Entry]]:
    """What is in the cache, and those of it that the build directory lacks, by place."""

    def look(present: Mapping[str, Digest] | None) -> tuple[Resolution, dict[str, Entry]]:
        found = resolve(
            known.graph, entries,
            lock=known.lock, around=known.around, contents=known.contents, present=present,
        )  # fmt: skip
        there = {entry.place: (build_dir / entry.place).is_dir() for entry in found.hits.values()}
        return found, {entry.place: entry for entry in found.hits.values() if not there[entry.place]}

    resolution, absent = look(None)
    lying = {entry.place: index for index, entry in resolution.hits.items() if entry.place not in absent}
    if not absent or not lying:
        return resolution, absent
    # What lies there may be another compilation of the same. Its own bytes decide what fits to it.
    held: dict[str, Digest] = {}
    for _ in range(_ATTEMPTS):
        build = BuildDir.scan(build_dir)
        by_place = {folder.fingerprint: folder for folder in build.folders.values()}
        for place, index in lying.items():
            unit, folder = known.graph.units[index], by_place.get(place)
            if folder is not None and place not in held:
                files = build.files_of(folder, unit.crate_types, unit.name.replace("-", "_"))
                held[place] = output_of(build_dir, files, folder)
        resolution, absent = look(held)
        lying = {entry.place: index for index, entry in resolution.hits.items() if entry.place not in absent}
        if lying.keys() <= held.keys():
            return resolution, absent
    return resolution, {}
