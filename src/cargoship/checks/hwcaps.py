"""Levels of processors, for which glibc's loader looks into folders of their own before all others.

In every folder in which it looks for libraries, ld.so looks into `glibc-hwcaps/<level>` first, for the levels that the
processor has, the best one first (glibc 2.33 and later; sysdeps/*/dl-hwcaps-subdirs.c, elf/dl-hwcaps_subdirs.c).
"""

from __future__ import annotations

from collections.abc import Iterator

from cargoship.oci.platform import Platform
from cargoship.platforms import kin

SINCE = (2, 33)
"""The first glibc that looks there."""
_FOLDER = "glibc-hwcaps"


def promised(platform: Platform) -> tuple[str, ...]:
    """The levels that every processor of a platform has, the best one first: amd64/v3 promises two, amd64 none."""
    levels = _levels(platform)
    # amd64's variants are the ends of the names
    having = next((index for index, level in enumerate(levels) if level.rpartition("-")[2] == platform.variant), -1)
    return levels[having::-1] if having >= 0 else ()


def beyond(platform: Platform) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each level above what a platform promises, with the folders that its processors look into, the best first."""
    levels = _levels(platform)
    for index in range(len(promised(platform)), len(levels)):
        yield levels[index], levels[index::-1]


def with_levels(folder: str, levels: tuple[str, ...]) -> Iterator[str]:
    """The folders in which a loader looks for one that it knows, in its order."""
    plain = folder.rstrip("/")
    for level in levels:
        yield f"{plain}/{_FOLDER}/{level}"
    yield plain


def level_of(path: str) -> str | None:
    """The level that a library is for, by the folder in which it lies; None for one that is for all."""
    parts = path.split("/")
    return parts[-2] if len(parts) > 2 and parts[-3] == _FOLDER else None  # noqa: PLR2004 - folder, level, file


def _levels(platform: Platform) -> tuple[str, ...]:
    place = kin(platform)
    return () if place is None else place.hwcaps
