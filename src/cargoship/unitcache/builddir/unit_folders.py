"""Which folders of a build directory belong to one unit alone, by their names: cargo's two layouts. Pure."""

from __future__ import annotations

import re

_OWN = re.compile(r"(.+-)?[0-9a-f]{16}")
"""A folder that is named for a unit: cargo's hash of it, alone or after a name."""
_FINGERPRINTS = frozenset({".fingerprint", "fingerprint"})


def own_folder(path: str) -> str | None:
    """The first folder on the way to `path` that belongs to one unit; what `path` itself is called does not count."""
    start = 0
    while (end := path.find("/", start)) >= 0:
        if _OWN.fullmatch(path, start, end):
            return path[:end]
        start = end + 1
    return None


def in_fingerprint_folder(path: str) -> bool:
    """Whether cargo decides by it whether a unit is fresh."""
    return not _FINGERPRINTS.isdisjoint(path.split("/"))


def last_fingerprint(path: str) -> tuple[bool, str]:
    """An order in which fingerprints come last."""
    return in_fingerprint_folder(path), path
