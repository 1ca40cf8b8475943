"""Registries of crates: which one is crates.io, and which ones names stand for. Pure.

It knows how lock files and configurations spell them, and asks none of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from cargoship.cargo.config import Table

_CRATES_IO = re.compile(r"https://(?:github\.com/rust-lang/crates\.io-index|index\.crates\.io/?)")
_OF_REGISTRIES = ("registry+", "sparse+")
_REGISTRY = re.compile(r"CARGO_REGISTRIES_.+_INDEX")
_LOCKED = re.compile(r'^source = "((?:registry|sparse)\+[^"\n]*)"', re.MULTILINE)


def is_of_registry(source: str) -> bool:
    """Whether a source, as Cargo.lock has it, is a registry's."""
    return source.startswith(_OF_REGISTRIES)


def index_address(source: str) -> str:
    """The address of a registry's index, of a source as Cargo.lock has it."""
    # of a sparse index cargo's package ids have both
    return source.removeprefix("sparse+").removeprefix("registry+").removeprefix("sparse+")


def is_crates_io(source: str) -> bool:
    """Whether a source, as Cargo.lock has it, is crates.io; a mirror with a name of its own is another registry."""
    return is_of_registry(source) and _CRATES_IO.fullmatch(index_address(source)) is not None


def names_other_registries(lock: str) -> bool:
    """Whether a lock file, given as its text, has packages of other registries than crates.io."""
    return not all(map(is_crates_io, _LOCKED.findall(lock)))


def may_be_crates_io(index: str) -> bool:
    """Whether an index of [registries] may be crates.io's: a lock file has no other registry then.

    cargo takes several ways to write it for the same: with or without `.git`, a slash at the end, capital letters.
    """
    return "crates.io" in index.lower()


def registry_indexes(files: Iterable[Table], env: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The indexes that names of registries stand for, by where that is said, those that count most first.

    Manifests name a registry by such a name, and cargo asks its configuration which one that is, each time
    (https://doc.rust-lang.org/cargo/reference/registries.html).
    """
    found: dict[str, tuple[str, ...]] = {
        name: (value,) for name, value in env.items() if _REGISTRY.fullmatch(name) and value
    }
    for table in files:
        for name, registry in _registries(table).items():
            index = registry.get("index") if isinstance(registry, dict) else None
            if isinstance(index, str):
                found[name] = (*found.get(name, ()), index)
    return found


def _registries(table: Table) -> dict[str, Any]:
    value = table.get("registries")
    return value if isinstance(value, dict) else {}
