"""Zig: where it is, and where cargo-zigbuild is."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from cargoship.errors import ToolMissing
from cargoship.process import Command, Runner
from cargoship.programs import without_secrets
from cargoship.reading import real_path

_HINT = "pip install ziglang (cargoship depends on it), or name a zig program with CARGOSHIP_ZIG"


class Zig(Struct, frozen=True):
    """A Zig installation: the program, its library folder, its version."""

    path: Path
    lib: Path
    version: str


def find_zig(runner: Runner, env: Mapping[str, str]) -> Zig:
    """`CARGOSHIP_ZIG`, else the ziglang package beside this program, else `zig` on PATH; raises ToolMissing."""
    named = env.get("CARGOSHIP_ZIG")
    if named:
        return _ask(runner, Path(named), env)
    package = importlib.util.find_spec("ziglang")
    if package is not None and package.origin is not None:
        folder = Path(package.origin).parent
        path = folder / "zig"
        if path.exists() and (folder / "lib").is_dir():
            # pip has recorded the version: a process start saved
            return Zig(path, folder / "lib", importlib.metadata.version("ziglang"))
    on_path = runner.programs.find("zig", env)
    if on_path is None:
        raise ToolMissing("zig was not found: it compiles the C code and links the programs", hint=_HINT)
    return _ask(runner, on_path, env)


def find_zigbuild(runner: Runner, env: Mapping[str, str]) -> Path:
    """cargo-zigbuild, beside this Python or on PATH; raises ToolMissing."""
    beside = Path(sys.executable).parent / "cargo-zigbuild"
    if beside.exists():
        return beside
    found = runner.programs.find("cargo-zigbuild", env)
    if found is None:
        raise ToolMissing(
            "cargo-zigbuild was not found: it links programs for glibc",
            hint="pip install cargo-zigbuild (cargoship depends on it)",
        )
    return found


def _ask(runner: Runner, path: Path, env: Mapping[str, str]) -> Zig:
    version = runner.run(Command((str(path), "version"), env=without_secrets(env)), timeout_s=60)
    if version.code != 0:
        raise ToolMissing(f"{path} is not a working zig", hint=_HINT, details=version.error_text.strip() or None)
    real = real_path(path)
    for lib in (real.parent / "lib", real.parent / "lib" / "zig", real.parent.parent / "lib" / "zig"):
        if (lib / "compiler_rt.zig").exists():
            return Zig(path, lib, version.text.strip())
    raise ToolMissing(f"{path} has no library folder beside it", hint=_HINT)
