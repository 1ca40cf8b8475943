"""What differs, as values: for people, for programs, and for a rebuild that is compared with its original."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping

from msgspec import Struct

from cargoship.oci.digest import Digest

_ABSENT = object()


class Change(enum.Enum):
    """What became of something from the first image to the second."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class DifferenceKind(enum.Enum):
    """What it is that differs."""

    INDEX = "index"
    """What an index says of itself and of its images."""
    IMAGE = "image"
    """An image that only one of the indexes has."""
    ATTACHED = "attached"
    """A manifest in an index that is no image: an attestation."""
    MANIFEST = "manifest"
    CONFIG = "config"
    LABEL = "label"
    LAYER = "layer"
    PACKING = "packing"
    """The same contents as other bytes."""
    FILE = "file"
    ATTRIBUTE = "attribute"
    """Of a file: its type, mode, owner, size, contents, link, time."""
    SECTION = "section"
    """Of a program (System V ABI, "Sections")."""
    BUILD_ID = "build-id"
    LIBRARY = "library"
    """That a program needs."""
    CRATE = "crate"
    PACKAGE = "package"
    """Of an SBOM, where it is no crate."""


class Difference(Struct, frozen=True):
    """One thing that differs. `old` and `new` are plain values as JSON has them, None on the side that lacks it."""

    kind: DifferenceKind
    name: str
    change: Change
    old: object = None
    new: object = None
    details: tuple[Difference, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The same for programs."""
        document: dict[str, object] = {"kind": self.kind.value, "name": self.name, "change": self.change.value}
        if self.change is not Change.ADDED:
            document["old"] = self.old
        if self.change is not Change.REMOVED:
            document["new"] = self.new
        if self.details:
            document["details"] = [each.to_json() for each in self.details]
        return document


class ImageDifference(Struct, frozen=True):
    """Two images that were compared: what each is for, and where they differ."""

    platforms: tuple[str, str]
    digests: tuple[Digest, Digest]
    differences: tuple[Difference, ...]
    shared_layers: int = 0
    """How many layers they have in common, which were not read."""

    @property
    def is_equal(self) -> bool:
        """Whether they are the same to the byte."""
        return self.digests[0] == self.digests[1]


class Comparison(Struct, frozen=True):
    """Two images, or two indexes of images, and where they differ."""

    targets: tuple[str, str]
    digests: tuple[Digest, Digest]
    differences: tuple[Difference, ...] = ()
    """Of the indexes themselves."""
    images: tuple[ImageDifference, ...] = ()

    @property
    def is_equal(self) -> bool:
        """Whether everything that was asked about is the same to the byte."""
        return not self.differences and all(image.is_equal for image in self.images)


def mapping_differences(
    kind: DifferenceKind, one: Mapping[str, object], other: Mapping[str, object]
) -> Iterator[Difference]:
    """Names that one of two tables lacks, or to which they give other values; in the order of the names."""
    for name in sorted({*one, *other}):
        yield from value_difference(kind, name, one.get(name, _ABSENT), other.get(name, _ABSENT))


def value_difference(kind: DifferenceKind, name: str, old: object, new: object) -> Iterator[Difference]:
    """The difference of two values, if there is any."""
    if old is _ABSENT:
        yield Difference(kind, name, Change.ADDED, new=new)
    elif new is _ABSENT:
        yield Difference(kind, name, Change.REMOVED, old=old)
    elif old != new:
        yield Difference(kind, name, Change.CHANGED, old, new)
