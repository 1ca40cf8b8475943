"""Blobs that lie in a registry, and are read from there when somebody needs their bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO

from cargoship.oci.config import CONFIG_BYTES_MAX
from cargoship.oci.descriptor import BytesBlob, Descriptor
from cargoship.registry.client import RegistryClient


@dataclass(frozen=True)
class RemoteBlob:
    """A blob in a repository; `descriptor` may give it another media type than the registry does.

    `stream` opens it: see `RegistryClient.open_blob`.
    """

    descriptor: Descriptor
    registry: str
    repository: str
    stream: Callable[[], BinaryIO] = field(repr=False, compare=False)

    @classmethod
    def of(cls, client: RegistryClient, repository: str, descriptor: Descriptor) -> RemoteBlob:
        """A blob that this client reads."""
        return cls(descriptor, client.registry, repository, lambda: client.open_blob(repository, descriptor))

    def open(self) -> BinaryIO:
        """See `Blob.open`: verified while it is read."""
        return self.stream()


@dataclass(frozen=True)
class RemoteContent:
    """The manifests and configs of a repository, each read from the registry."""

    client: RegistryClient
    repository: str

    def manifest(self, descriptor: Descriptor) -> BytesBlob:
        """A manifest or index, verified; raises RegistryError's family, ContentInvalid."""
        return self.client.manifest(self.repository, descriptor.digest)

    def config(self, descriptor: Descriptor) -> bytes:
        """An image's config, verified; raises likewise."""
        return self.client.blob_bytes(self.repository, descriptor, limit_bytes=CONFIG_BYTES_MAX)
