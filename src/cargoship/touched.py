"""Which images a change may have changed: by the graph of local packages, and by what their units have read.

What is not known counts: a package of which no cache has units that fit the code as it is now is judged by its whole
folder, and by files that belong to no package. Nothing is compiled, and nothing of a build is decided here.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any

from cargoship.bases.distributions import lock_name_of
from cargoship.cargo.git import Since
from cargoship.cargo.project import Package, Project
from cargoship.oci.target import split_selection
from cargoship.plan import Group
from cargoship.reading import real_path
from cargoship.settings.model import Settings
from cargoship.unitcache.keys.file_digests import ALL, MANIFEST, FileDigests, is_no_code
from cargoship.unitcache.packs.index import UnitEntry, UnitIndex

_FOR_ALL = ("rust-toolchain", "rust-toolchain.toml", ".cargo/config", ".cargo/config.toml")
"""Files in the folder of a workspace, or above it, that every unit depends on."""
_MEMBERS = frozenset({"members", "exclude", "default-members"})
"""What a workspace says of its members, and compiles nothing in another way."""
_TOOLS = re.compile(r"\.git.*|\.vscode|\.idea|\.circleci|\.editorconfig")
"""What lies in the folder of a checkout for other tools, and no code is made of."""
_MAGIC = re.compile(r"[*?\[]")
_LAYOUT = "oci:"


@dataclass(frozen=True)
class Touched:
    """Decides for the images of a workspace; `settings` are those of its packages, `index` what caches know."""

    since: Since
    project: Project
    settings: Mapping[str, Settings]
    index: UnitIndex
    contents: FileDigests
    _judged: dict[tuple[str, bool], bool] = field(default_factory=dict, compare=False)

    def image(self, group: Group) -> bool:
        """Whether an image may be another one than it was."""
        settings = self.settings.get(group.package.name)
        return (
            self.everything
            or any(self._package(each, made=each.name in group.packages) for each in self._closure(group.packages))
            or (settings is not None and self._around(group.package, settings))
        )

    @cached_property
    def everything(self) -> bool:
        """Whether something has changed that all packages depend on: the toolchain, cargo's configuration, profiles."""
        root = real_path(self.project.root)
        above = (root, *(each for each in root.parents if each.is_relative_to(real_path(self.since.git.root))))
        if any(self.since.touches(folder / name) for folder in above for name in _FOR_ALL):
            return True
        manifest = root / "Cargo.toml"
        return self.since.touches(manifest) and _shared(self._parsed(manifest)) != _shared(self._old(manifest))

    def _closure(self, names: Iterable[str]) -> list[Package]:
        """The packages of these names, and the local ones that they are built with."""
        by_folder = {real_path(each.root): each for each in self.project.packages}
        pending = [each for each in self.project.packages if each.name in set(names)]
        found: dict[str, Package] = {}
        while pending:
            package = pending.pop()
            if package.name not in found:
                found[package.name] = package
                pending += [by_folder[real_path(at)] for at in package.beside if real_path(at) in by_folder]
        return list(found.values())

    def _package(self, package: Package, *, made: bool) -> bool:
        """Whether a package is another one than it was: its programs where they are `made`, else its library."""
        if (package.name, made) not in self._judged:
            members = {real_path(each.root) for each in self.project.packages}
            # a local package that is no member: cargo does not list its own dependencies
            strangers = [each for each in package.beside if real_path(each) not in members]
            self._judged[package.name, made] = (
                self.since.touches(real_path(package.manifest))
                or self._locked(package)
                or any(self.since.touches(real_path(each)) for each in strangers)
                or self._code(package, made=made)
            )
        return self._judged[package.name, made]

    def _code(self, package: Package, *, made: bool) -> bool:
        read = self._read(package, made=made)
        if read is not None:
            return any(self._is_touched(name) for name in read)
        root = real_path(self.since.git.root)
        return any(
            self._owner(path) in {real_path(package.root), None}
            for path in self.since.paths
            if not any(map(_TOOLS.fullmatch, path.relative_to(root).parts[:1]))
        )

    def _read(self, package: Package, *, made: bool) -> set[str] | None:
        """What the units of a package have read, where caches know them for the code as it is now."""
        entries = self._entries.get((package.name, package.version), ())
        fitting = [each for each in entries if self.contents.holds(each.inputs)]
        kinds = {each.name.split(" ")[2] for each in fitting}
        if not ("bin" in kinds if made else kinds - {"bin", "custom-build", "build"}):
            return None
        return {name for each in fitting for name in each.inputs}

    @cached_property
    def _entries(self) -> Mapping[tuple[str, str], Sequence[UnitEntry]]:
        found: dict[tuple[str, str], list[UnitEntry]] = {}
        for entry in self.index.entries.values():
            name, _, rest = entry.name.partition(" ")
            found.setdefault((name, rest.partition(" ")[0]), []).append(entry)
        return found

    def _is_touched(self, name: str) -> bool:
        """Whether what a unit has read has changed; names are those of `unitcache.keys.file_digests`."""
        if name.startswith(ALL):
            folder = real_path(self.contents.root / name.removeprefix(ALL))
            return any(
                self._owner(path) == folder and not is_no_code(path.relative_to(folder)) for path in self.since.paths
            )
        path = name.removeprefix(MANIFEST)
        return not path.startswith(":") and self.since.touches(real_path(self.contents.root / path))

    def _owner(self, path: Path) -> Path | None:
        """The folder of the package that a file belongs to; None: it belongs to none."""
        folders = [real_path(each.root) for each in self.project.packages]
        above = [each for each in folders if path == each or path.is_relative_to(each)]
        return max(above, key=lambda each: len(each.parts), default=None)

    def _around(self, package: Package, settings: Settings) -> bool:
        """Whether what an image has beside its programs has changed."""
        root = real_path(package.root)
        lock = lock_name_of(settings.base_spec)
        if lock is not None and self.since.touches(real_path(self.project.root) / lock):
            return True
        if settings.base.startswith(_LAYOUT):
            folder, _ = split_selection(settings.base.removeprefix(_LAYOUT), root)
            if self.since.touches(real_path(folder)):
                return True
        return any(self._includes(root, each.source) for each in settings.include)

    def _includes(self, root: Path, source: str) -> bool:
        fixed = PurePath()
        for part in PurePath(source).parts:
            if _MAGIC.search(part):
                break
            fixed /= part
        if fixed != PurePath():
            return self.since.touches(real_path(root / fixed))
        return any(path.is_relative_to(root) for path in self.since.paths)

    def _locked(self, package: Package) -> bool:
        """Whether a package is built with other versions than it was."""
        lock = real_path(self.project.root) / "Cargo.lock"
        if not self.since.touches(lock):
            return False
        return _dependencies(self._parsed(lock), package) != _dependencies(self._old(lock), package)

    def _old(self, path: Path) -> Mapping[str, Any] | None:
        return _toml(self.since.before(path))

    def _parsed(self, path: Path) -> Mapping[str, Any] | None:
        try:
            return _toml(path.read_bytes())
        except OSError:
            return None


def _toml(data: bytes | None) -> Mapping[str, Any] | None:
    if data is None:
        return None
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None


def _shared(manifest: Mapping[str, Any] | None) -> object:
    """What the manifest of a workspace says for all its packages; an own value for one that cannot be read."""
    if manifest is None:
        return object()
    workspace = {key: value for key, value in _table(manifest, "workspace").items() if key not in _MEMBERS}
    return workspace, *(manifest.get(key) for key in ("profile", "patch", "replace", "cargo-features"))


def _table(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _dependencies(lock: Mapping[str, Any] | None, package: Package) -> object:
    """What a lock file holds for a package, down to the last crate; an own value for one that cannot be read."""
    if lock is None:
        return object()
    packages = [each for each in lock.get("package", ()) if isinstance(each, dict)]
    by_name: dict[str, list[dict[str, Any]]] = {}
    for each in packages:
        by_name.setdefault(str(each.get("name")), []).append(each)
    pending = [each for each in by_name.get(package.name, ()) if each.get("version") == package.version]
    found: dict[tuple[str, ...], None] = {}
    while pending:
        each = pending.pop()
        what = tuple(str(each.get(key)) for key in ("name", "version", "source", "checksum"))
        if what not in found:
            found[what] = None
            pending += _meant(each, by_name)
    return frozenset(found)


def _meant(package: Mapping[str, Any], by_name: Mapping[str, list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    """The packages that the lines of a lock file mean: `NAME`, `NAME VERSION` or `NAME VERSION (SOURCE)`."""
    for line in package.get("dependencies", ()):
        name, *version = str(line).split(" ")
        for each in by_name.get(name, ()):
            if not version or each.get("version") == version[0]:
                yield each
