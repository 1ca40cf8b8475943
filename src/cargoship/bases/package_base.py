"""What a base that is made of a distribution's packages can do. Debian's is one; another is a module and a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from cargoship.bases.base import Base
from cargoship.oci.compress import Compression
from cargoship.oci.platform import Platform
from cargoship.settings.model import Settings

if TYPE_CHECKING:
    from cargoship.debian.sysroot import Sysroot


class PackageBase(Protocol):
    """Bases of one distribution's packages, for one run; a context that stops what is still under way."""

    def find(self, settings: Settings, platform: Platform, *, root: Path, compression: Compression) -> Base:
        """The base that an image's settings ask for, whose layers are being made from now on.

        Its `unfinished` says when they are there. `root` is the folder of the lock file. Raises PlatformUnknown,
        LockOutdated, PackageUnresolved, MirrorUnreachable, ContentInvalid, OutputError.
        """
        ...

    def sysroots(self) -> Mapping[Platform, Sysroot]:
        """Headers and libraries to compile against, for the platforms that have some; waits for them."""
        ...

    def ready(self) -> None:
        """All bases of this run were asked for: what is only needed to choose packages can go."""
        ...

    def renew(self, wanted: Sequence[Settings], *, root: Path) -> bool:
        """Write a lock file for these settings alone, with the newest packages; whether it differs from the one before.

        Raises PackageUnresolved, MirrorUnreachable, ContentInvalid, OutputError.
        """
        ...

    def __enter__(self) -> Self:
        """Itself."""
        ...

    def __exit__(self, *exc: object) -> None:
        """Stop what is under way, and close connections."""
        ...
