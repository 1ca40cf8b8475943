"""A client that reads from mirrors first. Names, digests, and everything that is written stay the registry's own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import BinaryIO, TypeVar

from cargoship.errors import CargoshipError, ContentInvalid, RegistryError, RegistryUnreachable, Unauthorized
from cargoship.events import Level, Note
from cargoship.http.budget import Budget
from cargoship.oci.descriptor import INDEX_TYPES, MANIFEST_TYPES, BytesBlob, Descriptor
from cargoship.oci.digest import Algorithm, Digest
from cargoship.oci.manifest import MANIFEST_BYTES_MAX
from cargoship.registry.blob_reader import BlobSource, open_stream
from cargoship.registry.client import RegistryClient
from cargoship.registry.mirrors.model import Mirrors, PullSource
from cargoship.registry.options import ClientOptions

T = TypeVar("T")
OpenMirror = Callable[[str, Budget], RegistryClient]
"""Makes a client of a mirror's registry (host[:port]), with credentials of its own, that is bound by a budget."""


class MirroredClient(RegistryClient):
    """Reads manifests and blobs from the mirrors of a registry, and what these do not have from the registry itself.

    A mirror that fails costs a moment: whatever is wrong with it, the next place is asked, in the middle of a blob too.
    One that cannot be reached, or does not know this user, is not asked again. Lists of tags, referrers, and everything
    that writes go to the registry alone.
    """

    def __init__(self, registry: str, options: ClientOptions, *, mirrors: Mirrors, open_mirror: OpenMirror) -> None:
        super().__init__(registry, options)
        self._mirrors = mirrors
        self._open_mirror = open_mirror
        self._clients: dict[str, RegistryClient] = {}
        self._lost: set[str] = set()
        self._lock = threading.Lock()

    def close(self) -> None:
        """See `RegistryClient.close`; the mirrors' connections too."""
        with self._lock:
            clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            client.close()
        super().close()

    def find_manifest(
        self, repository: str, reference: Digest | str, *, surely: bool = False, algorithm: Algorithm | None = None
    ) -> Digest | None:
        """See `RegistryClient.find_manifest`."""

        def find(client: RegistryClient, name: str) -> Digest | None:
            return client.find_manifest(name, reference, surely=surely, algorithm=algorithm)

        found = self._first(repository, find, by_digest=isinstance(reference, Digest))
        if found is not None or not self._own(repository):
            return found
        return super().find_manifest(repository, reference, surely=surely, algorithm=algorithm)

    def manifest(self, repository: str, reference: Digest | str) -> BytesBlob:
        """See `RegistryClient.manifest`."""

        def read(client: RegistryClient, name: str) -> BytesBlob:
            found = client.manifest(name, reference)
            if found.descriptor.media_type not in INDEX_TYPES | MANIFEST_TYPES:
                raise ContentInvalid(f"{client.registry} gave {found.descriptor.media_type} for {name} {reference}")
            return found

        found = self._first(repository, read, by_digest=isinstance(reference, Digest))
        return super().manifest(repository, reference) if found is None else found

    def blob_bytes(self, repository: str, descriptor: Descriptor, *, limit_bytes: int = MANIFEST_BYTES_MAX) -> bytes:
        """See `RegistryClient.blob_bytes`."""

        def read(client: RegistryClient, name: str) -> bytes:
            return client.blob_bytes(name, descriptor, limit_bytes=limit_bytes)

        found = self._first(repository, read, by_digest=True)
        return super().blob_bytes(repository, descriptor, limit_bytes=limit_bytes) if found is None else found

    def open_blob(self, repository: str, descriptor: Descriptor) -> BinaryIO:
        """See `RegistryClient.open_blob`."""
        sources: list[BlobSource] = []
        for place, client in self._places(repository, by_digest=True):
            sources.append(client.blob_source(place.repository, descriptor.digest))
        if not sources or self._own(repository):
            sources.append(self.blob_source(repository, descriptor.digest))
        return open_stream(sources, descriptor, passed_over=self._passed_over)

    def _own(self, repository: str) -> bool:
        return self._mirrors.route(self.registry, repository, by_digest=True).own

    def _first(self, repository: str, read: Callable[[RegistryClient, str], T | None], *, by_digest: bool) -> T | None:
        """What the first place has that has anything; None where the registry itself is to be asked."""
        places = list(self._places(repository, by_digest=by_digest))
        own = self._own(repository)
        for number, (place, client) in enumerate(places):
            last = not own and number == len(places) - 1
            try:
                found = read(client, place.repository)
            except (RegistryError, ContentInvalid) as error:
                if last:
                    raise
                self._passed_over(place.mirror.registry, error)
            else:
                if found is not None:
                    return found
        return None

    def _places(self, repository: str, *, by_digest: bool) -> Iterator[tuple[PullSource, RegistryClient]]:
        for place in self._mirrors.route(self.registry, repository, by_digest=by_digest).places:
            host = place.mirror.registry
            with self._lock:
                if host in self._lost:
                    continue
                if host not in self._clients:
                    self._clients[host] = self._open_mirror(host, self.budget)
                client = self._clients[host]
            yield place, client

    def _passed_over(self, host: str, error: CargoshipError) -> None:
        """A mirror did not help."""
        lost = isinstance(error, RegistryUnreachable | Unauthorized)
        with self._lock:
            new = lost and host not in self._lost
            if lost:
                self._lost.add(host)
        level = Level.WARNING if new else Level.VERBOSE
        self.emit(Note(f"the mirror {host} of {self.registry} is passed over: {error.message}", level))
