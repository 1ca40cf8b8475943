"""A toolchain, in the words that keys have for it: versions and contents, never the places where things lie.

What cargo itself puts into fingerprints of such places is named, for a unit from elsewhere would be compiled again.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from pathlib import Path

from cargoship.platforms import LibcFamily
from cargoship.toolchain.locate import Toolchain, Way
from cargoship.toolchain.rust import Rust
from cargoship.toolchain.wrappers import wrapper_identity
from cargoship.unitcache.surroundings import Compilers


def compilers_of(toolchain: Toolchain, env: Mapping[str, str]) -> Compilers:
    """The compilers of a `cargoship build`."""
    rust = toolchain.rust
    libraries = {rust.host: _library(rust, rust.host)} | {target.triple: target.std for target in toolchain.targets}
    zig = f"zig {toolchain.zig.version}"
    if toolchain.way is Way.DIRECT:
        tools = {each.triple: f"{zig} {wrapper_identity(each.triple, each.row)}" for each in toolchain.targets}
        return Compilers(rust.cargo, rust.version, rust.host, libraries, tools)
    floors = {each.triple: toolchain.libc.floor or each.row.gnu_floor for each in toolchain.targets}
    gnu = toolchain.libc.family is LibcFamily.GNU
    tools = {triple: f"{zig} glibc {floor}" if gnu else zig for triple, floor in floors.items()}
    return Compilers(rust.cargo, rust.version, rust.host, libraries, tools, _zigbuild(rust.host in tools, env))


def plain_compilers(rust: Rust, env: Mapping[str, str], *, zigbuild: bool = False, zig: str = "") -> Compilers:
    """The compilers of a plain cargo, or of cargo-zigbuild; for every target that rustc has a standard library of."""
    folder = rust.sysroot / "lib" / "rustlib"
    libraries = {path.name: path for path in folder.iterdir() if (path / "lib").is_dir()} if folder.is_dir() else {}
    tools = dict.fromkeys(libraries, zig) if zigbuild else {}
    return Compilers(
        rust.cargo, rust.version, rust.host, libraries, tools,
        _zigbuild(of_host=True, env=env) if zigbuild else "",
    )  # fmt: skip


def _library(rust: Rust, triple: str) -> Path:
    return rust.sysroot / "lib" / "rustlib" / triple


def _zigbuild(of_host: bool, env: Mapping[str, str]) -> str:  # noqa: FBT001 - private
    """cargo-zigbuild: its wrappers' paths reach build scripts, and for the host's own target cargo's mode differs."""
    try:
        version = importlib.metadata.version("cargo-zigbuild")
    except importlib.metadata.PackageNotFoundError:
        version = "unknown"
    kept = env.get("CARGO_ZIGBUILD_CACHE_DIR") or env.get("XDG_CACHE_HOME") or env.get("HOME", "")
    return f"cargo-zigbuild {version} {kept}{' with the host' if of_host else ''}"
