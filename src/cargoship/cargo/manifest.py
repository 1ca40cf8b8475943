"""Where a project's Cargo.toml is."""

from __future__ import annotations

from pathlib import Path

from cargoship.errors import ManifestNotFound
from cargoship.reading import is_file, is_folder, real_path

MANIFEST = "Cargo.toml"


def find_manifest(path: Path) -> Path:
    """Return the Cargo.toml of a folder or of the nearest folder above; raises ManifestNotFound."""
    # Links are followed, as cargo does when it starts from its working directory
    path = real_path(path)
    if is_file(path):
        if path.name == MANIFEST:
            return path
        raise ManifestNotFound(f"{path} is not a {MANIFEST}", hint="name a folder, or its Cargo.toml")
    if not is_folder(path):
        raise ManifestNotFound(f"{path} does not exist", hint="name the folder of a Cargo project")
    for folder in (path, *path.parents):
        if is_file(folder / MANIFEST):
            return folder / MANIFEST
    raise ManifestNotFound(
        f"no {MANIFEST} in {path} or any folder above it",
        hint="run this in a Cargo project, or name its folder (run and watch: with --project)",
    )
