"""Why the last build compiled what it compiled: said for each unit, along the chain to what differs.

A build leaves an account in its build directory. It says of each unit what became of it; of a unit that was compiled,
the part of its key that differs from that of the nearest entry, or the unit that it depends on and that was compiled.
"""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from cargoship.decoding import Undecodable, decode_json
from cargoship.events import UnitReport, UnitsReported
from cargoship.oci.files import replacing
from cargoship.unitcache.build import prepare_folder

if TYPE_CHECKING:
    from cargoship.unitcache.builddir.capture import Capture, CapturedUnit
    from cargoship.unitcache.resolve import Entries
    from cargoship.unitcache.restore import Restored

_FILE = ".cargoship-units.json"
_BYTES_MAX = 64 << 20
_MADE_BY_BUILDS = frozenset({"compiled", "replaced", "unfinished"})
"""States of what was not there to be used."""
_MADE_HERE = frozenset({"compiled", "replaced"})
_STRANGER = "nobody knowing what the one was made of that lay there: cargoship had not made it"


class UnitAccount(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one unit."""

    name: str
    state: str
    """restored, present (it lay there), compiled, replaced (cargo did not take what was restored), or unfinished (it
    had to be compiled, and the build failed before it was)."""
    seconds: float = 0.0
    """What compiling it took now."""
    where: str = ""
    """The cluster that has compiled it now; nothing for this machine."""
    because: tuple[str, ...] = ()
    """What differs from the nearest entry, for people; of a unit that is the root of a miss."""
    waits_for: int | None = None
    """The place of a unit that it depends on, and that was compiled: the reason where `because` has none."""
    not_kept: str = ""
    """Why it cannot be kept."""
    signer: str = ""
    """Who vouches for what was restored, where caches are asked for signatures."""


class WholeBuild(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of the build as a whole."""

    came: bool
    """Its programs came from the cache, and cargo was not started."""
    because: tuple[str, ...] = ()
    """Why they did not, for people."""
    signers: Mapping[str, int] = {}
    """Who vouches for how many of its units, where caches are asked for signatures."""


class BuildAccount(msgspec.Struct, frozen=True, omit_defaults=True):
    """The account of a build."""

    units: tuple[UnitAccount, ...]
    whole: WholeBuild | None = None
    """None where units alone were looked for."""


def account(
    restored: Restored, made: Capture, whole: WholeBuild | None = None, *, failed: bool = False
) -> BuildAccount:
    """Tell of a build that has ended, or has `failed`."""
    from cargoship.unitcache.keys.key import name_of
    from cargoship.unitcache.resolve import Entries

    entries: Entries | None = None
    graph, resolution = restored.graph, restored.resolution
    unfinished = made.unsaid if failed else frozenset()
    states = {
        index: "unfinished" if index in unfinished else _state(index, restored, made)
        for index in range(len(graph.units))
    }
    accounts = []
    for index, unit in enumerate(graph.units):
        kept = made.units.get(index)
        because: tuple[str, ...] = ()
        waits_for = None
        if states[index] in _MADE_BY_BUILDS:
            compiled = [each.index for each in unit.dependencies if states.get(each.index) in _MADE_BY_BUILDS]
            if index in restored.strangers:
                because = (_STRANGER,)
            elif compiled:
                waits_for = compiled[0]
            elif states[index] == "replaced":
                because = ("cargo did not take what was restored: something that it looks at is in no key",)
            elif index in resolution.parts:
                entries = entries or Entries(restored.index.entries)
                because = _because(entries, resolution.parts[index], restored, kept)
            else:
                because = ("a unit that it depends on is in no cache",)
        accounts.append(
            UnitAccount(
                name=name_of(unit, restored.around.host),
                state=states[index],
                seconds=kept.seconds if kept is not None and states[index] != "restored" else 0.0,
                where=_where(made, index) if states[index] in _MADE_HERE else "",
                because=because,
                waits_for=waits_for,
                not_kept="" if index in unfinished else made.refused.get(index, ""),
                signer=_signer(kept, restored) if states[index] == "restored" else "",
            )
        )
    return BuildAccount(tuple(accounts), whole)


def _where(made: Capture, index: int) -> str:
    times = made.times.get(index)
    return "" if times is None else times.where


def unit_reports(restored: Restored, made: Capture, record: BuildAccount) -> UnitsReported:
    """The account of a build for who listens, with times and sizes, and with what depends on what."""
    from cargoship.unitcache.keys.key import version_of

    units = []
    for index, (unit, about) in enumerate(zip(restored.graph.units, record.units, strict=True)):
        kept, times = made.units.get(index), made.times.get(index)
        here = times if about.state in _MADE_HERE else None
        entry = restored.placed.get(kept.place) if about.state == "restored" and kept is not None else None
        units.append(
            UnitReport(
                package=unit.package,
                version=version_of(unit.package_id),
                kind="build script run" if unit.runs else next(iter(unit.kinds), unit.mode),
                target=unit.platform or restored.around.host,
                is_for_host=unit.platform is None,
                is_local=unit.is_local,
                state=about.state,
                began_s=0.0 if here is None else here.began_s,
                seconds=here.seconds if here is not None else entry.seconds if entry is not None else 0.0,
                size_bytes=times.size_bytes if times is not None else entry.unpacked if entry is not None else 0,
                because=about.because,
                waits_for=about.waits_for,
                needs=tuple(each.index for each in unit.dependencies),
                where=about.where,
            )
        )
    return UnitsReported(tuple(units), restored.around.host, () if record.whole is None else record.whole.because)


def write_record(build_dir: Path, record: BuildAccount) -> None:
    """Leave the account in the build directory; that it cannot be written is no matter."""
    with contextlib.suppress(OSError), replacing(build_dir / _FILE) as stream:
        stream.write(msgspec.json.encode(record))


def record_no_use(build_dir: Path) -> None:
    """Say of a build without a cache that there was none."""
    record_alone(build_dir, BuildAccount((), WholeBuild(came=False, because=("it was built without the unit cache",))))


def record_alone(build_dir: Path, record: BuildAccount) -> None:
    """Leave the account of a build for which nothing was put into the build directory: it is made, as cargo would."""
    with contextlib.suppress(OSError):
        prepare_folder(build_dir)
        write_record(build_dir, record)


def read_record(build_dir: Path) -> BuildAccount | None:
    """The account of the last build; None where there is none, or none that can be read."""
    try:
        with (build_dir / _FILE).open("rb") as stream:
            return decode_json(stream.read(_BYTES_MAX), BuildAccount)
    except (OSError, Undecodable):
        return None


def signers_of(record: BuildAccount) -> dict[str, int]:
    """Who vouches for how many of the units that came from caches, where these were asked for signatures."""
    found = Counter(unit.signer for unit in record.units if unit.signer)
    found.update({} if record.whole is None else dict(record.whole.signers))
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def cost_of(record: BuildAccount) -> dict[int, tuple[int, float]]:
    """By the place of each root of a miss: how many units were compiled because of it, and the seconds they took."""
    found: dict[int, tuple[int, float]] = defaultdict(lambda: (0, 0.0))
    for index, unit in enumerate(record.units):
        if unit.state in _MADE_BY_BUILDS:
            root = root_of(record, index)[-1]
            units, seconds = found[root]
            found[root] = (units + 1, seconds + unit.seconds)
    return dict(found)


def root_of(record: BuildAccount, index: int) -> list[int]:
    """The chain from a unit to what was the reason; only itself for one that is its own reason."""
    chain = [index]
    while (after := record.units[chain[-1]].waits_for) is not None and after not in chain and _is_in(record, after):
        chain.append(after)
    return chain


def _is_in(record: BuildAccount, index: int) -> bool:
    # a record is a file, which anybody may have changed
    return 0 <= index < len(record.units)


def _state(index: int, restored: Restored, made: Capture) -> str:
    kept = made.units.get(index)
    if kept is not None and kept.left:
        return "restored"
    if made.fresh.get(index, False):
        return "present"
    entry = restored.resolution.hits.get(index)
    return "replaced" if entry is not None and entry.place in restored.placed else "compiled"


def _signer(kept: CapturedUnit | None, restored: Restored) -> str:
    entry = None if kept is None else restored.placed.get(kept.place)
    return "" if entry is None else entry.signer


def _because(
    entries: Entries, parts: Mapping[str, str], restored: Restored, kept: CapturedUnit | None
) -> tuple[str, ...]:
    if kept is not None and kept.key in restored.index.refused:
        return (f"the one in the cache not being taken: {restored.index.refused[kept.key]}",)
    from cargoship.unitcache.explain.differences import inputs_in_words, parts_in_words
    from cargoship.unitcache.keys.key import nearest_parts

    alike = entries.alike(parts)
    if not alike:
        return ("the cache having nothing of it yet",)
    near = nearest_parts(parts, [dict(each.parts) for each in alike]) or {}
    if near != parts:
        return parts_in_words(parts, near)
    same = [each.inputs for each in alike if dict(each.parts) == near]
    # compared with the entry that has most files in common
    return min((inputs_in_words(inputs, restored.contents) for inputs in same), key=len)
