"""Read everything local that cargo would read of a workspace: manifests, file names, lock file, toolchain file, config.

No cargo is started: a machine that only makes recipes needs no Rust, and 300 packages take a fraction of a second.
Rules: https://doc.rust-lang.org/cargo/reference/workspaces.html.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cargoship.cargo.manifest import MANIFEST, find_manifest
from cargoship.errors import ManifestInvalid, ManifestNotFound
from cargoship.reading import is_file
from cargoship.recipe.configuration import named_files, read_config
from cargoship.recipe.document import Table, as_table, as_texts, parse, read_optional
from cargoship.recipe.listing import FolderListing, list_package

DEPENDENCIES = ("dependencies", "dev-dependencies", "build-dependencies", "dev_dependencies", "build_dependencies")
"""The tables of dependencies, cargo's older spellings included."""


@dataclass(frozen=True)
class Local:
    """A manifest on this machine."""

    folder: Path
    """Absolute, without `..`."""
    manifest: Table = field(hash=False)
    listing: FolderListing
    member: bool
    """Whether cargo counts it to the workspace; a path dependency may be outside."""
    workspace: Path | None
    """The folder of the manifest that it inherits from."""

    @property
    def package(self) -> Table:
        """Its [package]; empty for a virtual manifest."""
        return as_table(self.manifest.get("package", self.manifest.get("project")))

    @property
    def name(self) -> str | None:
        """The name of its package; None for a virtual manifest."""
        name = self.package.get("name")
        return name if isinstance(name, str) else None


@dataclass(frozen=True)
class WorkspaceSources:
    """A workspace's local facts."""

    root: Path
    locals: dict[Path, Local] = field(hash=False)
    """By folder: the root, members, path dependencies, and the roots of other workspaces that these inherit from."""
    stand_ins: frozenset[Path] = frozenset()
    """Folders of packages that stand in for a registry's: [patch], [replace], `paths` in cargo's configuration."""
    lock: str | None = None
    """The text of Cargo.lock."""
    toolchain: tuple[Literal["Bare", "Toml"], str] | None = None
    """rust-toolchain or rust-toolchain.toml, and its text."""
    config: Table | None = field(default=None, hash=False)
    """cargo's configuration in the root, with what it includes."""
    named: dict[str, str] = field(default_factory=dict, hash=False)
    """Texts of files that it names, by their paths below the root."""


def gather_workspace(path: Path) -> WorkspaceSources:
    """Read the workspace that `path` (a folder in it, or a Cargo.toml) belongs to.

    Raises ManifestNotFound and ManifestInvalid.
    """
    manifests: dict[Path, Table] = {}
    start = find_manifest(path).parent
    root = _root_of(start, manifests) or start
    config = read_config(root)
    stand_ins = _stand_ins(root, _load(root, manifests), config)
    walk = _Walk(root, manifests)
    walk.members()
    walk.others(stand_ins)
    toolchain: tuple[Literal["Bare", "Toml"], str] | None = None
    if (bare := read_optional(root / "rust-toolchain")) is not None:
        toolchain = ("Bare", bare)
    elif (toml := read_optional(root / "rust-toolchain.toml")) is not None:
        toolchain = ("Toml", toml)
    lock = read_optional(root / "Cargo.lock") or None
    return WorkspaceSources(root, walk.found, frozenset(stand_ins), lock, toolchain, config, named_files(root, config))


def path_dependencies(local: Local, inherited: Table, *, development: bool) -> Iterator[Path]:
    """Folders of a package's path dependencies.

    `inherited` is the [workspace.dependencies] of its root, and `local.workspace` where those paths start.
    """
    for _, dependencies in dependency_tables(local.manifest, development=development):
        for name, dependency in dependencies.items():
            entry, start = as_table(dependency), local.folder
            if entry.get("workspace") is True and local.workspace is not None:
                entry, start = as_table(inherited.get(name)), local.workspace
            if isinstance(to := entry.get("path"), str):
                yield normalized_path(start / to)


def dependency_tables(manifest: Table, *, development: bool = True) -> Iterator[tuple[str, Table]]:
    """Every table of dependencies of a package, those of targets included, with its key."""
    for holder in (manifest, *map(as_table, as_table(manifest.get("target")).values())):
        for key in DEPENDENCIES:
            if key in holder and (development or not key.startswith("dev")):
                yield key, as_table(holder[key])


def patch_tables(manifest: Table) -> Iterator[Table]:
    """The tables of [patch] and [replace]."""
    yield from map(as_table, as_table(manifest.get("patch")).values())
    yield as_table(manifest.get("replace"))


def _stand_ins(root: Path, manifest: Table, config: Table | None) -> list[Path]:
    entries = [
        as_table(entry).get("path")
        for document in (manifest, config or {})
        for patches in patch_tables(document)
        for entry in patches.values()
    ]
    return [
        normalized_path(root / path)
        for path in (*entries, *as_texts((config or {}).get("paths")))
        if isinstance(path, str)
    ]


def normalized_path(path: Path) -> Path:
    """The same path without `.` and `..`, links as they are: cargo does it so."""
    return Path(os.path.normpath(path))


def _load(folder: Path, manifests: dict[Path, Table]) -> Table:
    found = manifests.get(folder)
    if found is None:
        path = folder / MANIFEST
        text = read_optional(path)
        if text is None:
            raise ManifestNotFound(f"there is no {path}, which the workspace refers to")
        found = manifests[folder] = parse(text, path)
    return found


def _root_of(folder: Path, manifests: dict[Path, Table]) -> Path | None:
    """The folder of the workspace's root for a package; None where it stands alone."""
    own = _load(folder, manifests)
    if "workspace" in own:
        return folder
    if isinstance(pointer := as_table(own.get("package")).get("workspace"), str):
        return normalized_path(folder / pointer)
    for above in folder.parents:
        if above in manifests or is_file(above / MANIFEST):
            candidate = _load(above, manifests)
            if isinstance(pointer := as_table(candidate.get("package")).get("workspace"), str):
                return normalized_path(above / pointer)
            if "workspace" in candidate and not _is_excluded(above, as_table(candidate["workspace"]), folder):
                return above
    return None


def _is_excluded(root: Path, workspace: Table, folder: Path) -> bool:
    def holds(key: str) -> bool:
        return any(folder.is_relative_to(normalized_path(root / each)) for each in as_texts(workspace.get(key)))

    return holds("exclude") and not holds("members")


def expand(root: Path, patterns: list[str]) -> list[Path]:
    """The folders that entries of [workspace] members or default-members mean."""
    found = []
    for pattern in patterns:
        if glob.has_magic(pattern):
            # Path.glob leaves out hidden folders below `**`, and cargo does not
            matches = glob.glob(f"{glob.escape(str(root))}/{pattern}", recursive=True, include_hidden=True)  # noqa: PTH207
            found += [normalized_path(Path(each)) for each in sorted(matches) if is_file(Path(each, MANIFEST))]
        else:
            found.append(normalized_path(root / pattern))
    return found


class _Walk:
    """Follows members and path dependencies as cargo does."""

    def __init__(self, root: Path, manifests: dict[Path, Table]) -> None:
        self._root = root
        self._manifests = manifests
        self._workspace = _load(root, manifests).get("workspace")
        self._roots: dict[Path, Path | None] = {}
        self._links: dict[Path, tuple[Path, ...]] = {}
        self.found: dict[Path, Local] = {}

    def members(self) -> None:
        """Find the workspace's members."""
        if self._workspace is None:
            self._add(self._root, member=True)
            return
        listed = expand(self._root, as_texts(as_table(self._workspace).get("members")))
        pending = [*((folder, False) for folder in listed), (self._root, False)]
        while pending:
            folder, is_dependency = pending.pop()
            if folder in self.found or not self._joins(folder, is_dependency=is_dependency):
                continue
            local = self._add(folder, member=True)
            pending += ((each, True) for each in self._dependencies(local))

    def others(self, stand_ins: Iterable[Path]) -> None:
        """Find path dependencies that are no members, and what stands in for other packages."""
        pending = [each for local in list(self.found.values()) for each in self._dependencies(local)]
        pending += stand_ins
        while pending:
            folder = pending.pop()
            if folder not in self.found:
                local = self._add(folder, member=False)
                pending += self._dependencies(local)
                if local.workspace is not None and local.workspace not in self.found:
                    # no part of this build, but it says what its members inherit
                    self._add(local.workspace, member=False)

    def _joins(self, folder: Path, *, is_dependency: bool) -> bool:
        outside = is_dependency and not folder.is_relative_to(self._root)
        if outside and self._root_for(folder) != self._root:
            return False
        return not _is_excluded(self._root, as_table(self._workspace), folder)

    def _root_for(self, folder: Path) -> Path | None:
        if folder not in self._roots:
            self._roots[folder] = _root_of(folder, self._manifests)
        return self._roots[folder]

    def _add(self, folder: Path, *, member: bool) -> Local:
        manifest = _load(folder, self._manifests)
        if member:
            workspace = None if self._workspace is None else self._root
        else:
            workspace = self._root_for(folder) if _inherits(manifest) else None
        is_package = "package" in manifest or "project" in manifest
        if not is_package and folder != self._root and "workspace" not in manifest:
            raise ManifestInvalid(f"{folder / MANIFEST} has no [package]")
        listing = list_package(folder) if is_package else FolderListing()
        local = self.found[folder] = Local(folder, manifest, listing, member, workspace)
        return local

    def _dependencies(self, local: Local) -> tuple[Path, ...]:
        known = self._links.get(local.folder)
        if known is None:
            known = self._links[local.folder] = tuple(self._follow(local))
        return known

    def _follow(self, local: Local) -> Iterator[Path]:
        inherited: Table = {}
        if local.workspace is not None:
            inherited = as_table(as_table(_load(local.workspace, self._manifests).get("workspace")).get("dependencies"))
        # what the tests of a foreign package need does not matter here, and may not even be there
        yield from path_dependencies(local, inherited, development=local.member)


def _inherits(manifest: Table) -> bool:
    values = list(as_table(manifest.get("package", manifest.get("project"))).values())
    values += [entry for _, entries in dependency_tables(manifest) for entry in entries.values()]
    return any(isinstance(each, dict) and each.get("workspace") is True for each in values)
