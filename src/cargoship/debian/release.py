"""What an archive says of a suite: its indexes with their digests (wiki.debian.org/DebianRepository/Format)."""

from __future__ import annotations

import datetime as dt
import email.utils
import re
from collections.abc import Mapping

from msgspec import Struct

from cargoship.debian.control import decode_control, parse_paragraph
from cargoship.errors import ContentInvalid
from cargoship.oci.digest import Digest

INRELEASE_BYTES_MAX = 16 << 20
_LINE = re.compile(r"\s*([0-9a-f]{64})\s+([0-9]{1,12})\s+(\S+)\s*")
# snapshot.debian.org takes what the archive has four times a day
_SNAPSHOT_LAG = dt.timedelta(hours=12)


class IndexFile(Struct, frozen=True):
    """A file of a suite: path below the suite's folder, digest, size."""

    path: str
    digest: Digest
    size_bytes: int

    @property
    def by_hash(self) -> str:
        """The path under which it stays for a while when it is replaced."""
        return f"{self.path.rpartition('/')[0]}/by-hash/SHA256/{self.digest.hex}"


class SuiteRelease(Struct, frozen=True):
    """A suite's Release file, whose signature was checked."""

    codename: str
    date: dt.datetime
    architectures: frozenset[str]
    by_hash: bool
    has_all: bool
    """Packages for every architecture are in an index of their own."""
    files: Mapping[str, IndexFile]

    @property
    def snapshot(self) -> str:
        """A time at which snapshot.debian.org has all of it.

        It takes the archive's state every six hours, and answers with the latest state before the time that is asked
        for. What a Release file names stays in the archive for a day and a half and more after it is replaced.
        """
        return (self.date + _SNAPSHOT_LAG).strftime("%Y%m%dT%H%M%SZ")

    def packages(self, architecture: str, component: str = "main") -> IndexFile | None:
        """The index of packages, in the smallest form that it has; None where there is none."""
        for suffix in (".xz", ".gz"):
            found = self.files.get(f"{component}/binary-{architecture}/Packages{suffix}")
            if found is not None:
                return found
        return None


def parse_release(data: bytes, *, codename: str, what: str) -> SuiteRelease:
    """Read the signed text of an InRelease file that is to be about `codename`; raises ContentInvalid."""
    fields = parse_paragraph(decode_control(data, what=what), what=what)
    if fields.get("codename") != codename:
        # a signed file of another suite in this one's place
        raise ContentInvalid(f"{what} is about {fields.get('codename', 'nothing')}, not {codename}")
    files: dict[str, IndexFile] = {}
    for line in fields.get("sha256", "").split("\n"):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line)
        if match is None or ".." in match[3]:
            raise ContentInvalid(f"{what} has a line that is no file: {line.strip()[:80]!r}")
        files[match[3]] = IndexFile(match[3], Digest(match[1]), int(match[2]))
    architectures = frozenset(fields.get("architectures", "").split())
    date = _time(fields.get("date"))
    if date is None or not files:
        raise ContentInvalid(f"{what} has no date, or no files with SHA-256 digests")
    return SuiteRelease(
        codename=codename,
        date=date,
        architectures=architectures,
        by_hash=fields.get("acquire-by-hash") == "yes",
        has_all="all" in architectures and "Packages" not in fields.get("no-support-for-architecture-all", ""),
        files=files,
    )


def _time(text: str | None) -> dt.datetime | None:
    try:
        return email.utils.parsedate_to_datetime(text or "").astimezone(dt.UTC)
    except (ValueError, TypeError, OverflowError):
        return None
