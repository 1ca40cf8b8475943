"""Another cargo of this machine, newer than the one that is first on PATH, for a manifest that this one is too old for.

A distribution's cargo often stands before rustup's, or before a newer one of the distribution's own in a folder of its
own. Nothing is chosen: a person learns what is there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from cargoship.cargo.config import cargo_home
from cargoship.errors import CargoshipError
from cargoship.process import Command, Runner

_TOO_OLD = re.compile(
    r"newer version of Cargo|this version of Cargo (?:is older than|does not understand)|requires rustc \d"
    r"|lock file version .* was found"
)
_VERSION = re.compile(r"cargo (\d+)\.(\d+)\.(\d+)")
_TIMEOUT_S = 10.0
_NEUTRAL = Path("/")
"""Where no toolchain file names a Rust, which rustup would fetch."""
_DISTRIBUTIONS = Path("/usr/lib")
_ELSEWHERE = ("rust-*/bin", "rust/*/bin", "rustup/*/bin")


def about_old_cargo(said: str, cargo: Path, folder: Path, runner: Runner, env: Mapping[str, str]) -> str | None:
    """What to do about what `cargo` said in `folder`; None where it did not say that it is too old."""
    if _TOO_OLD.search(said) is None:
        return None
    path = cargo if cargo.is_absolute() else runner.programs.find(str(cargo), env)
    own = None if path is None else _version(path, folder, runner, env)
    if path is None or own is None:
        return None
    here = f"this is cargo {_shown(own)} ({path})"
    if _version(path, _NEUTRAL, runner, env) != own:
        return f"{here}, which a toolchain file or an override of rustup's chooses: name a newer Rust there"
    folders = (
        str(cargo_home(env) / "bin"),
        *(str(each) for name in _ELSEWHERE for each in sorted(_DISTRIBUTIONS.glob(name))),
    )
    wider = {**env, "PATH": ":".join((env.get("PATH", ""), *folders))}
    found = ((_version(each, _NEUTRAL, runner, env), each) for each in runner.programs.search("cargo", wider))
    known = ((version, each) for version, each in found if version is not None)
    newest, other = max(known, key=lambda pair: pair[0], default=(own, path))
    if newest <= own:
        return f"{here}: install a newer Rust (https://rustup.rs; with rustup: rustup update)"
    return f'{here}, and {other} is {_shown(newest)}: put its folder first, export PATH="{other.parent}:$PATH"'


def _version(cargo: Path, folder: Path, runner: Runner, env: Mapping[str, str]) -> tuple[int, int, int] | None:
    try:
        done = runner.run(Command((str(cargo), "--version"), folder, env), timeout_s=_TIMEOUT_S)
    except CargoshipError:
        return None
    found = _VERSION.match(done.stdout.decode(errors="replace")) if done.code == 0 else None
    return None if found is None else (int(found[1]), int(found[2]), int(found[3]))


def _shown(version: tuple[int, int, int]) -> str:
    return ".".join(map(str, version))
