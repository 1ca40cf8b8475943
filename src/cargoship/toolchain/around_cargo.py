"""What stands on PATH in the places of cargo and rustc: the shims of version managers, wrapper scripts, Nix's wrappers.

cargo and rustc are started by cargoship as they lie in their sysroot. A script in front of them may say which these
are, and in which environment they run: variables, flags, another PATH. So it is asked. A subcommand that cargo does not
know it starts as a program of that name (the cargo book, "Custom subcommands"), in the environment that it was given.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from cargoship.events import Emit, Level, Note
from cargoship.process import Command, Runner
from cargoship.reading import real_path

_SUBCOMMAND = "cargoship-environment"
_TELL = """#!{python} -IS
import os, sys
told = [os.fsencode(" ".join(sys.argv[3:])), *(b"=".join(each) for each in os.environb.items())]
with open(sys.argv[2], "wb") as file:
    file.write(b"\\0".join(told))
"""
_OF_A_SHELL = frozenset({"_", "PWD", "OLDPWD", "SHLVL", "CARGO", "MAKEFLAGS", "MFLAGS", "CARGO_MAKEFLAGS"})
"""What a shell, or cargo itself, sets for whatever it starts."""
_TIMEOUT_S = 600.0
"""A version manager may fetch a toolchain first."""


def environment_of_cargo(runner: Runner, env: Mapping[str, str], cwd: Path, emit: Emit) -> Mapping[str, str]:
    """The environment that cargo, started by its name, has in `cwd`; rustc is named in it where that is a wrapper.

    It is `env` where nothing stands around cargo, or CARGO says which one is meant. Where what does so keeps to itself
    what it does, a warning says it.
    """
    cargo = None if env.get("CARGO") else runner.programs.find("cargo", env)
    if cargo is not None and _is_around(cargo, "cargo"):
        env = _asked(runner, cargo, env, cwd, emit)
    rustc = None if env.get("RUSTC") else runner.programs.find("rustc", env)
    if rustc is not None and _is_around(rustc, "rustc") and _is_wrapper(real_path(rustc)):
        return {**env, "RUSTC": str(rustc)}
    return env


def _asked(runner: Runner, cargo: Path, env: Mapping[str, str], cwd: Path, emit: Emit) -> Mapping[str, str]:
    with tempfile.TemporaryDirectory(prefix="cargoship-") as folder:
        program, told = Path(folder, f"cargo-{_SUBCOMMAND}"), Path(folder, "told")
        program.write_text(_TELL.format(python=sys.executable))
        program.chmod(0o700)
        path = os.pathsep.join(filter(None, [env.get("PATH"), folder]))
        command = Command((str(cargo), _SUBCOMMAND, str(told)), cwd, {**env, "PATH": path})
        done = runner.run(command, timeout_s=_TIMEOUT_S)
        try:
            words, *pairs = told.read_bytes().split(b"\0")
        except OSError:
            said = done.error_text.strip().partition("\n")[0]
            emit(Note(f"{cargo} stands around cargo, and does not say what it changes: {said}", Level.WARNING))
            return env
    if words:
        text = f"{cargo} gives cargo options of its own, which are left out: {os.fsdecode(words)}"
        emit(Note(text, Level.WARNING))
    now = {os.fsdecode(name): os.fsdecode(value) for name, _, value in (each.partition(b"=") for each in pairs)}
    now["PATH"] = os.pathsep.join(each for each in now.get("PATH", "").split(os.pathsep) if each != folder)
    kept = {name: value for name, value in now.items() if name not in _OF_A_SHELL}
    kept |= {name: env[name] for name in _OF_A_SHELL if name in env}
    changed = sorted(name for name in {**kept, **env} if kept.get(name) != env.get(name))
    if changed:
        emit(Note(f"{cargo} sets for cargo: {', '.join(changed)}", Level.VERBOSE))
    return kept


def _is_around(program: Path, name: str) -> bool:
    """Whether it is something else than cargo or rustc itself, or rustup's proxy of it, about which all is known."""
    real, rustup = real_path(program), program.parent / "rustup"
    if real.name == "rustup" or (rustup.exists() and rustup.samefile(program)):
        return False
    # a version manager's shim may be a program of that name; the real one lies in a sysroot, with Rust's libraries
    return real.name != name or _is_wrapper(real) or not (real.parent.parent / "lib" / "rustlib").is_dir()


def _is_wrapper(program: Path) -> bool:
    """A script, or what makeBinaryWrapper of Nix puts in front of a program."""
    try:
        with program.open("rb") as stream:
            return stream.read(2) == b"#!" or program.with_name(f".{program.name}-wrapped").exists()
    except OSError:
        return False
