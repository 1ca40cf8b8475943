"""The manifests that decide what a build is made of: of local packages, members or not, and of what they inherit from.

cargo's own answer about a workspace has its members alone, and no lints. What is in here is read without asking cargo,
and so only says which files there are, never what they mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cargoship.decoding import decode_toml
from cargoship.reading import is_file, read_file, real_path

_FILE = "Cargo.toml"
_LINE_OF_COMMENT = re.compile(rb"(?m)^[ \t]*#[^\n]*\n?|^[ \t\r]*\n")
_TEXT_OF_LINES = (b'"""', b"'''")
_READMES = ("README.md", "README.txt", "README")
_DEPENDENCIES = ("dependencies", "dev-dependencies", "build-dependencies", "dev_dependencies", "build_dependencies")


def significant(manifest: bytes) -> bytes:
    """A manifest without lines that say nothing; as it is where such a line may be part of a text."""
    return manifest if any(mark in manifest for mark in _TEXT_OF_LINES) else _LINE_OF_COMMENT.sub(b"", manifest)


def local_manifests(root: Path, packages: Iterable[Path]) -> set[Path]:
    """The manifests of a workspace and of these packages, with all that they name by a path or inherit from."""
    found: set[Path] = set()
    pending = [root / _FILE, *(folder / _FILE for folder in packages)]
    while pending:
        manifest = _plain(pending.pop())
        if manifest in found or not is_file(manifest):
            continue
        found.add(manifest)
        table = _read(manifest)
        pending += [manifest.parent / path / _FILE for path in _paths(table)]
        shared = workspace_of(manifest, root)
        pending += [] if shared is None else [shared]
    return found


def workspace_of(manifest: Path, root: Path) -> Path | None:
    """The manifest of the workspace that a package is of: `root`'s, for what lies below it, or the nearest above."""
    table = _read(manifest)
    named = table.get("package", {}).get("workspace") if isinstance(table.get("package"), dict) else None
    if isinstance(named, str):
        return _plain(manifest.parent / named / _FILE)
    if "workspace" in table:
        return manifest
    for folder in manifest.parent.parents:
        if folder == root or "workspace" in _read(folder / _FILE):
            return folder / _FILE
    return None


def looked_for(manifest: Path) -> Iterator[Path]:
    """What cargo looks for beside a package's manifest that says nothing of it: a build script, and a readme.

    Of readmes the last is the one that cargo takes, where there is one.
    """
    package = _read(manifest).get("package")
    if not isinstance(package, dict):
        return
    if "build" not in package:
        yield manifest.parent / "build.rs"
    if "readme" not in package:
        for name in _READMES:
            yield (place := manifest.parent / name)
            if is_file(place):
                return


def readme_of(manifest: Path) -> str:
    """The name of the readme that cargo tells packages of as CARGO_PKG_README, where the manifest names none."""
    found = (place.name for place in looked_for(manifest) if place.name in _READMES and is_file(place))
    return next(found, "")


def _paths(table: Mapping[str, Any]) -> Iterator[str]:
    """The folders of packages that a manifest names."""
    tables = [table, table.get("workspace"), *_tables(table.get("target"))]
    groups = [each.get(name) for each in tables if isinstance(each, dict) for name in _DEPENDENCIES]
    groups += [table.get("replace"), *_tables(table.get("patch"))]
    for dependency in (each for group in groups for each in _tables(group)):
        path = dependency.get("path")
        if isinstance(path, str):
            yield path


def _tables(value: object) -> list[dict[str, Any]]:
    return [each for each in value.values() if isinstance(each, dict)] if isinstance(value, dict) else []


def _read(manifest: Path) -> dict[str, Any]:
    try:
        return decode_toml(read_file(manifest))
    except (OSError, ValueError):
        return {}


def _plain(path: Path) -> Path:
    return Path(*path.parts) if ".." not in path.parts else real_path(path)
