"""The thin programs that cargo and build scripts call as rustc, C compiler, archiver and linker of a target.

They are found by bare names on PATH and take everything that differs from machine to machine from the
environment, so that nothing of a machine enters cargo's fingerprints: the cc crate makes the value of
`CC_<target>` one of the things that a build script's result depends on.

The linker's name ends in `-ld`: rustc then speaks to it as to a plain linker, without a flag that says so
(rustc_target's inference of linker flavours from names).
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

from cargoship.errors import OutputError
from cargoship.oci.digest import Digest
from cargoship.oci.files import atomic_folder
from cargoship.platforms import PlatformSpec
from cargoship.toolchain.marks import mark_used

RUSTC = "cargoship-rustc"
ZIG = "cargoship-zig"
# Without the last three, CMake finds headers and libraries of the host
_CMAKE = """set(CMAKE_SYSTEM_NAME {system})
set(CMAKE_SYSTEM_PROCESSOR {processor})
set(CMAKE_C_COMPILER cargoship-{triple}-cc)
set(CMAKE_CXX_COMPILER cargoship-{triple}-c++)
set(CMAKE_ASM_COMPILER cargoship-{triple}-cc)
set(CMAKE_AR cargoship-{triple}-ar)
set(CMAKE_RANLIB cargoship-{triple}-ranlib)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
"""


def linker(triple: str) -> str:
    """Name of a target's linker."""
    return f"cargoship-{triple}-ld"


def compiler_environment(triple: str) -> dict[str, str]:
    """What tells the cc crate, cmake and autotools of a target's C compiler and archiver.

    The names of variables as the cc crate documents them: `<NAME>_<triple with underscores>`.
    """
    suffix = triple.replace("-", "_")
    return {
        f"CC_{suffix}": f"cargoship-{triple}-cc",
        f"CXX_{suffix}": f"cargoship-{triple}-c++",
        f"AR_{suffix}": f"cargoship-{triple}-ar",
        f"RANLIB_{suffix}": f"cargoship-{triple}-ranlib",
    }


def bindgen_arguments(row: PlatformSpec, zig_lib: Path) -> str:
    """The clang arguments that show bindgen the C headers that Zig compiles with, in Zig's own order."""
    if row.is_wasm:
        includes = (zig_lib / "include", zig_lib / "libc" / "include" / "wasm-wasi-musl")
        words = [part for folder in includes for part in ("-isystem", str(folder))]
        return shlex.join([f"--target={row.musl}", "-nostdinc", *words])
    headers, family = row.zig_headers
    include = zig_lib / "libc" / "include"
    folders = [
        zig_lib / "include",
        include / f"{headers}-linux-musl",
        include / "generic-musl",
        include / f"{family}-linux-any",
        include / "any-linux-any",
    ]
    system = [part for folder in folders for part in ("-isystem", str(folder))]
    return shlex.join([f"--target={row.musl}", "-nostdinc", *system])


def cmake_toolchain(triple: str) -> str:
    """Name of a target's CMake toolchain file, in the wrappers' folder."""
    return f"{triple}.cmake"


def write_wrappers(cache_dir: Path, rows: Sequence[tuple[str, PlatformSpec]], *, identity: str) -> Path:
    """Write the wrappers for (triple, row) pairs and return their folder.

    The folder's name holds `identity` (what the toolchain is): cargo remembers what a rustc at a path said of
    itself, so another toolchain must stand at another path. Raises OutputError.
    """
    return _written(cache_dir, _files(rows), identity)


def write_zig(cache_dir: Path, *, zig: Path, runtime: Path, objects: Path) -> Path:
    """Write the program that cargo-zigbuild starts as Zig, and return it. Raises OutputError.

    `runtime` is the folder for what Zig compiles of itself, `objects` for all else. They are written into it:
    cargo-zigbuild's own scripts name it, and outlive the build that they were made for.
    """
    values = {"zig": str(zig), "runtime": str(runtime), "objects": str(objects)}
    return _written(cache_dir, {ZIG: _script(values, "zig")}, "zig") / ZIG


def _written(cache_dir: Path, files: Mapping[str, str], identity: str) -> Path:
    key = Digest.of("\0".join([identity, *(f"{name}\0{text}" for name, text in sorted(files.items()))]).encode())
    folder = cache_dir / "wrappers" / key.short
    if folder.is_dir():
        mark_used(folder)
        return folder
    try:
        # another run may be quicker, with the same bytes
        with atomic_folder(folder) as making:
            for name, text in files.items():
                path = making / name
                path.write_text(text)
                path.chmod(0o755)
    except OSError as error:
        raise OutputError(
            f"cannot write compiler wrappers below {cache_dir}: {os.strerror(error.errno or 0)}",
            hint="name another folder with CARGOSHIP_CACHE_DIR",
        ) from error
    return folder


def driver() -> Path:
    """The program that links whole C programs for the compiler wrappers."""
    return Path(str(resources.files("cargoship.toolchain") / "scripts" / "driver.py"))


def wrapper_identity(triple: str, row: PlatformSpec) -> str:
    """Text that changes when what the wrappers of a target, or the program that links for them, do changes."""
    texts = sorted({**_files([(triple, row)]), driver().name: driver().read_text()}.items())
    return Digest.of("\0".join(f"{name}\0{text}" for name, text in texts).encode()).short


def _files(rows: Sequence[tuple[str, PlatformSpec]]) -> dict[str, str]:
    files = {RUSTC: _script({}, "rustc")}
    for triple, row in rows:
        values = {"triple": triple, "zig_target": row.zig_musl, "zig_cpu": row.zig_cpu or "", "march": row.march.value}
        compiling = {**values, "zig_cpu": row.zig_processor or row.zig_cpu or ""}
        for language in ("cc", "c++"):
            files[f"cargoship-{triple}-{language}"] = _script({**compiling, "language": language}, "cc")
        files[linker(triple)] = _script({}, "wasm-ld") if row.is_wasm else _script(values, "runtime", "ld")
        if row.is_component:
            files[f"{linker(triple)}-module"] = files[linker(triple)]
            files[linker(triple)] = _script({}, "component")
        files[f"cargoship-{triple}-ar"] = _script({}, "ar")
        files[f"cargoship-{triple}-ranlib"] = _script({}, "ranlib")
        files[cmake_toolchain(triple)] = _CMAKE.format(
            triple=triple, processor=triple.partition("-")[0], system="WASI" if row.is_wasm else "Linux"
        )
    return files


def _script(values: Mapping[str, str], *bodies: str) -> str:
    folder = resources.files("cargoship.toolchain") / "scripts"
    lines = ["#!/bin/sh", *(f"{name}={shlex.quote(value)}" for name, value in values.items())]
    return "\n".join(lines) + "\n" + "".join((folder / f"{body}.sh").read_text() for body in bodies)
