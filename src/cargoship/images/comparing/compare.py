"""Where any two images differ: indexes first, then images by platform, then what in them is not the same by its digest.

Registries are asked for nothing that both sides have: an image with the same digest is not looked at, and a layer is
read only where no layer of the other image holds the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from msgspec import Struct

from cargoship.bases.remote import CachedContent, RemoteBases
from cargoship.context import Context
from cargoship.errors import ContentInvalid
from cargoship.events import count
from cargoship.images.comparing.difference import Change, Comparison, Difference, DifferenceKind, ImageDifference
from cargoship.images.comparing.documents import (
    config_differences,
    entry_differences,
    index_differences,
    manifest_differences,
    order_differences,
    said_otherwise,
)
from cargoship.images.comparing.files import file_differences
from cargoship.images.comparing.layers import LayerPairs, layer_differences, pairs_of
from cargoship.images.comparing.leaves import Leaf, Leaves, leaves_of, paired
from cargoship.images.comparing.sboms import sbom_differences
from cargoship.images.opening import open_image, platform_in_image
from cargoship.oci.config import decode_config
from cargoship.oci.content import Content, manifest_of, not_there, read_child
from cargoship.oci.descriptor import INDEX_TYPES, MANIFEST_TYPES, BytesBlob, Descriptor
from cargoship.oci.digest import Digest
from cargoship.oci.image import is_image
from cargoship.oci.layer import Layer
from cargoship.oci.platform import Platform
from cargoship.oci.target import ImageTarget, RegistryTarget


class _Side(Struct, frozen=True):
    """One of the two: what it is called, its root, and where the rest of it is read."""

    target: str
    root: BytesBlob
    content: Content

    def read(self, leaf: Leaf) -> BytesBlob:
        """The manifest of an image; raises ContentInvalid where it is not there."""
        if leaf.entry is None:
            return self.root
        found = read_child(self.content, leaf.descriptor)
        if found is None:
            raise not_there(leaf.descriptor, self.root)
        if found.descriptor.media_type not in MANIFEST_TYPES:
            raise ContentInvalid(f"{leaf.descriptor.digest} is {found.descriptor.media_type}, which is no image")
        return found

    @property
    def is_index(self) -> bool:
        return self.root.descriptor.media_type in INDEX_TYPES


def diff(one: str, other: str, context: Context, *, platforms: Sequence[str] = (), whole: bool = False) -> Comparison:
    """Compare two images: layouts' folders, archives' files, references in registries.

    `platforms` are names of those that are compared alone, such as `linux/amd64`, or `linux/amd64=linux/arm64` for one
    with another. With `whole` layers that both have are read too, so that a file is known to be there or not whatever
    layer it is in. Raises ContentInvalid for damaged ones, PlatformUnknown, UsageError, RegistryError's family.
    """
    asked = [_asked(each) for each in platforms]
    with _opened(one, context) as before, _opened(other, context) as after:
        digests = (before.root.descriptor.digest, after.root.descriptor.digest)
        if digests[0] == digests[1] and not asked:
            return Comparison((one, other), digests)
        comparing = _Comparing(before, after, context, whole=whole)
        if asked:
            left, right = comparing.leaves()
            pairs = [(left.choose(a, one), right.choose(b, other)) for a, b in asked]
            return Comparison((one, other), digests, (), tuple(comparing.image(a, b) for a, b in pairs))
        return comparing.everything(digests)


def _asked(text: str) -> tuple[Platform, Platform]:
    name, equals, other = text.partition("=")
    return platform_in_image(name), platform_in_image(other if equals else name)


@contextlib.contextmanager
def _opened(text: str, context: Context) -> Iterator[_Side]:
    """A side, whose blobs in a registry come through the cache of bases: they may be read twice, and sent once."""
    target = ImageTarget.parse(text, context.cwd)
    if not isinstance(target, RegistryTarget):
        with open_image(target, context) as source:
            yield _Side(text, source.root, source.content)
        return
    cache = context.cache_dir / "bases"
    with RemoteBases(open_client=context.connect, cache=cache, emit=context.emit, called="the image") as remote:
        yield _Side(text, remote.root(target.reference), CachedContent(remote, target.reference))


class _Comparing:
    def __init__(self, one: _Side, other: _Side, context: Context, *, whole: bool) -> None:
        self._one = one
        self._other = other
        self._context = context
        self._whole = whole

    def leaves(self) -> tuple[Leaves, Leaves]:
        return leaves_of(self._one.content, self._one.root), leaves_of(self._other.content, self._other.root)

    def everything(self, digests: tuple[Digest, Digest]) -> Comparison:
        left, right = self.leaves()
        differences: list[Difference] = []
        images = []
        for a, b in paired(left.images, right.images):
            if a is None or b is None:
                differences.append(_alone(a, b))
                continue
            if a.entry is not None and b.entry is not None:
                differences += entry_differences(_name(a), a.entry, b.entry)
            images.append(self.image(a, b))
        differences = [*self._roots(), *differences, *_others(left, right)]
        if not differences and all(image.is_equal for image in images):
            differences += said_otherwise(DifferenceKind.INDEX)
        return Comparison((self._one.target, self._other.target), digests, tuple(differences), tuple(images))

    def _roots(self) -> Iterator[Difference]:
        one, other = self._one, self._other
        if one.is_index and other.is_index:
            yield from index_differences(one.root.data, other.root.data)
        elif one.is_index or other.is_index:
            old, new = ("an index of images" if each.is_index else "one image" for each in (one, other))
            yield Difference(DifferenceKind.INDEX, "kind", Change.CHANGED, old, new)

    def image(self, one: Leaf, other: Leaf) -> ImageDifference:
        """Two images; those with the same digest are not read."""
        names = (_name(one), _name(other))
        digests = (one.descriptor.digest, other.descriptor.digest)
        if digests[0] == digests[1]:
            return ImageDifference(names, digests, ())
        manifests = self._one.read(one), self._other.read(other)
        found = list(manifest_differences(manifests[0].data, manifests[1].data))
        decoded = [manifest_of(each) for each in manifests]
        configs = [
            side.content.config(each.config) for side, each in zip((self._one, self._other), decoded, strict=True)
        ]
        if not all(is_image(each) for each in decoded):
            raise ContentInvalid(f"{self._one.target} or {self._other.target} is no image, but an artifact")
        if configs[0] != configs[1]:
            found += config_differences(*configs)
            found += order_differences(*configs)
        old, new = (
            _layers(side.content, manifest, config)
            for side, manifest, config in zip((self._one, self._other), manifests, configs, strict=True)
        )
        pairs = pairs_of(old, new)
        found += layer_differences(pairs)
        found += self._files(one, other, old, new, pairs)
        return ImageDifference(
            names, digests, tuple(found or said_otherwise(DifferenceKind.MANIFEST)), len(pairs.shared)
        )

    def _files(
        self, one: Leaf, other: Leaf, old: Sequence[Layer], new: Sequence[Layer], pairs: LayerPairs
    ) -> Iterator[Difference]:
        if not pairs.replaced:
            return
        is_whole = self._whole or not pairs.shared
        read = (old, new) if is_whole else pairs.unshared()
        files, unexplained = file_differences(*read, is_whole=is_whole)
        yield from files
        if unexplained:
            yield from sbom_differences(self._one.target, self._other.target, (one, other), self._context)
        if not files:
            said = "in other layers, in another order, or with other names of owners"
            yield Difference(DifferenceKind.PACKING, "files", Change.CHANGED, "the same files", said)


def _layers(content: Content, manifest: BytesBlob, config: bytes) -> tuple[Layer, ...]:
    descriptors, diff_ids = manifest_of(manifest).layers, decode_config(config).diff_ids
    if len(descriptors) != len(diff_ids):
        raise ContentInvalid(
            f"image {manifest.descriptor.digest} has {count(len(descriptors), 'layer')}, and its config has "
            f"{len(diff_ids)}"
        )
    return tuple(Layer(content.blob(blob), diff) for blob, diff in zip(descriptors, diff_ids, strict=True))


def _name(leaf: Leaf) -> str:
    return "any platform" if leaf.platform is None else str(leaf.platform)


def _alone(one: Leaf | None, other: Leaf | None) -> Difference:
    leaf = one or other
    assert leaf is not None  # noqa: S101 - a pair has at least one
    digest = str(leaf.descriptor.digest)
    if other is None:
        return Difference(DifferenceKind.IMAGE, _name(leaf), Change.REMOVED, old=digest)
    return Difference(DifferenceKind.IMAGE, _name(leaf), Change.ADDED, new=digest)


def _others(left: Leaves, right: Leaves) -> Iterator[Difference]:
    """What indexes have beside images, known by digest: attestations are about digests, and differ where these do."""
    one, other = ({str(each.descriptor.digest): each.descriptor for each in side.others} for side in (left, right))
    for digest in (digest for digest in one if digest not in other):
        yield Difference(DifferenceKind.ATTACHED, _artifact(one[digest]), Change.REMOVED, old=digest)
    for digest in (digest for digest in other if digest not in one):
        yield Difference(DifferenceKind.ATTACHED, _artifact(other[digest]), Change.ADDED, new=digest)


def _artifact(descriptor: Descriptor) -> str:
    return descriptor.artifact_type or descriptor.annotations.get("vnd.docker.reference.type") or descriptor.media_type
