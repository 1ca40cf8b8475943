"""Small Cargo projects that tests write."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

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
