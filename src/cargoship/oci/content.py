"""Where images are read from, whatever the place: a registry, a layout, an archive; and the one way through an index.

Indexes come from anybody: they may name what was deleted, what is no manifest, themselves in depth, or far too much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from msgspec import Struct

from cargoship.errors import ContentInvalid
from cargoship.oci.config import decode_config
from cargoship.oci.descriptor import INDEX_TYPES, MANIFEST_TYPES, Blob, BytesBlob, Descriptor
from cargoship.oci.image import is_image
from cargoship.oci.manifest import (
    MANIFEST_BYTES_MAX,
    Manifest,
    decode_index,
    decode_manifest,
    index_document,
    is_generic,
)
from cargoship.oci.platform import UNKNOWN, Platform
from cargoship.printable import printable

MANIFESTS_MAX = 1000
"""How many manifests and indexes may be below one root."""
DEPTH_MAX = 4
"""How many indexes may be inside each other, below the first."""

T = TypeVar("T")
R = TypeVar("R")


class Content(Protocol):
    """Where manifests, configs and blobs are read, by their descriptors."""

    def find(self, descriptor: Descriptor) -> BytesBlob | None:
        """A manifest or index, verified against its digest; None where the place does not have it."""
        ...

    def config(self, descriptor: Descriptor) -> bytes:
        """An image's config, verified."""
        ...

    def blob(self, descriptor: Descriptor) -> Blob:
        """A blob of any size, which is verified while it is read."""
        ...


class Each(Protocol):
    """Runs work for several items, one after the other or at the same time; results come in any order."""

    def __call__(self, work: Callable[[T], R], items: Sequence[T], /) -> Iterable[R]:
        """`work` of each of the items."""
        ...


def in_turn(work: Callable[[T], R], items: Sequence[T], /) -> Iterable[R]:
    """The `Each` for places that are at hand: one after the other."""
    return map(work, items)


class IndexEntry(Struct, frozen=True):
    """One manifest of an index: `raw` is what the index says of it, in full."""

    descriptor: Descriptor
    raw: Mapping[str, Any]


class IndexListing(Struct, frozen=True):
    """What an index names, without a look at any of it but the indexes inside.

    `entries` are in the index's order, those of an index inside it in its place; a single manifest has none.
    `indexes` are those inside, each after all that it names. `missing` are those of them that are not there.
    """

    root: BytesBlob
    entries: tuple[IndexEntry, ...]
    indexes: tuple[BytesBlob, ...] = ()
    missing: tuple[Descriptor, ...] = ()

    @property
    def is_index(self) -> bool:
        """Whether the root is an index, and not the manifest of one image."""
        return self.root.descriptor.media_type in INDEX_TYPES

    @property
    def manifests(self) -> tuple[Descriptor, ...]:
        """What it names, each digest once; the root itself where that is a manifest."""
        if not self.is_index:
            return (self.root.descriptor,)
        return tuple({entry.descriptor.digest: entry.descriptor for entry in reversed(self.entries)}.values())[::-1]

    def read(self, content: Content, descriptor: Descriptor) -> BytesBlob | None:
        """The manifest of an entry; None where it is not there. Raises as `read_child` does."""
        return self.root if descriptor.digest == self.root.descriptor.digest else read_child(content, descriptor)


def walk(content: Content, root: BytesBlob) -> IndexListing:
    """List what is below a manifest or index.

    Raises as `content` does, and ContentInvalid for what is neither, or has more in it than is accepted.
    """
    if root.descriptor.media_type not in INDEX_TYPES:
        _check_manifest(root)
        return IndexListing(root, ())
    walker = _Walker(content, root)
    walker.take(root, 0)
    return IndexListing(root, tuple(walker.entries), tuple(walker.indexes), tuple(walker.missing))


class _Walker:
    def __init__(self, content: Content, root: BytesBlob) -> None:
        self._content = content
        self._root = root
        self._seen = {root.descriptor.digest}
        self.entries: list[IndexEntry] = []
        self.indexes: list[BytesBlob] = []
        self.missing: list[Descriptor] = []

    def take(self, blob: BytesBlob, depth: int) -> None:
        children = decode_index(blob.data, blob.descriptor.media_type).manifests
        if depth > DEPTH_MAX or len(self.entries) + len(self.indexes) + len(children) > MANIFESTS_MAX:
            raise ContentInvalid(
                f"{self._root.descriptor.digest} has more in it than is accepted",
                hint=f"that is {MANIFESTS_MAX} manifests, and {DEPTH_MAX} indexes inside each other",
            )
        raws = index_document(blob.data)["manifests"] or ()
        for named, raw in zip(children, raws, strict=True):
            child = self._typed(named)
            if child.media_type not in INDEX_TYPES:
                self.entries.append(IndexEntry(child, raw))
            elif child.digest not in self._seen:
                self._seen.add(child.digest)
                below = read_child(self._content, child)
                if below is None:
                    self.missing.append(child)
                else:
                    self.take(below, depth + 1)
                    self.indexes.append(below)

    def _typed(self, child: Descriptor) -> Descriptor:
        """An entry with the type that its document has, where the index says nothing of use."""
        if not is_generic(child.media_type) or child.size_bytes > MANIFEST_BYTES_MAX:
            return child
        found = read_child(self._content, child)
        return child if found is None else replace(child, media_type=found.descriptor.media_type)


def read_child(content: Content, descriptor: Descriptor) -> BytesBlob | None:
    """What an index names, with its true media type; None where it is not there.

    Raises as `content` does, and ContentInvalid for what is larger than a manifest, or has another size than the index
    says.
    """
    if descriptor.size_bytes > MANIFEST_BYTES_MAX:
        raise ContentInvalid(f"{descriptor.digest} has {descriptor.size_bytes} bytes, too many for a manifest")
    blob = content.find(descriptor)
    if blob is not None and blob.descriptor.size_bytes != descriptor.size_bytes:
        raise ContentInvalid(f"{descriptor.digest} has not the size that its index gives")
    return blob


def names_manifest(descriptor: Descriptor) -> bool:
    """Whether an index's entry is the manifest of an image, and not something else that an index may name."""
    return descriptor.media_type in MANIFEST_TYPES


def kept_away(descriptor: Descriptor) -> ContentInvalid:
    """Why a layer that its maker alone may give out cannot be read."""
    return ContentInvalid(
        f"the layer {descriptor.digest} is not here: its maker alone gives it out, at {printable(descriptor.urls[0])}",
        hint="pull the image with an engine, which gets the layer there",
    )


def not_there(descriptor: Descriptor, root: BytesBlob) -> ContentInvalid:
    """The error for an index that names what was deleted since."""
    about = "" if descriptor.platform is None else f" ({descriptor.platform})"
    return ContentInvalid(
        f"{descriptor.digest}{about} is not there, though the index {root.descriptor.digest} names it",
        hint="it was deleted, or never pushed; choose platforms that are there with --platform",
    )


def platform_of(content: Content, blob: BytesBlob) -> Platform | None:
    """The platform of an image, from its config; None for what is no image, or does not say."""
    manifest = decode_manifest(blob.data, blob.descriptor.media_type)
    if not is_image(manifest):
        return None
    found = decode_config(content.config(manifest.config)).platform
    return None if found == UNKNOWN else found


def manifest_of(blob: BytesBlob) -> Manifest:
    """A manifest that was read, as a value; raises ContentInvalid."""
    return decode_manifest(blob.data, blob.descriptor.media_type)


def _check_manifest(blob: BytesBlob) -> None:
    if blob.descriptor.media_type not in MANIFEST_TYPES:
        raise ContentInvalid(f"{blob.descriptor.digest} is {blob.descriptor.media_type}, which is no image")
