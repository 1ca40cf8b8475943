"""The environment in which cargo compiles: which compilers it and the crates' build scripts find.

What a user has set is left alone: a compiler or linker of one's own choice for a target, RUSTFLAGS, wrappers.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from cargoship.cargo.config import cargo_home
from cargoship.platforms import LibcFamily
from cargoship.reading import real_path
from cargoship.toolchain.locate import Toolchain, Way
from cargoship.toolchain.marks import mark_used
from cargoship.toolchain.runtime import runtime_folder, zigbuild_environment
from cargoship.toolchain.wrappers import (
    RUSTC,
    bindgen_arguments,
    cmake_toolchain,
    compiler_environment,
    driver,
    linker,
    write_wrappers,
)


def identity(toolchain: Toolchain) -> str:
    """Text that changes when what compiles changes: rustc, Zig, and where the standard libraries are."""
    libraries = [f"{target.triple}={target.std}" for target in toolchain.targets]
    return "\n".join([toolchain.rust.version, str(toolchain.rust.compiler), toolchain.zig.version, *libraries])


def compile_environment(
    toolchain: Toolchain, env: Mapping[str, str], *, cache_dir: Path, notes: Path, root: Path | None = None
) -> dict[str, str]:
    """The environment for cargo; raises OutputError.

    The wrappers write a line to the file `notes` for what they do beyond the ordinary. `root` is the workspace's
    folder, which programs do not name, nor that of cargo.
    """
    pairs = [(target.triple, target.row) for target in toolchain.targets]
    wrappers = write_wrappers(cache_dir, pairs, identity=identity(toolchain))
    runtime = runtime_folder(toolchain.zig, cache_dir)
    mark_used(runtime)
    made = {
        **env,
        "PATH": os.pathsep.join([str(wrappers), env.get("PATH", "")]),
        "RUSTC": RUSTC,
        "CARGOSHIP_RUSTC": str(toolchain.rust.compiler),
        "CARGOSHIP_SYSROOT": str(toolchain.sysroot),
        "CARGOSHIP_SYSROOT_TARGETS": " ".join(toolchain.shimmed),
        "CARGOSHIP_ZIG": str(toolchain.zig.path),
        "CARGOSHIP_ZIG_LIB": str(toolchain.zig.lib),
        "CARGOSHIP_RUNTIME": str(runtime),
        "CARGOSHIP_PYTHON": sys.executable,
        "CARGOSHIP_DRIVER": str(driver()),
        "CARGOSHIP_NOTES": str(notes),
        "CARGOSHIP_PATHS": "\n".join(f"{path}={name}" for path, name in replaced_paths(env, root).items()),
    }
    if toolchain.rust.rustup is not None:
        # crates' build scripts that start cargo or rustc get the same ones, whatever folder they are in
        made["RUSTUP_TOOLCHAIN"] = toolchain.rust.sysroot.name
    if toolchain.component_linker is not None:
        made["CARGOSHIP_COMPONENT_LINKER"] = str(toolchain.component_linker)
    if toolchain.libc.family is LibcFamily.MUSL:
        made["CARGOSHIP_STATIC_TARGETS"] = " ".join(triple for triple, row in pairs if not row.is_wasm)
    match toolchain.way:
        case Way.DIRECT:
            _direct(toolchain, made, wrappers)
        case Way.ZIGBUILD:
            made["CARGO"] = str(toolchain.rust.cargo)
            made |= zigbuild_environment(toolchain.zig, env, cache_dir=cache_dir)
    return made


def replaced_paths(env: Mapping[str, str], root: Path | None) -> dict[str, str]:
    """Folders of this machine, and what programs name instead: cargo's own, and the workspace. The innermost is first.

    The wrappers put each before those that are there, and a compiler takes the last one that fits. A line of text has
    one, so a folder with a line end in its name stays as it is.
    """
    home = cargo_home(env).absolute()
    named = {} if root is None else {root: "/workspace"}
    kept = {home / "registry" / "src": "/cargo/registry/src", home / "git" / "checkouts": "/cargo/git/checkouts"}
    found = {str(each): name for path, name in {**named, **kept}.items() for each in (path, real_path(path))}
    return {path: found[path] for path in sorted(found, key=len, reverse=True) if "\n" not in path}


def _direct(toolchain: Toolchain, made: dict[str, str], wrappers: Path) -> None:
    for target in toolchain.targets:
        suffix = target.triple.replace("-", "_")
        made.setdefault(f"CARGO_TARGET_{suffix.upper()}_LINKER", linker(target.triple))
        for name, value in compiler_environment(target.triple).items():
            kind = name.partition("_")[0]
            if f"{kind}_{target.triple}" not in made and f"TARGET_{kind}" not in made:
                made.setdefault(name, value)
        made.setdefault(f"CMAKE_TOOLCHAIN_FILE_{suffix}", str(wrappers / cmake_toolchain(target.triple)))
        made.setdefault(f"BINDGEN_EXTRA_CLANG_ARGS_{suffix}", bindgen_arguments(target.row, toolchain.zig.lib))
