"""The releases of Debian that are known, and how a base of one is written: `deb:bookworm`, with `@` and a time or not.

A new release is a row here and its keys in `keys/`.
"""

from __future__ import annotations

import difflib
import re

from msgspec import Struct

SNAPSHOT = re.compile(r"[0-9]{8}T[0-9]{6}Z")
SCHEME = "deb:"


class Release(Struct, frozen=True):
    """A release by its code name; `glibc` is what its programs are linked with."""

    codename: str
    number: int
    glibc: tuple[int, int]

    @property
    def sources(self) -> tuple[SuiteSource, ...]:
        """Where its packages are, the updates and security updates included."""
        return (
            SuiteSource("debian", self.codename),
            SuiteSource("debian", f"{self.codename}-updates"),
            SuiteSource("debian-security", f"{self.codename}-security"),
        )


class SuiteSource(Struct, frozen=True):
    """A suite in one of Debian's archives."""

    archive: str
    suite: str

    def __str__(self) -> str:
        """For people."""
        return f"{self.archive}/{self.suite}"


RELEASES: tuple[Release, ...] = (
    Release("bullseye", 11, (2, 31)),
    Release("bookworm", 12, (2, 36)),
    Release("trixie", 13, (2, 41)),
)
ARCHIVES: frozenset[str] = frozenset(source.archive for release in RELEASES for source in release.sources)


class DebianSpec(Struct, frozen=True):
    """A base of Debian packages: which release, and as it was when, where that is said."""

    release: Release
    snapshot: str | None = None
    """A time of snapshot.debian.org, such as 20260711T221637Z."""

    @classmethod
    def parse(cls, text: str) -> DebianSpec:
        """Parse `deb:bookworm` or `deb:bookworm@20260711T221637Z`; raises ValueError."""
        name, at, snapshot = text.removeprefix(SCHEME).partition("@")
        if at and not SNAPSHOT.fullmatch(snapshot):
            raise ValueError(f"{snapshot!r} is not a time of snapshot.debian.org, such as 20260711T221637Z")
        release = known(name)
        if release is None:
            names = [each.codename for each in RELEASES]
            by_number = {str(each.number): each.codename for each in RELEASES}
            close = [by_number[name]] if name in by_number else difflib.get_close_matches(name, names, n=1)
            meant = f'; did you mean "{SCHEME}{close[0]}"?' if close else ""
            raise ValueError(f"there is no Debian {name!r}{meant or '; known: ' + ', '.join(names)}")
        return cls(release, snapshot or None)

    def __str__(self) -> str:
        """As it is written in the settings."""
        return f"{SCHEME}{self.release.codename}" + (f"@{self.snapshot}" if self.snapshot else "")


def known(codename: str) -> Release | None:
    """The release of that name, if there is one."""
    return next((each for each in RELEASES if each.codename == codename), None)
