"""Why the last build compiled what it compiled: told for each unit, along the chain to what differs.

A build leaves an account in its build directory. It says of each unit what became of it; of a unit that was compiled,
the part of its key that differs from that of the nearest entry, or the unit that it depends on and that was compiled.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import msgspec

from cargoship.unitcache.capture import Capture
from cargoship.unitcache.differences import inputs_in_words, parts_in_words
from cargoship.unitcache.key import name_of, nearest
from cargoship.unitcache.resolve import Entries
from cargoship.unitcache.restore import Restored

_FILE = ".cargoship-units.json"
_BYTES_MAX = 64 << 20


class Account(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one unit."""

    name: str
    state: str
    """restored, present (it lay there), compiled, or replaced (cargo did not take what was restored)."""
    seconds: float = 0.0
    """What compiling it took now."""
    because: tuple[str, ...] = ()
    """What differs from the nearest entry, for people; of a unit that is the root of a miss."""
    waits_for: int | None = None
    """The place of a unit that it depends on, and that was compiled: the reason where `because` has none."""
    not_kept: str = ""
    """Why it cannot be kept."""


class Whole(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of the build as a whole."""

    came: bool
    """Its programs came from the cache, and cargo was not started."""
    because: tuple[str, ...] = ()
    """Why they did not, for people."""


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """The account of a build."""

    units: tuple[Account, ...]
    whole: Whole | None = None
    """None where units alone were looked for."""


def account(restored: Restored, made: Capture, whole: Whole | None = None) -> Record:
    """Tell of a build that has ended."""
    entries = Entries(restored.index.entries.values())
    graph, resolution = restored.graph, restored.resolution
    states = {index: _state(index, restored, made) for index in range(len(graph.units))}
    told = []
    for index, unit in enumerate(graph.units):
        kept = made.units.get(index)
        because: tuple[str, ...] = ()
        waits_for = None
        if states[index] in {"compiled", "replaced"}:
            compiled = [each.index for each in unit.dependencies if states.get(each.index) in {"compiled", "replaced"}]
            if compiled:
                waits_for = compiled[0]
            elif states[index] == "replaced":
                because = ("cargo did not take what was restored: something that it looks at is in no key",)
            elif index in resolution.parts:
                because = _because(entries, resolution.parts[index], restored)
            else:
                because = ("a unit that it depends on is in no cache",)
        told.append(
            Account(
                name=name_of(unit, restored.around.host),
                state=states[index],
                seconds=kept.seconds if kept is not None and states[index] != "restored" else 0.0,
                because=because,
                waits_for=waits_for,
                not_kept=made.refused.get(index, ""),
            )
        )
    return Record(tuple(told), whole)


def write_record(build_dir: Path, record: Record) -> None:
    """Leave the account in the build directory; that it cannot be written is no matter."""
    with contextlib.suppress(OSError):
        (build_dir / _FILE).write_bytes(msgspec.json.encode(record))


def replace_record(build_dir: Path, record: Record) -> None:
    """Leave the account in the place of an older one."""
    if (build_dir / _FILE).exists():
        write_record(build_dir, record)


def read_record(build_dir: Path) -> Record | None:
    """The account of the last build; None where there is none, or none that can be read."""
    try:
        with (build_dir / _FILE).open("rb") as stream:
            return msgspec.json.decode(stream.read(_BYTES_MAX), type=Record)
    except (OSError, msgspec.MsgspecError):
        return None


def cost_of(record: Record) -> dict[int, tuple[int, float]]:
    """By the place of each root of a miss: how many units were compiled because of it, and the seconds they took."""
    found: dict[int, tuple[int, float]] = defaultdict(lambda: (0, 0.0))
    for index, unit in enumerate(record.units):
        if unit.state in {"compiled", "replaced"}:
            root = root_of(record, index)[-1]
            units, seconds = found[root]
            found[root] = (units + 1, seconds + unit.seconds)
    return dict(found)


def root_of(record: Record, index: int) -> list[int]:
    """The chain from a unit to what was the reason; only itself for one that is its own reason."""
    chain = [index]
    while (after := record.units[chain[-1]].waits_for) is not None and after not in chain:
        chain.append(after)
    return chain


def _state(index: int, restored: Restored, made: Capture) -> str:
    kept = made.units.get(index)
    if kept is not None and kept.left:
        return "restored"
    if made.fresh.get(index, False):
        return "present"
    entry = restored.resolution.hits.get(index)
    return "replaced" if entry is not None and entry.place in restored.placed else "compiled"


def _because(entries: Entries, parts: Mapping[str, str], restored: Restored) -> tuple[str, ...]:
    alike = entries.alike(parts)
    if not alike:
        return ("it was never kept before",)
    near = nearest(parts, [dict(each.parts) for each in alike]) or {}
    if near != parts:
        return parts_in_words(parts, near)
    same = [each.inputs for each in alike if dict(each.parts) == near]
    # compared with the entry that has most files in common
    return min((inputs_in_words(inputs, restored.contents) for inputs in same), key=len)
