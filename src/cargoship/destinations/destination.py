"""What every destination can do."""

from __future__ import annotations

from typing import Protocol

from cargoship.oci.index import Index
from cargoship.registry.push import Published


class Destination(Protocol):
    """A place for an image."""

    def check(self) -> None:
        """Find out before a long build whether the image could be put there; raises as `publish` does."""
        ...

    def publish(self, index: Index) -> Published | None:
        """Put the image there, whole or not at all; what a registry made of it, None for other places.

        Raises the errors of its place: RegistryError's family, OutputError, DaemonError.
        """
        ...
