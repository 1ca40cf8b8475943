"""How long compiling will take, from what it took before: a guess for people, on which nothing depends."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable

from cargoship.cargo.progress import name_in_progress
from cargoship.cargo.unit_graph import Unit, UnitGraph
from cargoship.events import CompileForeseen
from cargoship.unitcache.keys.key import name_of
from cargoship.unitcache.packs.entries import Named


def foresee_compiling(graph: UnitGraph, hits: Container[int], entries: Iterable[Named], host: str) -> CompileForeseen:
    """What the units that are no `hits` took when they were last compiled; another version's time is as good a guess.

    `host` is the triple of this machine.
    """
    missed = [unit for index, unit in enumerate(graph.units) if index not in hits]
    if not missed:
        return CompileForeseen(0, {})
    took: dict[str, float] = {}
    for entry in entries:
        if entry.seconds > 0:
            took[entry.name] = took[_versionless(entry.name)] = entry.seconds
    found: dict[str, list[float]] = defaultdict(list)
    for unit in missed:
        name = name_of(unit, host)
        seconds = took.get(name, took.get(_versionless(name)))
        if seconds is not None:
            found[_shown(unit)].append(seconds)
    return CompileForeseen(len(missed), {name: tuple(seconds) for name, seconds in found.items()})


def _versionless(name: str) -> str:
    package, _, rest = name.partition(" ")
    return f"{package} {rest.partition(' ')[2]}"


def _shown(unit: Unit) -> str:
    return name_in_progress(unit.package, unit.name, unit.kinds, runs=unit.runs)
