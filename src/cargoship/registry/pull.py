"""Reading an image's facts from a registry: index, manifests, configs. Layers stay where they are."""

from __future__ import annotations

from dataclasses import dataclass

from cargoship.errors import ContentInvalid
from cargoship.oci.config import CONFIG_BYTES_MAX
from cargoship.oci.descriptor import INDEX_TYPES, MANIFEST_TYPES, BytesBlob, Descriptor
from cargoship.oci.digest import Digest
from cargoship.oci.manifest import MANIFEST_BYTES_MAX, decode_index, decode_manifest
from cargoship.oci.reference import Reference
from cargoship.registry.client import RegistryClient
from cargoship.registry.parallel import each

_CHILDREN_MAX = 512
_DEPTH_MAX = 4
_JOBS = 4


@dataclass(frozen=True)
class RemoteImage:
    """A manifest and its config. `descriptor` is what the index says of it, with the platform."""

    descriptor: Descriptor
    manifest: BytesBlob
    config: BytesBlob


@dataclass(frozen=True)
class RemoteIndex:
    """What a reference stands for: `root` is an index, or the manifest of a single image.

    `reference` is repository@digest. `images` are in the order of the index; those of an index inside it follow
    in its place.
    """

    reference: Reference
    root: BytesBlob
    images: tuple[RemoteImage, ...]


def fetch_index(client: RegistryClient, reference: Reference) -> RemoteIndex:
    """Read the index or image that `reference` names, by digest where it has one, else by tag (default `latest`).

    Everything is verified. Raises RegistryError's family, ContentInvalid.
    """
    root = client.manifest(reference.repository, reference.digest or reference.tag or "latest")
    tree = _Tree(client, reference.repository)
    manifests = tree.manifests(root.descriptor, root)
    images = {image.descriptor.digest: image for image in each(tree.image, manifests, jobs=_JOBS, budget=client.budget)}
    return RemoteIndex(
        reference.at(root.descriptor.digest), root, tuple(images[manifest.digest] for manifest in manifests)
    )


class _Tree:
    """What is below a root, with a limit on how much that may be."""

    def __init__(self, client: RegistryClient, repository: str) -> None:
        self._client = client
        self._repository = repository
        self._known: dict[Digest, BytesBlob] = {}

    def manifests(self, descriptor: Descriptor, blob: BytesBlob, depth: int = 0) -> list[Descriptor]:
        """The manifests of images below (or at) a manifest that was read."""
        if descriptor.media_type in MANIFEST_TYPES:
            self._known[descriptor.digest] = blob
            return [descriptor]
        if descriptor.media_type not in INDEX_TYPES:
            raise ContentInvalid(f"{descriptor.digest} is {descriptor.media_type}, which is no image")
        children = decode_index(blob.data, descriptor.media_type).manifests
        if len(children) > _CHILDREN_MAX or depth >= _DEPTH_MAX:
            raise ContentInvalid(f"{descriptor.digest} has more in it than is accepted")
        found: dict[Digest, Descriptor] = {}
        for child in children:
            if child.media_type in INDEX_TYPES:
                found.update((below.digest, below) for below in self.manifests(child, self._read(child), depth + 1))
            elif child.media_type in MANIFEST_TYPES:
                found[child.digest] = child
            if len(found) > _CHILDREN_MAX:
                raise ContentInvalid(f"{descriptor.digest} has more in it than is accepted")
        return list(found.values())

    def image(self, descriptor: Descriptor) -> RemoteImage:
        """Read a manifest and its config."""
        blob = self._known.get(descriptor.digest) or self._read(descriptor)
        config = decode_manifest(blob.data, descriptor.media_type).config
        data = self._client.blob_bytes(self._repository, config, limit_bytes=CONFIG_BYTES_MAX)
        return RemoteImage(descriptor, blob, BytesBlob(config, data))

    def _read(self, descriptor: Descriptor) -> BytesBlob:
        if descriptor.size_bytes > MANIFEST_BYTES_MAX:
            raise ContentInvalid(f"{descriptor.digest} has {descriptor.size_bytes} bytes, too many for a manifest")
        blob = self._client.manifest(self._repository, descriptor.digest)
        if blob.descriptor.size_bytes != descriptor.size_bytes:
            raise ContentInvalid(f"{descriptor.digest} has not the size that its index gives")
        return blob
