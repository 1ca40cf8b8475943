"""What a reference can stand for, with everything below it: an index or a single manifest, in the order of a push."""

from __future__ import annotations

import itertools

from msgspec import Struct

from cargoship.errors import ContentInvalid
from cargoship.oci.content import (
    Content,
    Each,
    in_turn,
    manifest_of,
    names_manifest,
    not_there,
    platform_of,
    walk,
)
from cargoship.oci.descriptor import INDEX_TYPES, MANIFEST_TYPES, Blob, BytesBlob, Descriptor
from cargoship.oci.index import Index, nearest, no_such_platform
from cargoship.oci.platform import Platform


class ManifestTree(Struct, frozen=True):
    """A manifest or index and what it names, each digest once.

    `waves` are the manifests below `root`: all that one of a wave names is in an earlier one.
    """

    root: BytesBlob
    waves: tuple[tuple[BytesBlob, ...], ...]
    layers: tuple[Blob, ...]
    configs: tuple[Blob, ...]

    @property
    def descriptor(self) -> Descriptor:
        """What the root is."""
        return self.root.descriptor

    def manifests(self) -> tuple[BytesBlob, ...]:
        """Every manifest and index in the order of a push, the root last."""
        return (*itertools.chain.from_iterable(self.waves), self.root)

    def blobs(self) -> tuple[Blob, ...]:
        """What has to be there before the first manifest."""
        return (*self.layers, *self.configs)


def tree_of(index: Index) -> ManifestTree:
    """The tree of an index that is at hand."""
    configs = {image.config_blob.descriptor.digest for image in index.images()}
    blobs = list(index.blobs())
    *below, root = index.manifests()
    # an index has to come after what it names, and that may be another index: `manifests` has them in that order
    images = tuple(blob for blob in below if blob.descriptor.media_type not in INDEX_TYPES)
    indexes = tuple((blob,) for blob in below if blob.descriptor.media_type in INDEX_TYPES)
    return ManifestTree(
        root,
        (images, *indexes),
        tuple(blob for blob in blobs if blob.descriptor.digest not in configs),
        tuple(blob for blob in blobs if blob.descriptor.digest in configs),
    )


def read_tree(content: Content, root: BytesBlob, each: Each = in_turn) -> ManifestTree:
    """The tree below a manifest or index; layers and configs stay where they are.

    What an index names and is no manifest (image-spec, image-index.md, lets it) is a blob of the tree. Raises as
    `content` does, and ContentInvalid for what is no image format, is not there, or has more in it than is accepted.
    """
    listing = walk(content, root)
    for descriptor in listing.missing:
        raise not_there(descriptor, root)
    others = [each_one for each_one in listing.manifests if not names_manifest(each_one)]
    wanted = [each_one for each_one in listing.manifests if names_manifest(each_one)]

    def read(descriptor: Descriptor) -> BytesBlob:
        blob = listing.read(content, descriptor)
        if blob is None:
            raise not_there(descriptor, root)
        return blob

    found = {blob.descriptor.digest: blob for blob in each(read, wanted)}
    blobs = tuple(found[descriptor.digest] for descriptor in wanted)
    manifests = [manifest_of(blob) for blob in blobs if blob.descriptor.media_type in MANIFEST_TYPES]
    configs = {manifest.config.digest: manifest.config for manifest in manifests}
    layers = {layer.digest: layer for manifest in manifests for layer in manifest.layers if not layer.is_its_makers}
    layers.update((descriptor.digest, descriptor) for descriptor in others)
    return ManifestTree(
        root,
        (*((blobs,) if listing.is_index else ()), *((index,) for index in listing.indexes)),
        tuple(content.blob(layers[name]) for name in layers if name not in configs),
        tuple(content.blob(config) for config in configs.values()),
    )


def choose_image(content: Content, root: BytesBlob, platform: Platform, *, what: str) -> BytesBlob:
    """The manifest for a platform below (or at) a manifest or index, by the rules of `oci.index.choose`.

    A single image that does not say what it is for is for any platform, as engines have it. `what` is how the whole is
    called in PlatformUnknown, which says what platforms it has. Raises also as `content` does, and ContentInvalid.
    """
    listing = walk(content, root)
    known: dict[int, BytesBlob | None] = {}
    platforms: list[Platform | None] = []
    leaves = [entry.descriptor for entry in listing.entries] if listing.is_index else [root.descriptor]
    for position, descriptor in enumerate(leaves):
        found = descriptor.platform
        if found is None and names_manifest(descriptor):
            blob = known[position] = listing.read(content, descriptor)
            if blob is not None and blob.descriptor.media_type in MANIFEST_TYPES:
                found = platform_of(content, blob)
                if found is None and not listing.is_index:
                    return root
        platforms.append(found)
    position_found = nearest(platforms, platform)
    if position_found is None:
        raise no_such_platform(what, platform, [found for found in platforms if found is not None])
    chosen = leaves[position_found]
    blob = known.get(position_found) or listing.read(content, chosen)
    if blob is None:
        raise not_there(chosen, root)
    if blob.descriptor.media_type not in MANIFEST_TYPES:
        raise ContentInvalid(f"{chosen.digest} is {blob.descriptor.media_type}, which is no image")
    return blob
