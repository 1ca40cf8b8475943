"""A repository in a registry."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from cargoship.events import Emit
from cargoship.oci.index import Index
from cargoship.oci.reference import Reference, tags_by_repository
from cargoship.process import Runner
from cargoship.registry.client import Access, RegistryClient
from cargoship.registry.connect import connect
from cargoship.registry.early import EarlyUploads, Turns
from cargoship.registry.known import BlobMemory, NothingKnown
from cargoship.registry.push import DEFAULT_JOBS, Published, push_index


@dataclass(frozen=True)
class RegistryDestination:
    """The repository of `reference` and `tags` in it (none: the image is known by its digest alone).

    `open_client` makes the client, when there is something to publish. `known` says where blobs can be mounted from,
    `early` is what sends blobs ahead of their image.
    """

    reference: Reference
    tags: tuple[str, ...]
    open_client: Callable[[], RegistryClient] = field(repr=False)
    emit: Emit
    early: EarlyUploads = field(repr=False)
    jobs: int = DEFAULT_JOBS
    known: BlobMemory = field(default_factory=NothingKnown, repr=False)

    def check(self) -> None:
        """See `Destination.check`: the registry answers, and lets this user push."""
        with self.open_client() as client:
            client.check_push(self.reference.repository)

    def publish(self, index: Index) -> Published:
        """See `Destination.publish`; raises RegistryError's family, ContentInvalid."""
        done = self.early.settle()
        with self.open_client() as client:
            return push_index(
                client,
                index,
                reference=self.reference,
                tags=self.tags,
                emit=self.emit,
                jobs=self.jobs,
                known=self.known,
                done=done,
            )


def registry_destinations(
    references: Iterable[Reference],
    *,
    tagged: bool = True,
    env: Mapping[str, str],
    runner: Runner,
    emit: Emit,
    insecure: Collection[str] | None = None,
    jobs: int = DEFAULT_JOBS,
    known: BlobMemory | None = None,
    turns: Turns | None = None,
) -> tuple[RegistryDestination, ...]:
    """One destination for each repository that is named, with all of its tags; no tag means `latest`.

    Without `tagged` no tag is moved. `insecure` are hosts for plain http, as for `registry.connect`.
    """
    known = known or NothingKnown()
    turns = turns or Turns()
    found = []
    for repository, tags in tags_by_repository(references).items():
        opener = _opener(repository.registry, env=env, runner=runner, emit=emit, insecure=insecure)
        early = EarlyUploads(repository.repository, open_client=opener, known=known, turns=turns, emit=emit, jobs=jobs)
        found.append(RegistryDestination(repository, tags if tagged else (), opener, emit, early, jobs, known))
    return tuple(found)


def _opener(
    registry: str, *, env: Mapping[str, str], runner: Runner, emit: Emit, insecure: Collection[str] | None
) -> Callable[[], RegistryClient]:
    def open_client() -> RegistryClient:
        return connect(registry, env=env, runner=runner, emit=emit, access=Access.PUSH, insecure=insecure)

    return open_client
