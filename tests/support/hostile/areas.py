"""All kinds of input, by the part of cargoship that reads them, and how many of each are tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from support.hostile import caches, debian, documents, images, projects, registries
from support.hostile.judge import Kind

AREAS: Mapping[str, Sequence[Kind]] = {
    "images": images.KINDS,
    "registries": registries.KINDS,
    "caches": caches.KINDS,
    "projects": projects.KINDS,
    "documents": documents.KINDS,
    "debian": debian.KINDS,
}


def shares(kinds: Sequence[Kind], inputs: int) -> Iterator[tuple[Kind, int]]:
    """How many inputs each kind gets: at least one, `inputs` in all."""
    whole = sum(kind.share for kind in kinds)
    left = inputs
    for number, kind in enumerate(kinds):
        count = min(left, max(1, round(inputs * kind.share / whole))) if number < len(kinds) - 1 else left
        left -= count
        if count:
            yield kind, count
