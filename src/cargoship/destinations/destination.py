"""What every destination can do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from cargoship.oci.descriptor import Blob
from cargoship.oci.index import Index
from cargoship.oci.referrer import Referrer
from cargoship.registry.push import Published
from cargoship.registry.testimony import Witness


class About(Struct, frozen=True):
    """What is said about an image that is published, or about one for a platform; a place takes what it can keep."""

    referrers: tuple[Referrer, ...] = ()
    """Documents that are the same everywhere."""
    witness: Witness | None = None
    """Who says in registries what differs from run to run, or from repository to repository."""
    in_files: tuple[Referrer, ...] = ()
    """What layouts and archives get in place of the witness."""

    def with_referrers(self, more: Iterable[Referrer]) -> About:
        """The same, with other documents."""
        return replace(self, referrers=(*self.referrers, *more))

    @property
    def kept_in_files(self) -> tuple[Referrer, ...]:
        """All that layouts and archives get."""
        return (*self.referrers, *self.in_files)


NOTHING_SAID = About()


class Destination(Protocol):
    """A place for an image."""

    def check(self) -> None:
        """Find out before a long build whether the image could be put there; raises as `publish` does."""
        ...

    def foresee(self) -> None:
        """The same, as far as it can be known on this machine: no other one is asked."""
        self.check()

    def publish(self, index: Index, about: About = NOTHING_SAID) -> Published | None:
        """Put the image there, whole or not at all; what a registry made of it, None for other places.

        Registries list what is said about it, before a tag names the image; layouts and OCI archives hold it beside
        the image; other places hold images alone, and leave it out.

        Raises the errors of its place: RegistryError's family, OutputError, DaemonError.
        """
        ...

    def offer(self, blobs: Iterable[Blob]) -> None:
        """Let it have blobs of an image before the image exists; most places want them all at once, and do nothing."""
        del blobs

    def close(self) -> None:
        """Stop what is on its way: after an error nobody waits for it."""
        return
