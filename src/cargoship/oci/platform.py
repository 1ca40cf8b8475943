"""The platform of an image (image-spec, image-index.md, `platform`): syntax only.

Which platforms cargoship can build for is `cargoship.platforms`; an index may name others.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Platform:
    """An operating system and processor, such as linux/arm/v7."""

    os: str
    architecture: str
    variant: str | None = None

    def __str__(self) -> str:
        """Docker's spelling: os/architecture[/variant]."""
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


UNKNOWN = Platform("unknown", "unknown")
"""What is for no platform, such as an attestation, or does not say which (docs.docker.com, "Attestation storage")."""
