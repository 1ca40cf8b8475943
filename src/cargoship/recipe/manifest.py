"""One manifest of a workspace as it is in the recipe: masked, placed, its targets written out. Pure."""

from __future__ import annotations

import posixpath
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct

from cargoship.errors import ManifestInvalid
from cargoship.recipe.closure import inherited_keys
from cargoship.recipe.document import Table, as_table, as_texts, canonical, tables
from cargoship.recipe.gather import Local, WorkspaceSources, expand, normalized_path
from cargoship.recipe.lock import MASKED, CargoLock, ambiguous
from cargoship.recipe.masking import map_dependencies, masked_package, rewritten, without_words
from cargoship.recipe.model import MANIFEST, CargoManifest
from cargoship.recipe.placing import OUTSIDE, Placing
from cargoship.recipe.targets import LISTS, explicit, targets_of

# https://doc.rust-lang.org/cargo/reference/resolver.html#resolver-versions
_RESOLVERS = {"2021": "2", "2024": "3"}


class Only(Struct, frozen=True):
    """What `--bin` keeps: folders of local packages, and names of all packages where the lock file tells them."""

    folders: frozenset[Path]
    names: frozenset[str] | None

    def needs(self, name: str) -> bool:
        """Whether a package of this name may be part of it."""
        return self.names is None or name in self.names


class Making(Struct, frozen=True):
    """What making a manifest needs to know of all the others."""

    sources: WorkspaceSources
    placing: Placing
    kept: frozenset[Path]
    """Folders of packages whose versions mean something: requirements of foreign packages must still be met."""
    kept_names: frozenset[str]

    @classmethod
    def of(cls, sources: WorkspaceSources, lock: CargoLock | None) -> Making:
        """For one workspace."""
        twice = frozenset() if lock is None else ambiguous(lock)
        kept = {
            each.folder for each in sources.locals.values() if each.folder in sources.stand_ins or each.name in twice
        }
        names = frozenset(str(sources.locals[folder].name) for folder in kept)
        return cls(sources, Placing.of(sources.root, sources.locals), frozenset(kept), names)

    def manifest(self, local: Local, only: Only | None = None) -> CargoManifest:
        """The manifest of a package or workspace; raises ManifestInvalid for a target without a file."""
        made = without_words(local.manifest)
        if "package" in made and local.name is None:
            raise ManifestInvalid(f"{local.folder / MANIFEST}: the package has no name")
        is_needed = only is None or local.folder in only.folders
        if local.name is not None and is_needed:
            made = self._packaged(local, made)
        elif local.name is not None:
            made = self._emptied(local, made)
        change = partial(rewritten, start=local.folder, placing=self.placing, keep=self.kept)
        made = map_dependencies(made, change)
        if "patch" in made:
            made["patch"] = {
                source: _stand_ins(as_table(entries), change, only)
                for source, entries in as_table(made["patch"]).items()
            }
        if "replace" in made:
            made["replace"] = _stand_ins(as_table(made["replace"]), change, only)
        if "workspace" in made:
            made["workspace"] = self._workspace(local, as_table(made["workspace"]), change, only)
        path = posixpath.normpath(posixpath.join(self.placing.place(local.folder), MANIFEST))
        return CargoManifest(path, canonical(made), targets_of(made) if "package" in made else ())

    def _packaged(self, local: Local, made: Table) -> Table:
        package = masked_package(as_table(made["package"]), self._version(local))
        if isinstance(pointer := package.get("workspace"), str):
            package["workspace"] = self.placing.between(local.folder, normalized_path(local.folder / pointer))
        edition = str(self._inherited(local, "edition") or "2015")
        return self._placed(explicit({**made, "package": package}, local.listing, edition=edition), local.folder)

    def _version(self, local: Local) -> str | None:
        """The version to keep; None for one to mask."""
        version = self._inherited(local, "version") if local.folder in self.kept else None
        return version if isinstance(version, str) else None

    def _inherited(self, local: Local, key: str) -> Any:  # noqa: ANN401 - whatever stands there
        value = local.package.get(key)
        if isinstance(value, dict) and value.get("workspace") is True and local.workspace is not None:
            root = as_table(self.sources.locals[local.workspace].manifest.get("workspace"))
            return as_table(root.get("package")).get(key)
        return value

    def _emptied(self, local: Local, made: Table) -> Table:
        """A root package that `--bin` has no use for: what it says of the workspace remains."""
        gone = {"package", "lib", "features", "target", *LISTS}
        kept = {key: value for key, value in made.items() if key not in gone and not key.endswith("dependencies")}
        workspace = dict(as_table(made.get("workspace")))
        # a virtual manifest has no edition to take it from
        resolver = as_table(made["package"]).get("resolver")
        default = _RESOLVERS.get(str(self._inherited(local, "edition")), "1")
        workspace.setdefault("resolver", resolver or default)
        return {**kept, "workspace": workspace}

    def _placed(self, made: Table, folder: Path) -> Table:
        """Paths of root source files: normal, and inside the root also where they are outside."""

        def placed(path: object) -> object:
            if not isinstance(path, str):
                return path  # cargo's to refuse
            plain = posixpath.normpath(path)
            # most stay below their package, and there are thousands of them
            inside = not plain.startswith(("/", ".."))
            return plain if inside else self.placing.between(folder, normalized_path(folder / path))

        made = dict(made)
        if "lib" in made:
            made["lib"] = {**made["lib"], "path": placed(made["lib"]["path"])}
        for key in LISTS:
            if key in made:
                made[key] = [{**each, "path": placed(each["path"])} for each in tables(made[key])]
        scripts = as_table(made["package"]).get("build")
        if isinstance(scripts, str | list):
            build = [placed(each) for each in scripts] if isinstance(scripts, list) else placed(scripts)
            made["package"] = {**made["package"], "build": build}
        return made

    def _workspace(self, local: Local, workspace: Table, change: partial[Any], only: Only | None) -> Table:
        made = dict(workspace)
        if "version" in as_table(made.get("package")):
            made["package"] = {**made["package"], "version": MASKED}
        if "dependencies" in made:
            keys = None if only is None else inherited_keys(only.folders, self.sources, local.folder)
            dependencies = as_table(made["dependencies"]).items()
            made["dependencies"] = {key: change(entry) for key, entry in dependencies if keys is None or key in keys}
        if local.folder != self.sources.root:
            # another workspace: its members are no members here
            return {key: value for key, value in made.items() if key in {"package", "dependencies"}}
        return self._members(made, only)

    def _members(self, workspace: Table, only: Only | None) -> Table:
        made = dict(workspace)
        members = [
            self.placing.place(each.folder)
            for each in self.sources.locals.values()
            if each.member and each.name is not None and each.folder != self.sources.root
            if only is None or each.folder in only.folders
        ]
        # one by one, for a pattern would also find what is placed here
        if members or "members" in made:
            made["members"] = sorted(members)
        if only is not None:
            made.pop("default-members", None)
        elif "default-members" in made:
            folders = expand(self.sources.root, as_texts(made["default-members"]))
            made["default-members"] = sorted({self.placing.place(folder) for folder in folders})
        if any(self.placing.is_outside(folder) for folder in self.sources.locals):
            made["exclude"] = [*as_texts(made.get("exclude")), OUTSIDE]
        return made


def _stand_ins(entries: Table, change: partial[Any], only: Only | None) -> Table:
    """Entries of [patch] or [replace]; those that nothing uses any more would only be warned of, or fetched."""
    return {
        name: change(entry)
        for name, entry in entries.items()
        if only is None or only.needs(str(as_table(entry).get("package", name.partition(":")[0])))
    }
