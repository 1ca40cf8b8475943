"""System libraries of the targets for build scripts: pkg-config, the cc crate, CMake, bindgen and the linker find them.

All of it is set in variables for one target each, so that build scripts that compile for the host are not concerned.
What a user has set is kept, and comes first.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from cargoship.debian.sysroot import Sysroot
from cargoship.errors import OutputError, ToolMissing
from cargoship.oci.digest import Digest
from cargoship.oci.files import replace_link, replacing
from cargoship.programs import ProgramFinder

_BINDGEN = "BINDGEN_EXTRA_CLANG_ARGS"
# Compilers, archiver: cargo-zigbuild's, which it sets for cargo and what cargo starts.
_CMAKE = """set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR {processor})
set(CMAKE_C_COMPILER "$ENV{{CC_{suffix}}}")
set(CMAKE_CXX_COMPILER "$ENV{{CXX_{suffix}}}")
set(CMAKE_RANLIB "$ENV{{RANLIB_{suffix}}}")
if(DEFINED ENV{{AR_{suffix}}})
  set(CMAKE_AR "$ENV{{AR_{suffix}}}")
endif()
set(CMAKE_LIBRARY_ARCHITECTURE {multiarch})
set(CMAKE_FIND_ROOT_PATH "{folder}")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
"""


def library_environment(sysroots: Mapping[str, Sysroot], env: Mapping[str, str], *, cache_dir: Path) -> dict[str, str]:
    """`env`, and what leads to the libraries of each target (by Rust's triple); raises ToolMissing, OutputError."""
    made = dict(env)
    if not sysroots:
        return made
    program = None if _has_pkg_config(env) else str(_own_pkg_config())
    for triple, sysroot in sysroots.items():
        suffix = triple.replace("-", "_")
        usr = sysroot.folder / "usr"
        folders = [
            usr / "lib" / sysroot.multiarch / "pkgconfig",
            usr / "lib" / "pkgconfig",
            usr / "share" / "pkgconfig",
        ]
        if program is not None:
            made.setdefault(f"PKG_CONFIG_{suffix}", program)
        made.setdefault(f"PKG_CONFIG_ALLOW_CROSS_{suffix}", "1")
        made.setdefault(f"PKG_CONFIG_LIBDIR_{suffix}", os.pathsep.join(map(str, folders)))
        # a PKG_CONFIG_PATH of the host would come before that
        made.setdefault(f"PKG_CONFIG_PATH_{suffix}", "")
        # after all others: the C library's headers are Zig's
        includes = [usr / "include" / sysroot.multiarch, usr / "include"]
        headers = shlex.join(part for folder in includes for part in ("-idirafter", str(folder)))
        # build scripts link programs to find out what there is; a compile alone has no use for a folder of libraries
        libraries = shlex.join([f"-L{sysroot.library_folder}", "-Wno-unused-command-line-argument"])
        for kind in ("CFLAGS", "CXXFLAGS"):
            made[f"{kind}_{suffix}"] = " ".join(filter(None, (_own(kind, triple, env), headers, libraries)))
        # bindgen takes the first that is set, and cargo-zigbuild sets both
        for name in (f"{_BINDGEN}_{triple}", f"{_BINDGEN}_{suffix}"):
            made[name] = " ".join(filter(None, (env.get(name) or env.get(_BINDGEN), headers)))
    _cmake(sysroots, made, cache_dir)
    made["CARGOSHIP_LIBRARIES"] = str(_links(sysroots, cache_dir))
    return made


def _has_pkg_config(env: Mapping[str, str]) -> bool:
    return bool(env.get("PKG_CONFIG")) or ProgramFinder().find("pkg-config", env) is not None


def _own_pkg_config() -> Path:
    """The one that comes along: the package pkgconf has the program in it."""
    found = importlib.util.find_spec("pkgconf")
    if found is not None and found.origin is not None:
        program = Path(found.origin).parent / ".bin" / "pkgconf"
        if program.exists():
            return program
    raise ToolMissing(
        "pkg-config was not found: it tells build scripts of the libraries in build-packages",
        hint="pip install pkgconf (cargoship depends on it), or install the system's pkg-config",
    )


def _own(kind: str, triple: str, env: Mapping[str, str]) -> str:
    """What the cc crate would have taken: it looks for these in this order."""
    names = (f"{kind}_{triple}", f"{kind}_{triple.replace('-', '_')}", f"TARGET_{kind}", kind)
    return next((env[name] for name in names if name in env), "")


def _cmake(sysroots: Mapping[str, Sysroot], made: dict[str, str], cache_dir: Path) -> None:
    for triple, sysroot in sysroots.items():
        suffix = triple.replace("-", "_")
        names = {f"CMAKE_TOOLCHAIN_FILE_{suffix}", f"CMAKE_TOOLCHAIN_FILE_{triple}"}
        if names.isdisjoint(made) and not {"TARGET_CMAKE_TOOLCHAIN_FILE", "CMAKE_TOOLCHAIN_FILE"} & made.keys():
            text = _CMAKE.format(
                processor=triple.partition("-")[0], suffix=suffix, multiarch=sysroot.multiarch, folder=sysroot.folder
            )
            made[f"CMAKE_TOOLCHAIN_FILE_{suffix}"] = str(_written(cache_dir / "cmake", triple, text))


def _written(folder: Path, triple: str, text: str) -> Path:
    path = folder / f"{triple}-{Digest.of(text.encode()).short}.cmake"
    try:
        with replacing(path) as stream:
            stream.write(text.encode())
    except OSError as error:
        raise _output_error(path, error) from error
    return path


def _links(sysroots: Mapping[str, Sysroot], cache_dir: Path) -> Path:
    """A folder with a link for each triple to where its libraries are: rustc's stand-in passes that on."""
    places = sorted((triple, str(sysroot.library_folder)) for triple, sysroot in sysroots.items())
    folder = cache_dir / "libraries" / Digest.of(repr(places).encode()).short
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for triple, target in places:
            link = folder / triple
            if not link.is_symlink():
                replace_link(link, target)
    except OSError as error:
        raise _output_error(folder, error) from error
    return folder


def _output_error(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"cannot write {path}: {os.strerror(error.errno or 0)}", hint="name another folder with CARGOSHIP_CACHE_DIR"
    )
