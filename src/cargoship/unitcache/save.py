"""Keep what a build has compiled: new units are packed and sent, and the index learns of them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cargoship.cargo.messages import Artifact, BuildScriptRun
from cargoship.events import Emit, Level, Note
from cargoship.oci.digest import Digest
from cargoship.unitcache.capture import Capture, CapturedUnit, capture
from cargoship.unitcache.index import Entry
from cargoship.unitcache.pack import Pack, UnitFile, entry_at
from cargoship.unitcache.packing import pack_writer
from cargoship.unitcache.restore import Restored
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
) -> Kept:
    """Keep every unit of a build that the store lacks. Raises CacheUnavailable, OSError."""
    started = time.monotonic()
    contents = restored.contents
    made = capture(
        restored.graph, messages,
        lock=restored.lock, around=restored.around, contents=contents,
        placed=restored.placed, stamp_ns=restored.stamp_ns,
    )  # fmt: skip
    for index, why in made.refused.items():
        emit(Note(f"not kept: {restored.graph.units[index].package}: {why}", Level.DEBUG))
    new = {unit.key: unit for unit in made.units.values() if _is_new(unit, restored)}
    if not new or not store.writable:
        return Kept(made, seconds=time.monotonic() - started)
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="save-", dir=scratch) as folder, pack_writer(Path(folder)) as writer:
        for unit in new.values():
            writer.add(unit.key, [UnitFile(path, contents.build_dir / path) for path in unit.files])
        packs = writer.close()
        for key, why in writer.refused.items():
            emit(Note(f"not kept: {new[key].name}: {why}", Level.VERBOSE))
        entries = _entries(packs, new)
        saved = store.save(packs, lambda index: index.with_entries(entries))
    return Kept(made, len(entries), saved.packs, saved.size, time.monotonic() - started)


def _is_new(unit: CapturedUnit, restored: Restored) -> bool:
    """Whether the store lacks a unit, or holds something else under its key, or what cargo did not take."""
    entry = restored.index.entries.get(unit.key)
    if entry is None or entry.output != unit.output:
        return True
    placed = restored.placed.get(unit.place)
    return placed is not None and placed.key == unit.key and not unit.left


def _entries(packs: Sequence[Pack], units: dict[Digest, CapturedUnit]) -> list[Entry]:
    return [
        entry_at(
            placed,
            Entry(
                key=placed.key, pack=placed.pack, offset=0, length=0, frame=placed.frame, unpacked=0,
                name=unit.name, parts=unit.parts, seconds=unit.seconds, inputs=unit.inputs,
                output=unit.output, place=unit.place,
            ),
        )
        for pack in packs
        for placed in pack.placed
        if (unit := units.get(placed.key)) is not None
    ]  # fmt: skip
