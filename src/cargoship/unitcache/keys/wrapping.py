"""Whether something stands around the compiler that may have a say in what comes out. Pure."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping

ASKS_AGAIN = {"CARGO_CACHE_RUSTC_INFO": "0"}
"""With it cargo does not remember what a wrapper has said of the compiler, whatever that has read for it."""
_NAMES = ("RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "RUSTC")
_NAMED = tuple(name for each in _NAMES for name in (each, f"CARGO_BUILD_{each}"))
_KEYS = frozenset({"rustc-wrapper", "rustc-workspace-wrapper", "rustc"})
_TRANSPARENT = frozenset({"sccache", "cachepot", "kache", "cargo"})


def is_transparent(program: str) -> bool:
    """Whether a program gives what rustc makes, or has made of the same: a cache, known by its name and its promise."""
    return os.path.basename(program) in _TRANSPARENT  # noqa: PTH119 - text all the way


def is_wrapped(
    env: Mapping[str, str],
    tables: Iterable[Mapping[str, object]],
    options: Iterable[str],
    *,
    is_compiler: Callable[[str], bool],
) -> bool:
    """Whether variables, cargo's configuration or its --config name a wrapper of rustc that is no such cache.

    `is_compiler` tells names of rustc itself.
    """
    named = [env.get(name, "") for name in _NAMED]
    for table in tables:
        build = table.get("build")
        if isinstance(build, dict):
            named += [str(value) for key, value in build.items() if key in _KEYS]
    if any(each and not is_transparent(each) and not is_compiler(each) for each in named):
        return True
    # a file that is named there may say it, too
    return any("rustc" in each or "=" not in each for each in options)
