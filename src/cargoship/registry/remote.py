"""Blobs that lie in a registry, and are read from there when somebody needs their bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, TypeVar

from msgspec import Struct

from cargoship.errors import RegistryRefused
from cargoship.http.parallel import each
from cargoship.oci.config import CONFIG_BYTES_MAX
from cargoship.oci.descriptor import BytesBlob, Descriptor
from cargoship.registry.client import RegistryClient

T = TypeVar("T")
R = TypeVar("R")
_JOBS = 4


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


class RemoteContent(Struct, frozen=True):
    """The manifests and configs of a repository, each read from the registry."""

    client: RegistryClient
    repository: str

    def find(self, descriptor: Descriptor) -> BytesBlob | None:
        """See `Content.find`; raises RegistryError's family, ContentInvalid."""
        try:
            return self.client.manifest(self.repository, descriptor.digest)
        except RegistryRefused:
            # asked only now, so that what is there costs one request
            if self.client.find_manifest(self.repository, descriptor.digest) is None:
                return None
            raise

    def config(self, descriptor: Descriptor) -> bytes:
        """See `Content.config`; raises RegistryError's family, ContentInvalid."""
        return self.client.blob_bytes(self.repository, descriptor, limit_bytes=CONFIG_BYTES_MAX)

    def blob(self, descriptor: Descriptor) -> RemoteBlob:
        """See `Content.blob`."""
        return RemoteBlob.of(self.client, self.repository, descriptor)

    def each(self, work: Callable[[T], R], items: Sequence[T], /) -> Iterable[R]:
        """The `Each` of a registry: a few requests at the same time."""
        return each(work, items, jobs=_JOBS, budget=self.client.budget)
