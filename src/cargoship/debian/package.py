"""A package of an archive: what an index or a lock file says of it."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from msgspec import Struct

from cargoship.debian.suites import ARCHIVES, SNAPSHOT
from cargoship.errors import ContentInvalid
from cargoship.oci.digest import Digest

_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]{0,254}")
_PATH = re.compile(r"pool/[A-Za-z0-9._+~%:/-]{1,512}\.deb")
_ARCHITECTURE = re.compile(r"[a-z0-9-]{1,32}")
_DEB_BYTES_MAX = 2 << 30


class DebianPackage(Struct, frozen=True):
    """A package's file, and the packages of the same base that it needs."""

    name: str
    version: str
    architecture: str
    archive: str
    """Which of Debian's archives has it: debian, debian-security."""
    snapshot: str
    """A time at which snapshot.debian.org has it."""
    path: str
    """Below the archive's root."""
    size_bytes: int
    digest: Digest
    depends: tuple[str, ...] = ()
    """Names, sorted: what was chosen for its dependencies."""

    def __post_init__(self) -> None:
        """Refuse what would make an address or a path of another kind; raises ContentInvalid."""
        if (
            not _NAME.fullmatch(self.name)
            or not _PATH.fullmatch(self.path)
            or ".." in PurePosixPath(self.path).parts
            or not _ARCHITECTURE.fullmatch(self.architecture)
            or self.archive not in ARCHIVES
            or not SNAPSHOT.fullmatch(self.snapshot)
        ):
            raise ContentInvalid(f"{self.name[:80]!r} ({self.path[:200]!r}) is not a package of Debian's archive")
        if not 0 < self.size_bytes <= _DEB_BYTES_MAX:
            raise ContentInvalid(f"the package {self.name} has a size of {self.size_bytes} bytes")

    def __str__(self) -> str:
        """For people: name, version, architecture."""
        return f"{self.name} {self.version} ({self.architecture})"
