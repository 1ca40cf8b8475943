"""Reading an image's facts: index, manifests, configs. Layers stay where they are."""

from __future__ import annotations

from msgspec import Struct

from cargoship.oci.content import Content, Each, in_turn, manifest_of, names_manifest, walk
from cargoship.oci.descriptor import MANIFEST_TYPES, BytesBlob, Descriptor
from cargoship.oci.reference import Reference
from cargoship.registry.client import RegistryClient
from cargoship.registry.source import remote_source


class FoundImage(Struct, frozen=True):
    """A manifest and its config. `descriptor` is what the index says of it, with the platform."""

    descriptor: Descriptor
    manifest: BytesBlob
    config: BytesBlob


class FoundImages(Struct, frozen=True):
    """The images of an index, in its order, those of an index inside it in its place; of a single image that alone.

    `missing` is what the index names and is not there, `others` what it names and is no manifest of an image.
    """

    images: tuple[FoundImage, ...]
    missing: tuple[Descriptor, ...] = ()
    others: tuple[Descriptor, ...] = ()


class RemoteIndex(Struct, frozen=True):
    """What a reference stands for: `root` is an index, or the manifest of a single image.

    `reference` is repository@digest. `images` are in the order of the index; those of an index inside it follow
    in its place. `missing` is what the index names and the registry does not have.
    """

    reference: Reference
    root: BytesBlob
    images: tuple[FoundImage, ...]
    missing: tuple[Descriptor, ...] = ()


def fetch_index(client: RegistryClient, reference: Reference) -> RemoteIndex:
    """Read the index or image that `reference` names, by digest where it has one, else by tag (default `latest`).

    Everything is verified. Raises RegistryError's family, ContentInvalid.
    """
    source = remote_source(client, reference)
    found = read_images(source.content, source.root, source.each)
    return RemoteIndex(reference.at(source.root.descriptor.digest), source.root, found.images, found.missing)


def read_images(content: Content, root: BytesBlob, each: Each = in_turn) -> FoundImages:
    """The images at or below a manifest or index; raises as `content` does, and ContentInvalid."""
    listing = walk(content, root)

    def read(descriptor: Descriptor) -> tuple[Descriptor, FoundImage | None]:
        blob = listing.read(content, descriptor)
        if blob is None or blob.descriptor.media_type not in MANIFEST_TYPES:
            return descriptor, None
        config = manifest_of(blob).config
        return descriptor, FoundImage(descriptor, blob, BytesBlob(config, content.config(config)))

    wanted = [descriptor for descriptor in listing.manifests if names_manifest(descriptor)]
    found = {descriptor.digest: image for descriptor, image in each(read, wanted)}
    return FoundImages(
        tuple(image for descriptor in wanted if (image := found[descriptor.digest]) is not None),
        (*listing.missing, *(descriptor for descriptor in wanted if found[descriptor.digest] is None)),
        tuple(descriptor for descriptor in listing.manifests if not names_manifest(descriptor)),
    )
