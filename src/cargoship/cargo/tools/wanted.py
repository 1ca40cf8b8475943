"""What the build scripts of a build want, read from cargo's unit graph: tools for this machine, libraries by target."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

from cargoship.cargo.tools.table import LIBRARIES, TOOL_USES, Library, ToolUse
from cargoship.cargo.unit_graph import Unit, UnitGraph
from cargoship.suggest import listed

_NAMED_MAX = 4
"""A workspace may have dozens of packages that want the same."""
_SCRIPT = ("custom-build",)
_NAME = re.compile(r'^name = "([^"\n]+)"', re.MULTILINE)
_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.|$)")


class WantedTool(Struct, frozen=True, order=True):
    """A tool, and why: the crate that starts it, in the build script of `package`."""

    tool: str
    crate: str
    """With its version."""
    package: str
    """With its version; the same as `crate` where the script is its own."""


class WantedLibrary(Struct, frozen=True):
    """A library of the system that a crate links for a target."""

    library: Library
    crate: str
    """With its version."""
    triple: str | None
    """None: for what runs on this machine."""


def locked_names(lock: str) -> frozenset[str]:
    """The names of all crates in a Cargo.lock, given as its text."""
    return frozenset(_NAME.findall(lock))


def wanted_tools(graph: UnitGraph) -> tuple[WantedTool, ...]:
    """The tools that build scripts of this graph start or load, each once for a pair of crate and package."""
    triples = {unit.platform for unit in graph.units if unit.platform is not None}
    found: set[WantedTool] = set()
    for script in _scripts(graph):
        own = script.package
        names = {own} | {graph.units[place].package for place in _inside(graph, script, frozenset())}
        for row in TOOL_USES:
            if row.served_by & names or not _concerns(row, triples):
                continue
            if row.crate == own:
                if _applies(row, script):
                    found.add(WantedTool(row.tool, _named(script), _named(script)))
                continue
            for place in _inside(graph, script, row.not_for):
                unit = graph.units[place]
                if unit.package == row.crate and _applies(row, unit):
                    found.add(WantedTool(row.tool, _named(unit), _named(script)))
    # a crate that others start it through is named with them alone
    through = {(each.tool, each.crate) for each in found if each.crate != each.package}
    return tuple(sorted(each for each in found if each.crate != each.package or (each.tool, each.crate) not in through))


def wanted_libraries(graph: UnitGraph) -> tuple[WantedLibrary, ...]:
    """The libraries of the system that crates of this graph link, by target."""
    found: dict[tuple[str, str, str | None], WantedLibrary] = {}
    for unit in graph.units:
        if not unit.runs:
            continue
        for library in LIBRARIES:
            # a module of WebAssembly has no system below it
            if (unit.platform or "").startswith("wasm"):
                continue
            if library.crate != unit.package or library.bundled_by.intersection(unit.features):
                continue
            if library.features and library.features.isdisjoint(unit.features):
                continue
            found[library.name, unit.package_id, unit.platform] = WantedLibrary(library, _named(unit), unit.platform)
    return tuple(found[key] for key in sorted(found, key=lambda key: (key[0], key[1], key[2] or "")))


def reasons(found: Iterable[WantedTool]) -> tuple[str, ...]:
    """Why a tool is wanted, in words: for each crate, in whose build scripts."""
    packages: dict[str, list[str]] = {}
    for each in sorted(found):
        packages.setdefault(each.crate, []).extend([each.package] if each.package != each.crate else [])
    return tuple(
        f"{crate}, in the build script{'s' if len(names) > 1 else ''} of {listed(names, _NAMED_MAX)}"
        if names
        else crate
        for crate, names in packages.items()
    )


def _scripts(graph: UnitGraph) -> Iterator[Unit]:
    """The build scripts, as they are compiled."""
    return (unit for unit in graph.units if unit.kinds == _SCRIPT and not unit.runs)


def _inside(graph: UnitGraph, script: Unit, passing_over: frozenset[str]) -> Iterable[int]:
    """The places of the libraries whose code is in a build script, but for those of scripts that are `passing_over`."""
    if script.package in passing_over:
        return ()
    seen: set[int] = set()
    pending = [each.index for each in script.dependencies]
    while pending:
        place = pending.pop()
        unit = graph.units[place]
        # the run of a library's own build script is a build of its own
        if place in seen or unit.runs or unit.kinds == _SCRIPT:
            continue
        seen.add(place)
        pending += [each.index for each in unit.dependencies]
    return seen


def _concerns(row: ToolUse, triples: Iterable[str]) -> bool:
    return not row.architectures or any(triple.partition("-")[0] in row.architectures for triple in triples)


def _applies(row: ToolUse, unit: Unit) -> bool:
    if row.features and row.features.isdisjoint(unit.features):
        return False
    match = _VERSION.match(unit.version)
    return match is None or (int(match[1]), int(match[2])) >= row.since


def _named(unit: Unit) -> str:
    return f"{unit.package} {unit.version}".rstrip()
