"""A client of a test's registry, without the waiting that real ones deserve."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from cargoship.events import BlobPushed, Event, Note
from cargoship.http.budget import Budget
from cargoship.http.exchange import Transport
from cargoship.http.retry import RetryPolicy
from cargoship.http.transport import HttpTransport, Timeouts
from cargoship.oci.digest import Digest
from cargoship.oci.index import Index
from cargoship.oci.reference import Reference
from cargoship.registry.attachments import RegistryAttachments
from cargoship.registry.auth.credentials import Credentials, FoundCredential
from cargoship.registry.chunks import STANDARD, Chunks
from cargoship.registry.client import RegistryClient
from cargoship.registry.options import Access, ClientOptions
from cargoship.registry.push import Published, PushOptions, push_index
from cargoship.registry.source import ImageSource, remote_source

HASTE = RetryPolicy(first_s=0.001, longest_s=0.002)
REPOSITORY = "me/app"


@dataclass
class Emitted:
    """Every event, in order."""

    events: list[Event] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    @property
    def notes(self) -> list[str]:
        """The text of the notes."""
        return [event.text for event in self.events if isinstance(event, Note)]

    @property
    def outcomes(self) -> dict[str, str]:
        """Digest to what it took for the registry to have that blob."""
        return {event.digest: event.how for event in self.events if isinstance(event, BlobPushed)}


@dataclass(frozen=True)
class Everywhere:
    """A memory that takes every blob to be in one repository, if in any."""

    repository: str | None

    def source(self, registry: str, repository: str, digest: Digest) -> str | None:
        del registry, repository, digest
        return self.repository

    def remember(self, registry: str, repository: str, digests: Iterable[Digest]) -> None:
        del registry, repository, digests


class NoCredentials:
    """For registries that want none."""

    def find(self, registry: str, repository: str | None = None) -> FoundCredential | None:
        """See Credentials."""
        del registry, repository
        return None


def client_of(
    host: str,
    *,
    credentials: Credentials | None = None,
    reported: Emitted | None = None,
    access: Access = Access.PUSH,
    budget: Budget | None = None,
    retry_policy: RetryPolicy = HASTE,
    env: Mapping[str, str] | None = None,
    insecure: Collection[str] = (),
    idle_s: float = 5.0,
    chunks: Chunks | None = None,
    transport: Transport | None = None,
) -> RegistryClient:
    """A client, with real connections unless it is given another transport."""
    options = ClientOptions(
        credentials=credentials or NoCredentials(),
        transport=transport or HttpTransport(env=env or {}, timeouts=Timeouts(connect_s=5.0, idle_s=idle_s)),
        emit=reported or Emitted(),
        access=access,
        insecure=insecure,
        budget=budget or Budget(30.0),
        retry_policy=retry_policy,
        chunks=chunks or STANDARD,
    )
    return RegistryClient(host, options)


def push(
    client: RegistryClient,
    index: Index,
    *tags: str,
    repository: str = REPOSITORY,
    reported: Emitted | None = None,
    mount_from: str | None = None,
) -> Published:
    """Push to a repository of the client's registry."""
    reference = Reference(client.registry, repository)
    mount_sources = Everywhere(mount_from)
    return push_index(
        client, index, reference=reference, tags=tags, options=PushOptions(reported or Emitted(), mount_sources)
    )


@contextlib.contextmanager
def opened(*references: Reference, reported: Emitted | None = None) -> Iterator[list[ImageSource]]:
    """Images in registries, as `copy` and `merge` open them."""
    with contextlib.ExitStack() as stack:
        sources = []
        for each in references:
            client = stack.enter_context(client_of(each.registry))
            about = RegistryAttachments(client, each.repository, reported or Emitted())
            sources.append(replace(remote_source(client, each), about=about))
        yield sources
