"""Keep what a build has compiled: new units are packed and sent, and the index learns of them."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from msgspec import Struct

from cargoship.cargo.messages import Artifact, BuildScriptRun
from cargoship.cargo.watch import Watched
from cargoship.events import Emit, Level, Note
from cargoship.oci.digest import Digest
from cargoship.reading import read_file
from cargoship.unitcache.builddir.capture import Capture, CapturedUnit, capture
from cargoship.unitcache.builddir.history import write_history
from cargoship.unitcache.builddir.matching import look
from cargoship.unitcache.builds import LOCK, PROGRAM, RECORD, BuildKey, build_record
from cargoship.unitcache.explain.account import WholeBuild, account, unit_reports, write_record
from cargoship.unitcache.libraries import Libraries, described, libraries_at, library_files
from cargoship.unitcache.packs.index import BuildRecord, UnitEntry
from cargoship.unitcache.packs.pack import Pack, UnitFile, entry_at
from cargoship.unitcache.packs.packing import pack_writer
from cargoship.unitcache.restore import Restored
from cargoship.unitcache.runtimes import Addition, additions, kept
from cargoship.unitcache.stores.store import Store
from cargoship.unitcache.watching.reads import Reads


class _New(Struct, frozen=True):
    """What a build has made that its store lacks."""

    units: Mapping[Digest, CapturedUnit]
    alone: Mapping[Digest, UnitFile]
    """Programs that are no unit's files, and the record of the build."""
    libraries: Libraries
    runtimes: Sequence[Addition]
    plan: BuildRecord

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to be packed."""
        return not (self.units or self.alone or self.libraries or self.runtimes)


class SaveResult(Struct, frozen=True):
    """What came of a save."""

    capture: Capture
    units: int = 0
    """How many were new."""
    packs: int = 0
    size: int = 0
    """Bytes that were sent."""
    seconds: float = 0.0


def save(
    restored: Restored,
    done: Watched,
    store: Store,
    *,
    scratch: Path,
    emit: Emit,
    check: Callable[[], None] = lambda: None,
    reads: Reads | None = None,
    record: bytes | None = None,
) -> SaveResult:
    """Keep every unit of a build that the store lacks, and the build as a whole. Raises CacheUnavailable, OSError.

    `done` is what cargo has said; packs are made in `scratch`. `check` is called between units, and ends the save by
    what it raises: nothing was sent then. `reads` is what was seen to be read, if somebody watched. `record` is kept
    with the programs.
    """
    started = time.monotonic()
    build, contents = restored.build, restored.contents
    whole = None if build.missed is None else WholeBuild(came=False, because=build.missed.because)
    made = note(restored, done.messages, reads=reads)
    about = account(restored, made, whole, failed=done.code != 0)
    write_record(contents.build_dir, about)
    emit(unit_reports(restored, made, about))
    for index, why in made.refused.items():
        emit(Note(f"not kept: {restored.graph.units[index].package}: {why}", Level.DEBUG))
    new = _new(restored, made, done, record, emit)
    known = new.plan.key in restored.index.plans and not store.lacks(new.plan)
    if not store.writable or (known and new.is_empty):
        return SaveResult(made, seconds=time.monotonic() - started)
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="save-", dir=scratch) as work, pack_writer(Path(work)) as writer:
        for unit in new.units.values():
            check()
            writer.add(unit.key, _files_of(unit, contents.build_dir, Path(work)))
        for key, file in new.alone.items():
            writer.add(key, [file])
        for key, folder in new.libraries.items():
            writer.add(key, library_files(folder))
        for addition in new.runtimes:
            writer.add(addition.entry.key, addition.files)
        check()
        packs = writer.close()
        for key, why in writer.refused.items():
            emit(Note(f"not kept: {new.units[key].name if key in new.units else key}: {why}", Level.VERBOSE))
        entries = _entries(packs, new)
        check()
        saved = store.save(packs, lambda index: index.with_entries(entries).with_plan(new.plan))
        for addition in new.runtimes:
            addition.mark()
    units = sum(entry.key in new.units for entry in entries)
    return SaveResult(made, units, saved.packs, saved.size, time.monotonic() - started)


def _new(restored: Restored, made: Capture, done: Watched, record: bytes | None, emit: Emit) -> _New:
    """What the store lacks of a build, and the build as a whole; raises OSError."""
    build, contents, index = restored.build, restored.contents, restored.index
    runtime, build_key = build.runtime, build.build_key
    watching = [] if build.watcher is None else [build.watcher.library.parent]
    libraries = {**build.libraries, **libraries_at(folder for folder in watching if folder.is_dir())}
    wanted = [unit for unit in made.units.values() if build.local or "manifest" not in unit.parts]
    # one that fails though all is compiled, for its warnings say, is none to come back
    if build_key is not None and (done.code != 0 or not _is_as_asked(build_key, contents.root)):
        build_key = None
    loose = _loose(
        build.programs(each for each in done.messages if isinstance(each, Artifact)),
        made,
        build_key,
        contents.build_dir,
    )
    outputs, files = _outputs(loose, record)
    plan = build_record(build_key, made, outputs, now_s=restored.stamp_ns // 10**9, name=str(contents.root).encode())
    added = additions(runtime, index, tell=lambda text: emit(Note(text, Level.VERBOSE)))
    beside = {*libraries, *(each.entry.key for each in added), *kept(runtime, index)}
    return _New(
        units={unit.key: unit for unit in wanted if _is_new(unit, restored)},
        alone={key: file for key, file in files.items() if key not in index.entries},
        libraries={key: folder for key, folder in libraries.items() if key not in index.entries and folder.is_dir()},
        runtimes=added,
        plan=replace(plan, units=tuple(sorted({*plan.units, *beside}))),
    )


def note(restored: Restored, messages: Sequence[Artifact | BuildScriptRun], *, reads: Reads | None) -> Capture:
    """Take stock, and leave in the build directory what its units were made of; raises OSError."""
    said, seen = tuple(messages), restored.seen
    if seen is None or seen.messages != said:
        seen = look(restored.graph, said, restored.contents.build_dir)
    made = capture(
        restored.wanted, seen,
        placed=restored.placed, stamp_ns=restored.stamp_ns, known=restored.index.entries,
        reads=reads,
    )  # fmt: skip
    write_history(restored.contents.build_dir, made.made)
    return made


def _files_of(unit: CapturedUnit, build_dir: Path, work: Path) -> list[UnitFile]:
    """A unit's files, with those that are packed otherwise than they are written to `work`; raises OSError."""
    places = {}
    for number, (path, content) in enumerate(unit.rewritten.items()):
        places[path] = work / f"{unit.key.hex}-{number}"
        places[path].write_bytes(content)
    return [UnitFile(path, places.get(path, build_dir / path)) for path in unit.files]


def _loose(
    programs: Mapping[str, Path], made: Capture, build_key: BuildKey | None, build_dir: Path
) -> dict[str, tuple[Digest, Path | None]]:
    """The key of the entry that holds each program: its unit's, or with its path that of one for the program alone."""
    if build_key is None or made.inputs is None:
        return {}
    owners = {}
    for unit in made.units.values():
        for name in unit.files:
            with contextlib.suppress(OSError):
                owners[(build_dir / name).stat().st_ino] = unit.key
    found: dict[str, tuple[Digest, Path | None]] = {}
    for name, path in programs.items():
        owner = owners.get(path.stat().st_ino)
        if owner is not None:
            found[name] = (owner, None)
            continue
        with path.open("rb") as stream:
            found[name] = (Digest.of(f"{PROGRAM} {Digest.of_stream(stream)[0]}".encode()), path)
    return found


def _outputs(
    loose: Mapping[str, tuple[Digest, Path | None]], record: bytes | None
) -> tuple[dict[str, Digest], dict[Digest, UnitFile]]:
    """The outputs of a build by their names, and the files of those that no unit has."""
    outputs = {name: key for name, (key, _) in loose.items()}
    files = {key: UnitFile(PROGRAM, path) for key, path in loose.values() if path is not None}
    if outputs and record is not None:
        outputs[RECORD] = Digest.of(f"{RECORD} {Digest.of(record)}".encode())
        files[outputs[RECORD]] = UnitFile(RECORD, record)
    return outputs, files


def _is_as_asked(build_key: BuildKey, root: Path) -> bool:
    """Whether the lock file is still the one of the key: cargo writes another where the manifests want more."""
    try:
        return Digest.of(read_file(root / "Cargo.lock")).hex == build_key.parts[LOCK]
    except OSError:
        return False


def _is_new(unit: CapturedUnit, restored: Restored) -> bool:
    """Whether the store lacks a unit, or holds something else under its key, or a damaged one, or one not taken."""
    entry = restored.index.entries.get(unit.key)
    if entry is None or entry.output != unit.output or unit.key in restored.damaged:
        return True
    placed = restored.placed.get(unit.place)
    return placed is not None and placed.key == unit.key and not unit.left


def _entries(packs: Sequence[Pack], new: _New) -> list[UnitEntry]:
    runtimes = {each.entry.key: each.entry for each in new.runtimes}
    found = []
    for placed in (each for pack in packs for each in pack.placed):
        unit = new.units.get(placed.key)
        alone = new.alone.get(placed.key)
        entry = UnitEntry(
            key=placed.key,
            pack=placed.pack,
            offset=0,
            length=0,
            frame=placed.frame,
            unpacked=0,
            name="" if alone is None else alone.path,
        )
        if placed.key in new.libraries:
            entry = described(entry, new.libraries[placed.key])
        entry = runtimes.get(placed.key, entry)
        if unit is not None:
            entry = replace(
                entry, name=unit.name, parts=unit.parts, seconds=unit.seconds, inputs=unit.inputs,
                output=unit.output, place=unit.place,
            )  # fmt: skip
        found.append(entry_at(placed, entry))
    return found
