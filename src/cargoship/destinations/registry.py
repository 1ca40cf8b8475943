"""A repository in a registry."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from cargoship.destinations.destination import NOTHING_SAID, About, Destination
from cargoship.oci.descriptor import Blob
from cargoship.oci.index import Index
from cargoship.oci.reference import Reference, tags_by_repository
from cargoship.registry.client import RegistryClient
from cargoship.registry.push import Published, PushOptions, push_index
from cargoship.registry.shared_clients import SharedClients
from cargoship.registry.upload_queue import BlobLocks, UploadQueue


@dataclass(frozen=True)
class RegistryDestination(Destination):
    """The repository of `reference` and `tags` in it (none: the image is known by its digest alone).

    `open_client` gives the client when there is something to ask; it stays open, for others use it too. `early` is what
    sends blobs ahead of their image.
    """

    reference: Reference
    tags: tuple[str, ...]
    open_client: Callable[[], RegistryClient] = field(repr=False)
    early: UploadQueue = field(repr=False)
    options: PushOptions = field(repr=False)

    def check(self) -> None:
        """See `Destination.check`: the registry answers, and lets this user push."""
        self.open_client().check_push(self.reference.repository)

    def foresee(self) -> None:
        """See `Destination.foresee`: nothing is known of a registry that is not asked."""

    def offer(self, blobs: Iterable[Blob]) -> None:
        """See `UploadQueue.offer`."""
        self.early.offer(tuple(blobs))

    def close(self) -> None:
        """See `Destination.close`."""
        self.early.close()

    def publish(self, index: Index, about: About = NOTHING_SAID) -> Published:
        """See `Destination.publish`; raises RegistryError's family, ContentInvalid, and what the witness raises."""
        done = self.early.settle()
        return push_index(
            self.open_client(),
            index,
            reference=self.reference,
            tags=self.tags,
            options=self.options,
            done=done,
            about=about.referrers,
            witness=about.witness,
        )


def registry_destinations(
    references: Iterable[Reference],
    *,
    tagged: bool = True,
    clients: SharedClients,
    options: PushOptions,
    blob_locks: BlobLocks | None = None,
) -> tuple[RegistryDestination, ...]:
    """One destination for each repository that is named, with all of its tags; no tag means `latest`.

    Without `tagged` no tag is moved. Who has made `clients` closes them.
    """
    blob_locks = blob_locks or BlobLocks()
    found = []
    for repository, tags in tags_by_repository(references).items():
        opener = partial(clients.of, repository.registry)
        early = UploadQueue(repository.repository, open_client=opener, blob_locks=blob_locks, options=options)
        found.append(RegistryDestination(repository, tags if tagged else (), opener, early, options))
    return tuple(found)
