"""What packages say of each other: `libc6 (>= 2.36), default-mta | mail-transport-agent` (Debian Policy, 7.1)."""

from __future__ import annotations

import re

from msgspec import Struct

from cargoship.debian.versions import Version
from cargoship.errors import ContentInvalid

_RELATION = re.compile(
    r"\s*(?P<name>[a-zA-Z0-9][a-zA-Z0-9+.-]*)(?::(?P<qualifier>[a-z0-9-]+))?"
    r"(?:\s*\(\s*(?P<operator><<|<=|=|>=|>>|<|>)\s*(?P<version>[^\s()]+)\s*\))?\s*"
)
# before Policy 3 these two meant what has an equals sign now
_OLD = {"<": "<=", ">": ">="}
_SHOWN = 80


class Relation(Struct, frozen=True):
    """A package by its name, and which versions of it; `operator` is empty where any will do."""

    name: str
    operator: str = ""
    version: Version | None = None

    def admits(self, version: Version | None) -> bool:
        """Whether a version will do; None is a package that is provided without one, which no bound admits."""
        if self.version is None:
            return True
        return version is not None and version.satisfies(self.operator, self.version)

    def __str__(self) -> str:
        """As it is written in a control file."""
        return self.name if self.version is None else f"{self.name} ({self.operator} {self.version})"


Alternatives = tuple[Relation, ...]
"""One of these."""


def parse_relations(text: str) -> tuple[Alternatives, ...]:
    """Parse a field such as Depends; raises ContentInvalid."""
    return tuple(
        tuple(_parse(part) for part in group.split("|"))
        for group in text.replace("\n", " ").split(",")
        if group.strip()
    )


def parse_request(text: str) -> Relation:
    """Parse what a user asks for: `libpq5`, or `libpq5=15.13-0+deb12u1`; raises ContentInvalid."""
    name, equals, version = text.partition("=")
    if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]*", name):
        raise ContentInvalid(f"{text!r} is not the name of a Debian package")
    return Relation(name, "=", Version.parse(version)) if equals else Relation(name)


def _parse(text: str) -> Relation:
    match = _RELATION.fullmatch(text)
    if match is None:
        raise ContentInvalid(f"{text.strip()[:_SHOWN]!r} is not a relation between packages")
    if match["version"] is None:
        return Relation(match["name"])
    operator = _OLD.get(match["operator"], match["operator"])
    return Relation(match["name"], operator, Version.parse(match["version"]))
