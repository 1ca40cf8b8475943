"""What keys have of a toolchain."""

from __future__ import annotations

from pathlib import Path

from cargoship.toolchain.rust import Rust
from cargoship.unitcache.keys.compilers import plain_compilers


def test_a_lowest_glibc_counts_for_its_target_alone(tmp_path: Path) -> None:
    rust = Rust(Path("cargo"), Path("rustc"), tmp_path, "host: x86_64-unknown-linux-gnu")
    names = ("aarch64-unknown-linux-gnu.2.17", "x86_64-unknown-linux-musl")
    found = plain_compilers(rust, {}, zig="0.17.1", named=names).tools
    assert found == {"aarch64-unknown-linux-gnu": "zig 0.17.1 2.17", "x86_64-unknown-linux-musl": "zig 0.17.1"}
    # cargo calls a target that a file describes by the name of the file
    assert plain_compilers(rust, {}, named=("board.json",)).tools == {"board": ""}
