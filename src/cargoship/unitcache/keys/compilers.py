"""A toolchain, in the words that keys have for it: versions and contents, never the places where things lie.

What cargo itself puts into fingerprints of such places is named, for a unit from elsewhere would be compiled again.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from cargoship.cargo.config import target_name
from cargoship.oci.digest import Digest
from cargoship.platforms import Libc, LibcFamily, PlatformSpec
from cargoship.toolchain.locate import Foreseen, Toolchain, Way
from cargoship.toolchain.rust import Rust
from cargoship.toolchain.wrappers import wrapper_identity
from cargoship.toolchain.zig import Zig
from cargoship.unitcache.keys.environment import Compilers


def compilers_of(toolchain: Toolchain, env: Mapping[str, str]) -> Compilers:
    """The compilers of a `cargoship build`."""
    pairs = [(target.triple, target.row) for target in toolchain.targets]
    libraries = {target.triple: target.std for target in toolchain.targets}
    linking = toolchain.component_linker
    return _compilers(toolchain.rust, toolchain.zig, toolchain.way, toolchain.libc, pairs, libraries, env, linking)


def foreseen_compilers(foreseen: Foreseen, env: Mapping[str, str]) -> Compilers:
    """The same; libraries that may still have to be built are left out."""
    return _compilers(
        foreseen.rust, foreseen.zig, foreseen.way, foreseen.libc, foreseen.pairs, foreseen.installed, env,
        foreseen.component_linker,
    )  # fmt: skip


def _compilers(
    rust: Rust,
    zig: Zig,
    way: Way,
    libc: Libc,
    pairs: Sequence[tuple[str, PlatformSpec]],
    libraries: Mapping[str, Path],
    env: Mapping[str, str],
    component_linker: Path | None,
) -> Compilers:
    found = {rust.host: _library(rust, rust.host)} | dict(libraries)
    words = f"zig {zig.version}"
    if way is Way.DIRECT:
        tools = {triple: f"{words} {wrapper_identity(triple, row)}" for triple, row in pairs}
        for triple in [triple for triple, row in pairs if component_linker is not None and row.is_component]:
            tools[triple] += f" {_content(component_linker)}"
        return Compilers(rust.cargo, rust.version, rust.host, found, tools, replaced=frozenset(tools))
    gnu = libc.family is LibcFamily.GNU
    tools = {triple: f"{words} glibc {libc.floor or row.gnu_floor}" if gnu else words for triple, row in pairs}
    through = _zigbuild(of_host=rust.host in tools, env=env)
    return Compilers(rust.cargo, rust.version, rust.host, found, tools, through, frozenset(tools))


def plain_compilers(
    rust: Rust,
    env: Mapping[str, str],
    *,
    zig: str | None = None,
    named: Iterable[str] = (),
    through: str = "",
    asks: bool = False,
) -> Compilers:
    """The compilers of a plain cargo, for every target that rustc has a standard library of, and those `named`.

    The names are those that cargo, or cargo-zigbuild, is given.

    `zig` is the version of the Zig that cargo-zigbuild links with; `through` is what else stands around cargo. With
    `asks`, that looks which packages were asked for.
    """
    folder = rust.sysroot / "lib" / "rustlib"
    libraries = {path.name: path for path in folder.iterdir() if (path / "lib").is_dir()} if folder.is_dir() else {}
    # cargo-zigbuild takes a lowest glibc with a triple: x86_64-unknown-linux-gnu.2.17
    apart = [name.partition(".")[::2] if zig else (target_name(name), "") for name in named]
    targets = {triple: "" if zig is None else f"zig {zig} {floor}".rstrip() for triple, floor in apart}
    words = through if zig is None else _zigbuild(of_host=rust.host in targets, env=env)
    return Compilers(rust.cargo, rust.version, rust.host, libraries, targets, words, asks=asks)


def _content(program: Path | None) -> str:
    if program is None:
        return ""
    with program.open("rb") as stream:
        return str(Digest.of_stream(stream)[0])


def _library(rust: Rust, triple: str) -> Path:
    return rust.sysroot / "lib" / "rustlib" / triple


def _zigbuild(*, of_host: bool, env: Mapping[str, str]) -> str:
    """cargo-zigbuild: its wrappers' paths reach build scripts, and for the host's own target cargo's mode differs."""
    try:
        version = importlib.metadata.version("cargo-zigbuild")
    except importlib.metadata.PackageNotFoundError:
        version = "unknown"
    kept = env.get("CARGO_ZIGBUILD_CACHE_DIR") or env.get("XDG_CACHE_HOME") or env.get("HOME", "")
    return f"cargo-zigbuild {version} {kept}{' with the host' if of_host else ''}"
