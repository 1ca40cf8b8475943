"""Keep what a build has compiled: new units are packed and sent, and the index learns of them."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cargoship.cargo.messages import Artifact, BuildScriptRun
from cargoship.events import Emit, Level, Note
from cargoship.oci.digest import Digest
from cargoship.toolchain.runtime import Runtime
from cargoship.unitcache.capture import Capture, CapturedUnit, capture
from cargoship.unitcache.explain import Whole, account, write_record
from cargoship.unitcache.index import Entry
from cargoship.unitcache.libraries import Libraries, described, files_of
from cargoship.unitcache.pack import Pack, UnitFile, entry_at
from cargoship.unitcache.packing import pack_writer
from cargoship.unitcache.planned import LOCK, PROGRAM, Question, plan_of, programs_of
from cargoship.unitcache.restore import Restored
from cargoship.unitcache.runtimes import additions, kept
from cargoship.unitcache.store import Store


@dataclass(frozen=True)
class Kept:
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
    messages: Sequence[Artifact | BuildScriptRun],
    store: Store,
    *,
    scratch: Path,
    emit: Emit,
    programs: Callable[[Iterable[Artifact]], Mapping[str, Path]] = programs_of,
    question: Question | None = None,
    whole: Whole | None = None,
    local: bool = True,
    libraries: Libraries | None = None,
    runtime: Runtime | None = None,
) -> Kept:
    """Keep every unit of a build that the store lacks, and the build as a whole. Raises CacheUnavailable, OSError.

    `programs` names the programs of the build, `question` is the key of the whole, where it has one, and `whole` what
    became of that.
    """
    started = time.monotonic()
    contents = restored.contents
    made = capture(
        restored.graph, messages,
        lock=restored.lock, around=restored.around, contents=contents,
        placed=restored.placed, stamp_ns=restored.stamp_ns,
    )  # fmt: skip
    write_record(contents.build_dir, account(restored, made, whole))
    for index, why in made.refused.items():
        emit(Note(f"not kept: {restored.graph.units[index].package}: {why}", Level.DEBUG))
    wanted = [unit for unit in made.units.values() if local or "manifest" not in unit.parts]
    new = {unit.key: unit for unit in wanted if _is_new(unit, restored)}
    if question is not None and not _is_as_asked(question, contents.root):
        question = None
    loose = _loose(
        programs(each for each in messages if isinstance(each, Artifact)), made, question, contents.build_dir
    )
    outputs = {name: key for name, (key, _) in loose.items()}
    plan = plan_of(question, made, outputs, now_s=restored.stamp_ns // 10**9, name=str(contents.root).encode())
    built = {
        key: folder
        for key, folder in (libraries or {}).items()
        if key not in restored.index.entries and folder.is_dir()
    }
    added = additions(runtime, restored.index)
    beside = {*(libraries or {}), *(each.entry.key for each in added), *kept(runtime, restored.index)}
    plan = replace(plan, units=tuple(sorted({*plan.units, *beside})))
    alone = [(key, path) for key, path in loose.values() if path is not None and key not in restored.index.entries]
    known = plan.key in restored.index.plans
    if not store.writable or (known and not (new or alone or built or added)):
        return Kept(made, seconds=time.monotonic() - started)
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="save-", dir=scratch) as work, pack_writer(Path(work)) as writer:
        for unit in new.values():
            writer.add(unit.key, [UnitFile(path, contents.build_dir / path) for path in unit.files])
        for key, path in alone:
            writer.add(key, [UnitFile(PROGRAM, path)])
        for key, folder in built.items():
            writer.add(key, files_of(folder))
        for addition in added:
            writer.add(addition.entry.key, addition.files)
        packs = writer.close()
        for key, why in writer.refused.items():
            emit(Note(f"not kept: {new[key].name if key in new else key}: {why}", Level.VERBOSE))
        known_entries = {each.entry.key: each.entry for each in added}
        entries = _entries(packs, new, built, known_entries)
        saved = store.save(packs, lambda index: index.with_entries(entries).with_plan(plan))
        for addition in added:
            addition.mark()
    units = sum(entry.key in new for entry in entries)
    return Kept(made, units, saved.packs, saved.size, time.monotonic() - started)


def _loose(
    programs: Mapping[str, Path], made: Capture, question: Question | None, build_dir: Path
) -> dict[str, tuple[Digest, Path | None]]:
    """The key of the entry that holds each program: its unit's, or with its path that of one for the program alone."""
    if question is None or made.inputs is None:
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


def _is_as_asked(question: Question, root: Path) -> bool:
    """Whether the lock file is still the one of the key: cargo writes another where the manifests want more."""
    try:
        return Digest.of((root / "Cargo.lock").read_bytes()).hex == question.parts[LOCK]
    except OSError:
        return False


def _is_new(unit: CapturedUnit, restored: Restored) -> bool:
    """Whether the store lacks a unit, or holds something else under its key, or what cargo did not take."""
    entry = restored.index.entries.get(unit.key)
    if entry is None or entry.output != unit.output:
        return True
    placed = restored.placed.get(unit.place)
    return placed is not None and placed.key == unit.key and not unit.left


def _entries(
    packs: Sequence[Pack],
    units: Mapping[Digest, CapturedUnit],
    built: Libraries,
    known: Mapping[Digest, Entry],
) -> list[Entry]:
    found = []
    for placed in (each for pack in packs for each in pack.placed):
        unit = units.get(placed.key)
        entry = Entry(
            key=placed.key, pack=placed.pack, offset=0, length=0, frame=placed.frame, unpacked=0, name=PROGRAM
        )
        if placed.key in built:
            entry = described(entry, built[placed.key])
        entry = known.get(placed.key, entry)
        if unit is not None:
            entry = replace(
                entry, name=unit.name, parts=unit.parts, seconds=unit.seconds, inputs=unit.inputs,
                output=unit.output, place=unit.place,
            )  # fmt: skip
        found.append(entry_at(placed, entry))
    return found
