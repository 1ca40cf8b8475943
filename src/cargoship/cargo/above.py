"""Whose files cargo and rustup would obey in a folder: they read configuration in every folder above it, too.

Such a file names programs (`build.rustc-wrapper`, linkers, a toolchain's path) or other crates (`[patch]`), so that in
/tmp, say, anybody could have one started by everybody. cargo has no rule of ownership of its own:
https://doc.rust-lang.org/cargo/reference/config.html#hierarchical-structure
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cargoship.owners import Owners

_READ = ("Cargo.toml", ".cargo/config.toml", ".cargo/config", "rust-toolchain.toml", "rust-toolchain")


def check_owners(folder: Path, env: Mapping[str, str]) -> None:
    """Refuse a folder in which cargo would obey a stranger; raises ForeignFile.

    What lies in `folder` itself is the project's, where not everybody may put it there.
    """
    owners = Owners.of(folder, env)
    owners.check_own("cargo", _READ)
    owners.check("cargo", (above / name for above in owners.folder.parents for name in _READ))
