"""Packs, and the files of units that go into them, as values. `packing` writes packs, `unpacking` reads them.

A pack is some megabytes of zstd frames, one a unit, so that a registry is asked a few times instead of hundreds, and
yet a single unit can be read. A frame holds a head, which lists the unit's files, and then their content.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from cargoship.oci.digest import Digest
from cargoship.unitcache.packs.index import PackInfo, UnitEntry

PACK_BYTES = 8 << 20
"""A pack that has this many bytes is complete."""


class UnitFile(Struct, frozen=True):
    """A file of a unit.

    `path` is relative to the build directory, with slashes. `source` is a file, or the bytes themselves. A file that
    is linked twice is given twice: the second one becomes a hard link. A folder stands for itself, without what is in
    it. A symbolic link must lead to another path of the same unit; a unit with any other link is refused.
    """

    path: str
    source: Path | bytes


class Placed(Struct, frozen=True):
    """Where a unit has got its place; the same fields as those of an Entry."""

    key: Digest
    pack: Digest
    offset: int
    length: int
    frame: Digest
    unpacked: int


class Pack(Struct, frozen=True):
    """A complete pack in a file of the scratch folder."""

    path: Path
    digest: Digest
    size: int
    placed: tuple[Placed, ...]
    units: int = 0
    """How many units are in it, where `placed` does not tell."""

    @property
    def info(self) -> PackInfo:
        """What an index says of it."""
        return PackInfo(self.size, self.units or len(self.placed))


class PackWriter(Protocol):
    """What `packing.pack_writer(scratch)` gives, as a context: it compresses in threads while more is added.

    The bytes depend on the order of the units and on their content, never on the threads.
    """

    def add(self, key: Digest, files: Sequence[UnitFile]) -> None:
        """Take a unit; its files are read soon, not at once. A key that was added before is left out."""
        ...

    @property
    def refused(self) -> Mapping[Digest, str]:
        """Units that cannot be packed, and why: a link that leads elsewhere, a file that went or changed meanwhile.

        They are in no pack; complete after `close`.
        """
        ...

    def done(self) -> tuple[Pack, ...]:
        """Packs that are complete and were not given yet, in order: they can be uploaded while more is packed."""
        ...

    def close(self) -> tuple[Pack, ...]:
        """Finish the last pack; all packs, in order."""
        ...


def entry_at(placed: Placed, template: UnitEntry) -> UnitEntry:
    """`template` in its place."""
    return replace(
        template,
        pack=placed.pack,
        offset=placed.offset,
        length=placed.length,
        frame=placed.frame,
        unpacked=placed.unpacked,
    )
