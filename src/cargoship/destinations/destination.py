"""What every destination can do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from cargoship.oci.descriptor import Blob
from cargoship.oci.index import Index
from cargoship.oci.referrer import Referrer
from cargoship.registry.push import Published


class Destination(Protocol):
    """A place for an image."""

    def check(self) -> None:
        """Find out before a long build whether the image could be put there; raises as `publish` does."""
        ...

    def publish(self, index: Index, about: Sequence[Referrer] = ()) -> Published | None:
        """Put the image there, whole or not at all; what a registry made of it, None for other places.

        `about` is what is said about the image, or one for a platform. Registries list it, before a tag names the
        image; layouts and OCI archives hold it beside the image; other places hold images alone, and leave it out.

        Raises the errors of its place: RegistryError's family, OutputError, DaemonError.
        """
        ...

    def offer(self, blobs: Iterable[Blob]) -> None:
        """Let it have blobs of an image before the image exists; most places want them all at once, and do nothing."""
        del blobs

    def close(self) -> None:
        """Stop what is on its way: after an error nobody waits for it."""
        return
