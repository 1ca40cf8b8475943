"""Small Cargo projects that tests write."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from support.programs import distribution_rust, run

_MAIN = 'fn main() { println!("hello"); }\n'


def project(folder: Path, *, name: str = "app", manifest: str = "", files: Mapping[str, str] | None = None) -> Path:
    """A package with one binary and no dependencies; `manifest` follows its [package] table."""
    written = {
        "Cargo.toml": f'[package]\nname = "{name}"\nversion = "1.2.3"\nedition = "2021"\n{manifest}',
        "src/main.rs": _MAIN,
        **(files or {}),
    }
    for place, text in written.items():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def locked_project(folder: Path, files: Mapping[str, str]) -> Path:
    """A project of these files, with a lock file."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    run(distribution_rust().get("CARGO", "cargo"), "generate-lockfile", cwd=folder)
    return folder
