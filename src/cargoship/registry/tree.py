"""What a reference can stand for, with everything below it: an index or a single manifest, in the order of a push."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from cargoship.errors import ContentInvalid
from cargoship.oci.config import decode_config
from cargoship.oci.descriptor import INDEX_TYPES, MANIFEST_TYPES, Blob, BytesBlob, Descriptor
from cargoship.oci.image import is_image_config
from cargoship.oci.index import Index, nearest, no_such_platform
from cargoship.oci.manifest import MANIFEST_BYTES_MAX, Manifest, decode_index, decode_manifest
from cargoship.oci.platform import Platform
from cargoship.registry.client import RegistryClient
from cargoship.registry.parallel import each
from cargoship.registry.remote import RemoteBlob, RemoteContent

_MANIFESTS_MAX = 1000
_DEPTH_MAX = 4
_JOBS = 4


@dataclass(frozen=True)
class Tree:
    """A manifest or index and what it names, each digest once.

    `waves` are the manifests below `root`: all that one of a wave names is in an earlier one.
    """

    root: BytesBlob
    waves: tuple[tuple[BytesBlob, ...], ...]
    layers: tuple[Blob, ...]
    configs: tuple[Blob, ...]

    @property
    def manifests(self) -> tuple[BytesBlob, ...]:
        """Every manifest and index in the order of a push, the root last."""
        return (*itertools.chain.from_iterable(self.waves), self.root)

    @property
    def blobs(self) -> tuple[Blob, ...]:
        """What has to be there before the first manifest."""
        return (*self.layers, *self.configs)


class Content(Protocol):
    """Where manifests and configs are read; `RemoteContent` is a registry's."""

    def manifest(self, descriptor: Descriptor) -> BytesBlob:
        """A manifest or index, verified against its digest."""
        ...

    def config(self, descriptor: Descriptor) -> bytes:
        """An image's config, verified."""
        ...


def tree_of(index: Index) -> Tree:
    """The tree of an index that is at hand."""
    configs = {image.config_blob.descriptor.digest for image in index.images()}
    blobs = list(index.blobs())
    *below, root = index.manifests()
    # an index has to come after what it names, and that may be another index: `manifests` has them in that order
    images = tuple(blob for blob in below if not _is_index(blob))
    indexes = tuple((blob,) for blob in below if _is_index(blob))
    return Tree(
        root,
        (images, *indexes),
        tuple(blob for blob in blobs if blob.descriptor.digest not in configs),
        tuple(blob for blob in blobs if blob.descriptor.digest in configs),
    )


def read_tree(client: RegistryClient, repository: str, root: BytesBlob) -> Tree:
    """The tree below a manifest or index of a repository; layers and configs stay where they are.

    Raises RegistryError's family, and ContentInvalid for what is no image format, or has more in it than is accepted.
    """
    content = RemoteContent(client, repository)
    levels = [{root.descriptor.digest: root}]
    known = dict(levels[0])
    while children := [child for blob in levels[-1].values() for child in _children(blob)]:
        if len(levels) > _DEPTH_MAX or len(known) + len(children) > _MANIFESTS_MAX:
            raise ContentInvalid(f"{root.descriptor.digest} has more in it than is accepted")
        new = list({child.digest: child for child in children if child.digest not in known}.values())
        read = each(lambda child: read_child(content, child), new, jobs=_JOBS, budget=client.budget)
        known.update((blob.descriptor.digest, blob) for blob in read)
        level = {child.digest: known[child.digest] for child in children}
        # what is there twice comes before the first that names it
        levels = [{name: blob for name, blob in above.items() if name not in level} for above in levels]
        levels.append(level)
    manifests = [decode_manifest(b.data, b.descriptor.media_type) for b in known.values() if not _is_index(b)]
    configs = {manifest.config.digest: manifest.config for manifest in manifests}
    layers = {layer.digest: layer for manifest in manifests for layer in _kept(manifest)}
    return Tree(
        root,
        tuple(tuple(level.values()) for level in reversed(levels[1:])),
        tuple(RemoteBlob.of(client, repository, layers[name]) for name in layers if name not in configs),
        tuple(RemoteBlob.of(client, repository, config) for config in configs.values()),
    )


def read_child(content: Content, descriptor: Descriptor) -> BytesBlob:
    """The manifest or index that an index names; raises as `content` does, and ContentInvalid for what is neither."""
    if descriptor.media_type not in INDEX_TYPES | MANIFEST_TYPES:
        raise ContentInvalid(f"{descriptor.digest} is {descriptor.media_type}, which is no image")
    if descriptor.size_bytes > MANIFEST_BYTES_MAX:
        raise ContentInvalid(f"{descriptor.digest} has {descriptor.size_bytes} bytes, too many for a manifest")
    blob = content.manifest(descriptor)
    if blob.descriptor.size_bytes != descriptor.size_bytes:
        raise ContentInvalid(f"{descriptor.digest} has not the size that its index gives")
    return blob


def choose_image(content: Content, root: BytesBlob, platform: Platform, *, what: str) -> BytesBlob:
    """The manifest for a platform below (or at) a manifest or index, by the rules of `oci.index.choose`.

    `what` is how the whole is called in PlatformUnknown, which says what platforms it has. Raises also as `content`
    does, and ContentInvalid.
    """
    leaves = list(_leaves(content, root, 0))

    def read(descriptor: Descriptor) -> BytesBlob:
        return root if descriptor.digest == root.descriptor.digest else read_child(content, descriptor)

    platforms = [descriptor.platform or platform_of(content, read(descriptor)) for descriptor in leaves]
    position = nearest(platforms, platform)
    if position is None:
        raise no_such_platform(what, platform, [found for found in platforms if found is not None])
    return read(leaves[position])


def platform_of(content: Content, blob: BytesBlob) -> Platform | None:
    """The platform of an image, from its config; None for what is no image."""
    config = decode_manifest(blob.data, blob.descriptor.media_type).config
    return decode_config(content.config(config)).platform if is_image_config(config) else None


def _leaves(content: Content, blob: BytesBlob, depth: int) -> Iterator[Descriptor]:
    """The manifests of images."""
    children = _children(blob)
    if depth > _DEPTH_MAX or len(children) > _MANIFESTS_MAX:
        raise ContentInvalid(f"{blob.descriptor.digest} has more in it than is accepted")
    if not _is_index(blob):
        yield blob.descriptor
    for child in children:
        if child.media_type in INDEX_TYPES:
            yield from _leaves(content, read_child(content, child), depth + 1)
        elif child.media_type in MANIFEST_TYPES:
            yield child


def _is_index(blob: BytesBlob) -> bool:
    media_type = blob.descriptor.media_type
    if media_type not in INDEX_TYPES | MANIFEST_TYPES:
        raise ContentInvalid(f"{blob.descriptor.digest} is {media_type}, which is no image")
    return media_type in INDEX_TYPES


def _children(blob: BytesBlob) -> tuple[Descriptor, ...]:
    return decode_index(blob.data, blob.descriptor.media_type).manifests if _is_index(blob) else ()


def _kept(manifest: Manifest) -> Iterator[Descriptor]:
    """The layers that registries keep: not those that only their maker may give out (image-spec, layer.md)."""
    for layer in manifest.layers:
        if "nondistributable" not in layer.media_type and ".foreign." not in layer.media_type:
            yield layer
