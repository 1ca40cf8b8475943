"""Whether what build scripts want is on this machine: they look by themselves, and this looks where they do."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from cargoship.cargo.tools.table import Library, Tool
from cargoship.programs import ProgramFinder

_PKG_CONFIG = ("PKG_CONFIG_LIBDIR", "PKG_CONFIG_PATH")
# somebody has arranged more than where pkg-config's files are
_ARRANGED = "PKG_CONFIG_SYSROOT_DIR"
_HOST_FOLDERS = ("usr/lib/pkgconfig", "usr/lib/*/pkgconfig", "usr/share/pkgconfig", "usr/local/lib/pkgconfig")


def find_tool(tool: Tool, env: Mapping[str, str], root: Path = Path("/")) -> str | None:
    """Where a tool is, or the variable that names it; None where build scripts would not find it."""
    named = next((name for name in tool.variables if env.get(name)), None)
    if named is not None:
        return f"{named}={env[named]}"
    finder = ProgramFinder()
    found = next((path for name in tool.programs if (path := finder.find(name, env)) is not None), None)
    return str(found or _file(tool.files, root) or "") or None


@lru_cache
def _file(patterns: tuple[str, ...], root: Path) -> Path | None:
    return next((path for pattern in patterns for path in root.glob(pattern)), None)


def has_library(library: Library, triple: str | None, env: Mapping[str, str], root: Path = Path("/")) -> bool:
    """Whether a library is there for a target (None: for this machine), or somebody has arranged where it is found."""
    variables = (*library.variables, _ARRANGED)
    if any(env.get(name) for variable in variables for name in _forms(variable, triple)):
        return True
    file = f"{library.name}.pc"
    named = [Path(each) for name in _PKG_CONFIG for each in _folders(name, triple, env)]
    if any((folder / file).exists() for folder in named):
        return True
    return triple is None and any(True for pattern in _HOST_FOLDERS for _ in root.glob(f"{pattern}/{file}"))


def _folders(name: str, triple: str | None, env: Mapping[str, str]) -> Iterator[str]:
    for form in _forms(name, triple):
        yield from filter(None, env.get(form, "").split(os.pathsep))


def _forms(variable: str, triple: str | None) -> tuple[str, ...]:
    """The names under which build scripts look for a variable that may be of one target."""
    if triple is None:
        return (variable, f"HOST_{variable}")
    below = triple.replace("-", "_")
    return (
        f"{variable}_{triple}", f"{variable}_{below}", f"{below.upper()}_{variable}", f"TARGET_{variable}", variable,
    )  # fmt: skip
