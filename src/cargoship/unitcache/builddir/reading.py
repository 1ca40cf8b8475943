"""Which units run code of others while they are made, which may read what neither cargo nor rustc tells. Pure."""

from __future__ import annotations

from cargoship.cargo.unit_graph import UnitGraph
from cargoship.unitcache.keys.key import BuildEnvironment

_MACRO = "proc-macro"


def reading_units(graph: UnitGraph, around: BuildEnvironment) -> frozenset[int]:
    """Runs of build scripts of local packages, and their units that may use a procedural macro, or go through Clippy.

    With a wrapper around the compiler it is all units. A library may hand on the macros of another one: serde does so
    with those of serde_derive.
    """
    offering: set[int] = set()
    found: set[int] = set()
    for index in graph.in_order():
        unit = graph.units[index]
        uses = any(
            each.index in offering or _MACRO in graph.units[each.index].kinds
            for each in unit.dependencies
            if not graph.units[each.index].runs
        )
        # what a macro is made of, those who use it do not expand
        if uses and _MACRO not in unit.kinds:
            offering.add(index)
        if around.wrapped or (unit.is_local and (unit.runs or uses or around.linted)):
            found.add(index)
    return frozenset(found)
