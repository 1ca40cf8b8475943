"""The images below a manifest or index, and which one of them is compared with which: by platform."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from cargoship.oci.content import Content, IndexEntry, names_manifest, platform_of, walk
from cargoship.oci.descriptor import MANIFEST_TYPES, BytesBlob, Descriptor
from cargoship.oci.index import nearest, no_such_platform
from cargoship.oci.platform import UNKNOWN, Platform


class Leaf(Struct, frozen=True):
    """An image of an index, or the one that the root is (`entry` None); `platform` None where nothing says it."""

    descriptor: Descriptor
    platform: Platform | None
    entry: IndexEntry | None = None


class Leaves(Struct, frozen=True):
    """What is below a root: images, and what is none (attestations, other artifacts)."""

    images: tuple[Leaf, ...]
    others: tuple[IndexEntry, ...]

    def choose(self, platform: Platform, what: str) -> Leaf:
        """The image for a platform; a single one that says of none is for any. Raises PlatformUnknown."""
        if len(self.images) == 1 and self.images[0].platform is None:
            return self.images[0]
        platforms = [leaf.platform for leaf in self.images]
        position = nearest(platforms, platform)
        if position is None:
            raise no_such_platform(what, platform, [each for each in platforms if each is not None])
        return self.images[position]


def leaves_of(content: Content, root: BytesBlob) -> Leaves:
    """List what is below a root; manifests are read only where the index does not say what they are for.

    Raises as `content` does, and ContentInvalid.
    """
    listing = walk(content, root)
    if not listing.is_index:
        return Leaves((Leaf(root.descriptor, platform_of(content, root)),), ())
    images, others = [], []
    for entry in listing.entries:
        found = entry.descriptor.platform
        if found is None and names_manifest(entry.descriptor):
            blob = listing.read(content, entry.descriptor)
            if blob is not None and blob.descriptor.media_type in MANIFEST_TYPES:
                found = platform_of(content, blob)
        if found is None or found == UNKNOWN or not names_manifest(entry.descriptor):
            others.append(entry)
        else:
            images.append(Leaf(entry.descriptor, found, entry))
    return Leaves(tuple(images), tuple(others))


def paired(one: Sequence[Leaf], other: Sequence[Leaf]) -> list[tuple[Leaf | None, Leaf | None]]:
    """The images of two roots by their platforms; two that are alone are a pair, whatever they are for."""
    if len(one) == len(other) == 1:
        return [(one[0], other[0])]
    left = list(other)
    pairs: list[tuple[Leaf | None, Leaf | None]] = []
    for leaf in one:
        exact = next((each for each in left if each.platform == leaf.platform), None)
        if exact is None and leaf.platform is not None:
            taken = {each.platform for each in one}
            free = [None if each.platform in taken else each.platform for each in left]
            position = nearest(free, leaf.platform)
            exact = None if position is None else left[position]
        if exact is not None:
            left.remove(exact)
        pairs.append((leaf, exact))
    return pairs + [(None, each) for each in left]
