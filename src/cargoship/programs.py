"""Which file a program's name stands for: the one place that looks on PATH.

What lies in a project is data until somebody asks for it to be run. So a name is never looked up in the current folder
(an empty or relative entry of PATH means that), nor in folders of the project; what cargo starts by itself is cargo's.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from cargoship.reading import real_path

_CARGOS = frozenset({"cargo", "cc", "pkg-config", "rustc", "rustup"})
"""cargo and build scripts find these on PATH by themselves, in the project's folders too (Hermit puts them there)."""
_RUST = (
    "install Rust with rustup (https://rustup.rs) or from the distribution (Debian 12: apt-get install cargo-web "
    "rust-web-src); cargoship doctor says what else a build needs"
)
_ORIGINS = {"cargo": _RUST, "rustc": _RUST, "git": "install git"}
_ROOT_HAS = ("Cargo.toml", ".git")
_SECRET = re.compile(
    r"token|secret|passw|passphrase|credential|_key(?:_|$)|_auth(?:_|$)|_proxy$|^(?:aws|azure|cargoship|google)_",
    re.IGNORECASE,
)


class ProgramFinder(Struct, frozen=True):
    """Finds programs, by an environment's PATH."""

    projects: tuple[Path, ...] = ()
    """Folders whose files are somebody's project: nothing below them is found but what cargo would find there."""

    @classmethod
    def outside(cls, folders: Iterable[Path], env: Mapping[str, str]) -> ProgramFinder:
        """Finds nothing in the projects that `folders` (absolute) are in."""
        home = Path(env.get("HOME") or "/")
        found = (_project_of(folder, home) for folder in folders)
        return cls(tuple(dict.fromkeys(each for each in found if each is not None)))

    def find(self, name: str, env: Mapping[str, str]) -> Path | None:
        """The first program of that name; None where there is none."""
        return next(self.search(name, env), None)

    def search(self, name: str, env: Mapping[str, str]) -> Iterator[Path]:
        """Every program of that name, in PATH's order."""
        for path in _on_path(name, env):
            if name in _CARGOS or not self._is_project(path.parent):
                yield path

    def is_cargos(self, name: str) -> bool:
        """Whether cargo would start it by itself, in whatever folder of PATH it is."""
        return name in _CARGOS

    def reason(self, name: str, env: Mapping[str, str]) -> str:
        """Why there is no program of that name, for people: it `is not on PATH ...`."""
        passed = next(iter(_on_path(name, env)), None)
        where = "" if passed is None else f" outside of the project, where {passed} is not started"
        return f"{name} is not on PATH{where}"

    def origin(self, name: str) -> str | None:
        """Where people get a program of that name from; None where that depends on what it is for."""
        return _ORIGINS.get(name)

    def _is_project(self, folder: Path) -> bool:
        if folder == Path(sys.executable).parent:
            return False  # cargoship itself was started from there
        real = real_path(folder)
        return any(folder.is_relative_to(each) or real.is_relative_to(real_path(each)) for each in self.projects)


def absolute_path(env: Mapping[str, str]) -> str:
    """PATH without the entries that mean the current folder, for programs that look for others."""
    return os.pathsep.join(entry for entry in _entries(env) if entry.startswith("/"))


def without_secrets(env: Mapping[str, str]) -> dict[str, str]:
    """An environment for programs that need no network: nothing whose name says that it holds a secret.

    git's own settings stay: it counts GIT_CONFIG_KEY_0 and those that follow.
    """
    return {name: value for name, value in env.items() if not _SECRET.search(name) or name.startswith("GIT_CONFIG_")}


def _on_path(name: str, env: Mapping[str, str]) -> Iterator[Path]:
    for entry in dict.fromkeys(_entries(env)):
        path = Path(entry) / name
        # access first: is_file raises for a folder that this user may not look into
        if entry.startswith("/") and os.access(path, os.X_OK) and path.is_file():
            yield path


def _entries(env: Mapping[str, str]) -> list[str]:
    return env.get("PATH", os.defpath).split(os.pathsep)


def _project_of(folder: Path, home: Path) -> Path | None:
    """The outermost folder around `folder` that is a project's; a home, and what holds it, is none."""
    candidates = [each for each in (folder, *folder.parents) if not home.is_relative_to(each)]
    found = [each for each in candidates if any(os.path.lexists(each / name) for name in _ROOT_HAS)]
    return found[-1] if found else None
