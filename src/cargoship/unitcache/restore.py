"""Put units where cargo looks for them, before it starts.

Only what the build directory lacks is fetched. Where it has some units and lacks others, what it has is looked at:
a unit fits only to the very dependencies that it was compiled against.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from cargoship.cargo.config import cargo_home
from cargoship.cargo.unit_graph import UnitGraph, ask_unit_graph
from cargoship.errors import CacheUnavailable
from cargoship.events import Emit, Level, Note, count
from cargoship.locks import Busy
from cargoship.oci.digest import Digest
from cargoship.process import Runner
from cargoship.unitcache.build import BuildInputs, locked_profiles, prepare_folder
from cargoship.unitcache.builddir.history import UnitOrigin, make_stale, stamp_of, write_history
from cargoship.unitcache.builddir.inputs import all_of, changing_packages
from cargoship.unitcache.builddir.layout import BuildDir, said_at
from cargoship.unitcache.builddir.matching import Look
from cargoship.unitcache.builddir.outputs import output_of
from cargoship.unitcache.builddir.provenance import CurrentUnits, noted, stale
from cargoship.unitcache.builddir.reading import reading_units
from cargoship.unitcache.keys.environment import find_environment, locked_sources, with_graph
from cargoship.unitcache.keys.file_digests import FileDigests
from cargoship.unitcache.keys.key import BuildEnvironment, LockedSources
from cargoship.unitcache.packs.index import UnitEntry, UnitIndex
from cargoship.unitcache.resolve import Entries, Resolution, resolve_units
from cargoship.unitcache.stores.store import Store
from cargoship.unitcache.unpacking import unpack_units

_ATTEMPTS = 3


class Restored(Struct, frozen=True):
    """What was found for a build, and what a save afterwards needs to know."""

    build: BuildInputs
    graph: UnitGraph
    index: UnitIndex
    lock: LockedSources
    around: BuildEnvironment
    contents: FileDigests
    resolution: Resolution
    stamp_ns: int
    """The time that restored files have."""
    placed: Mapping[str, UnitEntry] = field(default_factory=dict)
    """What was put there, by the place of its fingerprint."""
    damaged: frozenset[Digest] = frozenset()
    """Units that the store has promised, and whose bytes are not what it promised: they are to be kept again."""
    seconds: float = 0.0

    strangers: frozenset[int] = frozenset()
    """Units that lay in the build directory, and that are compiled again for nobody knows what they were made of."""
    seen: Look | None = None
    """What the build directory was like when cargo had ended; None: nobody has looked since."""

    @property
    def wanted(self) -> CurrentUnits:
        """Its units, and what decides what they are made of."""
        return CurrentUnits(self.graph, self.lock, self.around, self.contents)

    @property
    def size(self) -> int:
        """Bytes that were unpacked."""
        return sum(entry.unpacked for entry in self.placed.values())


def restore(
    build: BuildInputs,
    store: Store,
    *,
    runner: Runner,
    emit: Emit,
    index: Callable[[], UnitIndex],
    ready: Callable[[], None] = lambda: None,
) -> Restored:
    """Fill the build directory with what the store has of a build's units.

    `index` gives what the store holds; after `ready` the store knows which packs are on their way.

    Raises ToolchainError when cargo does not tell its units, OSError when the build directory cannot be written, and
    what reading the project raises: the build itself will say the same. A store that fails is a note, as one that has
    nothing.
    """
    started = time.monotonic()
    where = build.workspace
    with ThreadPoolExecutor(2) as beside:
        loaded = beside.submit(index)
        asked = beside.submit(build.graph or partial(ask_unit_graph, runner, build.command))
        around = build.surroundings or find_environment(
            build.compilers, where.root, build.command, runner=runner, env=build.env
        )
        units = asked.result()
        known = Restored(
            build=build,
            graph=units,
            index=loaded.result(),
            lock=locked_sources(where.lock, units, cargo_home(build.env)),
            around=with_graph(around, units),
            contents=FileDigests(where.root, where.build_dir, build.env, where.target_dir),
            resolution=Resolution({}, {}),
            # before any file is compared
            stamp_ns=prepare_folder(where.build_dir),
        )
    if build.watcher is None and build.local:
        _say_what_is_unseen(units, around, emit)
    known.contents.remember(
        name for package in changing_packages(known.graph, known.lock) for name in all_of(package, known.contents)
    )
    entries = Entries(known.index.entries)
    _forget_what_is_stale(known.wanted, noted(where.build_dir), where.build_dir, emit)
    resolution, absent = _wanted(known, entries, where.build_dir, emit)
    placed: dict[str, UnitEntry] = {}
    damaged: frozenset[Digest] = frozenset()
    try:
        if absent:
            ready()
            with locked_profiles(where.build_dir, map(_profile_of, absent)):
                placed, damaged = _fetched(known, absent, store, where.build_dir, emit)
                write_history(where.build_dir, _history_of(known, resolution, placed))
    except Busy as busy:
        emit(Note(f"the unit cache is not used: another cargo works in {busy}"))
    except CacheUnavailable as error:
        emit(Note(f"nothing comes from the unit cache: {error.message}", Level.WARNING))
    return replace(known, resolution=resolution, placed=placed, damaged=damaged, seconds=time.monotonic() - started)


def _say_what_is_unseen(graph: UnitGraph, around: BuildEnvironment, emit: Emit) -> None:
    unseen = len(reading_units(graph, around))
    if unseen:
        whose = "" if around.wrapped else " of local packages"
        made = f"{count(unseen, 'unit')}{whose} {'is' if unseen == 1 else 'are'} compiled in every build"
        who = (
            "wrappers of rustc"
            if around.wrapped
            else "Clippy"
            if around.linted
            else "build scripts and procedural macros"
        )
        why = f"what {who} read{'s' if who == 'Clippy' else ''} cannot be seen on this machine"
        emit(Note(f"{why}: {made}, and no build comes back as a whole", Level.WARNING))


def _forget_what_is_stale(wanted: CurrentUnits, known: Mapping[str, UnitOrigin], build_dir: Path, emit: Emit) -> None:
    """Let cargo make again what an earlier run is known to have made of something else, whatever the times say."""
    try:
        forget_units(build_dir, stale(wanted, known))
    except (Busy, OSError) as error:
        emit(Note(f"cargo alone says what is stale: {error}", Level.VERBOSE))


def forget_units(build_dir: Path, units: Mapping[str, str], *, timeout_s: float | None = 0) -> None:
    """Let cargo make units again, which are given as `stale` does; raises as `locked_profiles` does."""
    with locked_profiles(build_dir, map(_profile_of, units), timeout_s=timeout_s):
        for place, said in units.items():
            make_stale(build_dir, place, said)


def _fetched(
    known: Restored, absent: Mapping[str, UnitEntry], store: Store, build_dir: Path, emit: Emit
) -> tuple[dict[str, UnitEntry], frozenset[Digest]]:
    """Put units into their places: which ones, and which are damaged. What fails is compiled, and said in one line."""
    done = unpack_units(store, known.index, absent.values(), build_dir, stamp_ns=known.stamp_ns)
    if done.failed:
        why = next(iter(done.failed.values()))
        failed = count(len(done.failed), "unit")
        emit(Note(f"{failed} cannot be had from the unit cache {store.name}: {why}", Level.WARNING))
    return {place: entry for place, entry in absent.items() if entry.key in done.keys}, done.damaged


def _history_of(known: Restored, resolution: Resolution, placed: Mapping[str, UnitEntry]) -> dict[str, UnitOrigin]:
    """Where units come from that were put into their places: a run that is killed has made them known."""
    found = {}
    for index, entry in resolution.hits.items():
        if entry.place in placed:
            stamp_ns = stamp_of(known.contents.build_dir, entry.place) or 0
            found[entry.place] = known.wanted.made(
                known.graph.units[index],
                key=entry.key.hex, inputs=entry.inputs, output=entry.output.hex, stamp_ns=stamp_ns,
                said=said_at(entry.place),
            )  # fmt: skip
    return found


def _profile_of(place: str) -> str:
    """The folder of the profile that a fingerprint is in."""
    return place.partition("/.fingerprint/")[0].partition("/build/")[0]


def _wanted(known: Restored, entries: Entries, build_dir: Path, emit: Emit) -> tuple[Resolution, dict[str, UnitEntry]]:
    """What is in the cache, and those of it that the build directory lacks, by place."""

    def look(present: Mapping[str, Digest] | None) -> tuple[Resolution, dict[str, UnitEntry]]:
        found = resolve_units(
            known.graph, entries,
            lock=known.lock, around=known.around, contents=known.contents, present=present,
        )  # fmt: skip
        there = {entry.place: (build_dir / entry.place).is_dir() for entry in found.hits.values()}
        return found, {entry.place: entry for entry in found.hits.values() if not there[entry.place]}

    resolution, absent = look(None)
    runs = {entry.place for index, entry in resolution.hits.items() if known.graph.units[index].runs}
    unknown = {entry.place for entry in resolution.hits.values()} - absent.keys() - noted(build_dir).keys()
    if unknown:
        # what the cache has in their place is known
        try:
            forget_units(build_dir, {place: said_at(place) if place in runs else "" for place in unknown})
        except (Busy, OSError) as error:
            emit(Note(f"cargo alone says what is stale: {error}", Level.VERBOSE))
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
