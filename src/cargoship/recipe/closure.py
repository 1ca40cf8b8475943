"""Which local packages a package or a program needs: what `--bin` keeps. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cargoship.errors import BinaryUnknown
from cargoship.recipe.document import Table, as_table
from cargoship.recipe.gather import Local, WorkspaceSources, dependency_tables, path_dependencies
from cargoship.recipe.lock import CargoLock, reachable
from cargoship.recipe.model import CargoManifest
from cargoship.suggest import did_you_mean, listed


def find_member(sources: WorkspaceSources, manifests: Mapping[Path, CargoManifest], name: str) -> Local:
    """The member that is a package of this name, or that has a binary of this name; raises BinaryUnknown."""
    members = [local for local in sources.locals.values() if local.member and local.name is not None]
    programs = {
        target.name: local for local in members for target in manifests[local.folder].targets if target.kind == "Bin"
    }
    packages = {str(local.name): local for local in members}
    found = packages.get(name) or programs.get(name)
    if found is None:
        known = {*packages, *programs}
        raise BinaryUnknown(
            f"no package and no binary of the workspace is called {name!r}{did_you_mean(name, known)}",
            hint=f"there are {listed(known)}",
        )
    return found


def closure_of(start: Local, sources: WorkspaceSources, lock: CargoLock | None) -> frozenset[Path]:
    """The folders of the local packages that `start` needs, itself included.

    Where there is a lock file, a crate that stands in for another ([patch]) counts only if something needs it.
    """
    found: set[Path] = set()
    pending = [start.folder]
    if lock is None:
        pending += sources.stand_ins
    else:
        needed = {entry.name for entry in reachable(lock, [str(start.name)]).entries if entry.is_local}
        pending += (folder for folder in sources.stand_ins if sources.locals[folder].name in needed)
    while pending:
        folder = pending.pop()
        local = sources.locals.get(folder)
        if local is None or folder in found:
            continue
        found.add(folder)
        pending += path_dependencies(local, _inherited(local, sources), development=local.member)
    return frozenset(found)


def support_of(folders: frozenset[Path], sources: WorkspaceSources) -> frozenset[Path]:
    """The folders of the workspaces that these packages inherit from, and that of the root."""
    roots = {sources.locals[folder].workspace for folder in folders} - {None}
    return frozenset({sources.root, *(root for root in roots if root is not None)})


def inherited_keys(folders: frozenset[Path], sources: WorkspaceSources, root: Path) -> frozenset[str]:
    """The keys of [workspace.dependencies] of `root` that these packages refer to."""
    return frozenset(
        key
        for folder in folders
        if sources.locals[folder].workspace == root
        for _, dependencies in dependency_tables(sources.locals[folder].manifest)
        for key, entry in dependencies.items()
        if as_table(entry).get("workspace") is True
    )


def _inherited(local: Local, sources: WorkspaceSources) -> Table:
    if local.workspace is None:
        return {}
    return as_table(as_table(sources.locals[local.workspace].manifest.get("workspace")).get("dependencies"))
