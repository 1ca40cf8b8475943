"""What the manifest of a crate says about its licence and its origin.

A registry's manifests have been written by cargo: one value a line, nothing inherited. They are hundreds, and so they
are read by these lines alone. Others are read as TOML, with what they inherit from their workspace.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from cargoship.cargo.manifest import MANIFEST
from cargoship.reading import read_file

_MANIFEST_BYTES_MAX = 4 << 20
_DEPTH_MAX = 12
_PACKAGE = re.compile(r"^\[package\]$(?P<body>.*?)(?=^\[|\Z)", re.MULTILINE | re.DOTALL)
_TEXT = r'^{} = "((?:[^"\\\n])*)"$'
_AUTHORS = re.compile(r"^authors = (\[.*?\])$", re.MULTILINE | re.DOTALL)


class Facts(Struct, frozen=True):
    """As the manifest has them; empty where it says nothing."""

    license: str = ""
    license_file: str = ""
    repository: str = ""
    authors: tuple[str, ...] = ()


def facts_of(source: Path) -> Facts:
    """What the manifest of the package says whose root file this is; nothing where it cannot be read."""
    folder = folder_of(source)
    return Facts() if folder is None else _facts_in(folder)


def folder_of(source: Path) -> Path | None:
    """The folder of the package whose root file this is; None where none of its folders has a manifest."""
    for folder in list(source.parents)[:_DEPTH_MAX]:
        if (folder / MANIFEST).is_file():
            return folder
    return None


def _facts_in(folder: Path) -> Facts:
    try:
        text = _read(folder / MANIFEST)
        written = _as_written_by_cargo(text) if (folder / f"{MANIFEST}.orig").is_file() else None
        return written or _as_toml(tomllib.loads(text), folder)
    except (OSError, ValueError, RecursionError):
        return Facts()


def _as_written_by_cargo(text: str) -> Facts | None:
    package = _PACKAGE.search(text)
    if package is None or "\\" in package["body"]:
        return None

    def value(name: str) -> str:
        found = re.search(_TEXT.format(name), package["body"], re.MULTILINE)
        return found[1] if found else ""

    authors = _AUTHORS.search(package["body"])
    return Facts(
        value("license"), value("license-file"), value("repository"),
        tuple(re.findall(r'"([^"\n]*)"', authors[1])) if authors else (),
    )  # fmt: skip


def _as_toml(document: Mapping[str, Any], folder: Path) -> Facts:
    package = document.get("package")
    if not isinstance(package, dict):
        return Facts()

    def value(name: str) -> object:
        said = package.get(name)
        if isinstance(said, dict) and said.get("workspace") is True:
            return _inherited(folder).get(name)
        return said

    def text(name: str) -> str:
        said = value(name)
        return said if isinstance(said, str) else ""

    authors = value("authors")
    return Facts(
        text("license"), text("license-file"), text("repository"),
        tuple(str(each) for each in authors) if isinstance(authors, list) else (),
    )  # fmt: skip


def _inherited(folder: Path) -> Mapping[str, Any]:
    for above in (folder, *list(folder.parents)[:_DEPTH_MAX]):
        try:
            workspace = tomllib.loads(_read(above / MANIFEST)).get("workspace")
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(workspace, dict):
            package = workspace.get("package")
            return package if isinstance(package, dict) else {}
    return {}


def _read(path: Path) -> str:
    return read_file(path, _MANIFEST_BYTES_MAX).decode("utf-8-sig", "replace")
