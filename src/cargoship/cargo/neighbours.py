"""The local packages outside of a workspace that it is built with: path dependencies, and theirs.

cargo tells of the packages of one workspace at a time; those that are elsewhere are asked about where they are.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from cargoship.cargo.project import Project
from cargoship.errors import CargoshipError
from cargoship.reading import real_path


class Neighbours(Struct, frozen=True):
    """Folders of packages outside of a workspace."""

    folders: tuple[Path, ...]
    target_dirs: tuple[Path, ...]
    """Where cargo puts what it compiles when it runs there."""


def find_neighbours(project: Project, load: Callable[[Path], Project]) -> Neighbours:
    """Follow the path dependencies of all members out of the workspace; `load` asks cargo about a folder.

    What cannot be loaded is named, and not followed: the build reports what is wrong with it.
    """
    root = real_path(project.root)
    seen = {real_path(package.root) for package in project.packages}
    pending = [real_path(folder) for package in project.packages for folder in package.beside]
    folders: list[Path] = []
    target_dirs: dict[Path, None] = {}
    while pending:
        folder = pending.pop(0)
        if folder in seen or not folder.is_dir():
            continue
        seen.add(folder)
        if not folder.is_relative_to(root):
            folders.append(folder)
        try:
            there = load(folder)
        except CargoshipError:
            continue
        target_dirs[there.target_dir] = None
        found = [package for package in there.packages if real_path(package.root) == folder]
        pending += [real_path(each) for package in found for each in package.beside]
    return Neighbours(tuple(folders), tuple(target_dirs))
