"""The files of a package that cargo looks at when it infers targets: names only, nothing is opened."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct


class FolderListing(Struct, frozen=True):
    """What is there. Targets are pairs of name and path, relative to the package's folder, sorted."""

    src: frozenset[str] = frozenset()
    """Names in src/."""
    bin_names: frozenset[str] = frozenset()
    """Names in src/bin/."""
    bins: tuple[tuple[str, str], ...] = ()
    examples: tuple[tuple[str, str], ...] = ()
    tests: tuple[tuple[str, str], ...] = ()
    benches: tuple[tuple[str, str], ...] = ()
    build_script: bool = False
    """Whether there is a build.rs."""


def list_package(folder: Path) -> FolderListing:
    """Look at a package's folder; what cannot be read is not there, as for cargo."""
    names = _names(folder)
    src = _names(folder / "src") if "src" in names else frozenset()
    bin_names = _names(folder / "src" / "bin") if "bin" in src else frozenset()

    def targets(name: str) -> tuple[tuple[str, str], ...]:
        return _targets(folder, name) if name in names else ()

    return FolderListing(
        src=src,
        bin_names=bin_names,
        bins=_targets(folder, "src/bin") if bin_names else (),
        examples=targets("examples"),
        tests=targets("tests"),
        benches=targets("benches"),
        build_script="build.rs" in names and (folder / "build.rs").is_file(),
    )


def _names(folder: Path) -> frozenset[str]:
    try:
        return frozenset(os.listdir(folder))  # noqa: PTH208 - names are wanted, by the thousand
    except OSError:
        return frozenset()


def _targets(folder: Path, below: str) -> tuple[tuple[str, str], ...]:
    """Files NAME.rs and folders NAME with a main.rs; a link to a folder is none of them."""
    found = []
    try:
        with os.scandir(folder / below) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if (Path(entry.path) / "main.rs").exists():
                        found.append((entry.name, f"{below}/{entry.name}/main.rs"))
                elif len(entry.name) > len(".rs") and entry.name.endswith(".rs"):
                    found.append((entry.name.removesuffix(".rs"), f"{below}/{entry.name}"))
    except OSError:
        return ()
    return tuple(sorted(found))
