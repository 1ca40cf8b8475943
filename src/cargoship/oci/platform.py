"""The platform of an image (image-spec, image-index.md, `platform`): syntax only.

Which platforms cargoship can build for is `cargoship.platforms`; an index may name others.
"""

from __future__ import annotations

from msgspec import Struct


class Platform(Struct, frozen=True, order=True):
    """An operating system and processor, such as linux/arm/v7."""

    os: str
    architecture: str
    variant: str | None = None

    def __str__(self) -> str:
        """Docker's spelling: os/architecture[/variant]."""
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


UNKNOWN = Platform("unknown", "unknown")
"""What is for no platform, such as an attestation, or does not say which (docs.docker.com, "Attestation storage")."""


def promised_level(platform: Platform) -> int | None:
    """The level of x86-64 that every processor of a platform has: amd64 1, amd64/v3 3; None for other architectures.

    So does image-spec number the variants (image-index.md, "Platform Variants").
    """
    if platform.architecture != "amd64":
        return None
    number = (platform.variant or "v1")[1:]
    return int(number) if number.isascii() and number.isdigit() else 1


def promised_arm(platform: Platform) -> int | None:
    """The version of the 32-bit ARM architecture that every processor of a platform has; None for other architectures.

    arm/v6 promises 6; without a variant 7 is meant (containerd's platforms package, `normalizeArch`).
    """
    if platform.architecture != "arm":
        return None
    number = (platform.variant or "v7")[1:]
    return int(number) if number.isascii() and number.isdigit() else 7
