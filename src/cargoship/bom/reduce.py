"""From cargo's unit graph to the graph of crates: the units of one crate on one side become one node."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from cargoship.bom.crate_files import sha512_of
from cargoship.bom.crates import Crate, CrateGraph, NativeSource, Use
from cargoship.bom.licenses import expression_of
from cargoship.bom.manifests import facts_of, folder_of
from cargoship.bom.native import native_sources
from cargoship.cargo.messages import package_name, package_version
from cargoship.cargo.unit_graph import RUN_CUSTOM_BUILD, Unit, UnitGraph

_COMPILED = frozenset({"build", "check"})
_SCRIPT = ("custom-build",)
_LOCKED = re.compile(
    r'^\[\[package\]\]\r?\nname = "([^"\n]*)"\r?\nversion = "([^"\n]*)"\r?\n'
    r'(?:source = "([^"\n]*)"\r?\n)?(?:checksum = "([^"\n]*)")?',
    re.MULTILINE,
)
_Node = tuple[str, str | None]
"""A package id, and what it is compiled for."""


def crates_of(graph: UnitGraph, lock: str, compilers: Mapping[str, str] | None = None) -> CrateGraph:
    """The crates of a build. `lock` is the text of Cargo.lock; what it does not know has no checksum.

    `compilers` have their versions.

    Reads the manifests of the packages, where cargo has put their sources, and the files that those came in. Raises
    ToolchainError for a circle.
    """
    made, folders = crates_with_folders(graph, lock, compilers)
    crates = (
        replace(crate, sha512=sha512_of(crate, folders[place])) if crate.checksum and place in folders else crate
        for place, crate in enumerate(made.crates)
    )
    return replace(made, crates=tuple(crates))


def crates_with_folders(
    graph: UnitGraph, lock: str, compilers: Mapping[str, str] | None = None
) -> tuple[CrateGraph, Mapping[int, Path]]:
    """The same but for SHA-512, and where the sources are on this machine, by their places in `CrateGraph.crates`."""
    nodes: dict[_Node, _Gathered] = defaultdict(_Gathered)
    roots: dict[str, _Node] = {}
    for place in graph.in_order():
        unit = graph.units[place]
        if unit.mode == RUN_CUSTOM_BUILD:
            nodes[unit.package_id, unit.platform].add_script(unit, graph)
        elif unit.mode in _COMPILED and unit.kinds != _SCRIPT:
            nodes[unit.package_id, unit.platform].add(unit, graph)
            if place in graph.roots and unit.kinds == ("bin",) and unit.platform is not None:
                roots[f"{unit.platform}/{unit.package}/{unit.name}"] = (unit.package_id, unit.platform)
    pins = _pins(lock)
    crates = {package: _crate(package, nodes, pins) for package in {package for package, _ in nodes}}
    # an order that no folder of this machine, and no order of cargo's, has a say in
    by_name = sorted(
        crates, key=lambda package: (crates[package].name, crates[package].version, crates[package].source)
    )
    number = {package: place for place, package in enumerate(by_name)}
    in_order = sorted(nodes, key=lambda node: (number[node[0]], node[1] or ""))
    at = {node: place for place, node in enumerate(in_order)}
    uses = [nodes[node].use(number[node[0]], node, at) for node in in_order]
    carried = [nodes[node].carried(node[0]) for node in in_order]
    made = CrateGraph(
        tuple(crates[package] for package in by_name),
        tuple(_with_native(uses, carried)),
        {name: at[node] for name, node in sorted(roots.items())},
        dict(compilers or {}),
    )
    folders = ((number[package], own.folder) for (package, _), own in nodes.items())
    return made, {place: folder for place, folder in folders if folder is not None}


class _Gathered:
    """What the units of one node say together."""

    def __init__(self) -> None:
        self.source: str | None = None
        self._features: set[str] = set()
        self._needs: set[_Node] = set()
        self._builds_with: set[_Node] = set()
        self._is_macro = False
        self._has_script = False

    def add(self, unit: Unit, graph: UnitGraph) -> None:
        # a library's root file before a program's: programs may lie anywhere
        if self.source is None or "bin" not in unit.kinds:
            self.source = unit.source
        self._features.update(unit.features)
        self._is_macro = self._is_macro or "proc-macro" in unit.kinds
        self._needs |= _needed(unit, graph)

    def add_script(self, run: Unit, graph: UnitGraph) -> None:
        self._has_script = True
        self._features.update(run.features)
        for each in run.dependencies:
            script = graph.units[each.index]
            if script.kinds == _SCRIPT and script.mode in _COMPILED:
                self.source = self.source or script.source
                self._builds_with |= _needed(script, graph)

    def use(self, crate: int, node: _Node, at: Mapping[_Node, int]) -> Use:
        _, triple = node
        return Use(
            crate=crate,
            triple=triple,
            features=tuple(sorted(self._features)),
            is_macro=self._is_macro,
            has_script=self._has_script,
            needs=tuple(sorted(at[each] for each in self._needs if each in at and each != node)),
            builds_with=tuple(sorted(at[each] for each in self._builds_with if each in at)),
        )

    def carried(self, package: str) -> tuple[NativeSource, ...]:
        """The C sources in the crate, no matter who compiles them."""
        folder = self.folder
        if folder is None:
            return ()
        return native_sources(package_name(package), package_version(package), self._features, folder)

    @property
    def folder(self) -> Path | None:
        """Where its manifest is."""
        return None if self.source is None else folder_of(Path(self.source))


def _with_native(uses: Sequence[Use], carried: Sequence[tuple[NativeSource, ...]]) -> Iterator[Use]:
    """The C sources where they end up: with the crate whose build script compiles them.

    That is the crate that carries them, or one that builds with a crate that is nothing but sources (openssl-src).
    """
    for use, own in zip(uses, carried, strict=True):
        others = (each for place in use.builds_with if not uses[place].has_script for each in carried[place])
        yield replace(use, native=tuple(dict.fromkeys((*own, *others)))) if use.has_script else use


def _needed(unit: Unit, graph: UnitGraph) -> set[_Node]:
    """The nodes of the libraries that a unit is compiled with."""
    units = (graph.units[each.index] for each in unit.dependencies)
    return {
        (each.package_id, each.platform) for each in units if each.mode in _COMPILED and each.kinds != _SCRIPT
    }  # fmt: skip


def _source(package: str) -> str:
    """Where a package comes from, as Cargo.lock has it without the commit; empty for a local one."""
    where = package.rpartition("#")[0] if "#" in package else package.rpartition("(")[2].rstrip(")")
    return "" if where.startswith("path+") or not where else where


def _pins(lock: str) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """By name and version: source and checksum of each package in the lock file that has a source."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for name, version, source, checksum in _LOCKED.findall(lock):
        if source:
            found.setdefault((name, version), []).append((source, checksum))
    return found


def _crate(
    package: str, nodes: Mapping[_Node, _Gathered], pins: Mapping[tuple[str, str], list[tuple[str, str]]]
) -> Crate:
    name, version, where = package_name(package), package_version(package), _source(package)
    crate = Crate(name, version, where)
    if where:
        for source, checksum in pins.get((name, version), ()):
            # the lock file adds the commit, and has crates.io's older name
            if source.partition("#")[0].removeprefix("sparse+") in {where, where.removeprefix("sparse+")}:
                crate = replace(crate, source=source, checksum=checksum)
    root = next((own.source for (id_, _), own in nodes.items() if id_ == package and own.source is not None), None)
    if root is None:
        return crate
    facts = facts_of(Path(root))
    license = expression_of(facts.license)  # noqa: A001 - the manifest's own word
    return replace(
        crate,
        license=license,
        license_text="" if license else facts.license or facts.license_file,
        repository=facts.repository,
        authors=facts.authors,
    )
