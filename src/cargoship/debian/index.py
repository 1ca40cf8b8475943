"""Indexes of packages: which there are for an architecture, by name and by what they provide.

An index of 50 MB has 60,000 paragraphs, of which a base needs a few dozen. So names and provisions are looked for
first, and a paragraph is read when somebody asks for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from msgspec import Struct
from msgspec.structs import replace

from cargoship.debian.control import decode_control, paragraphs, parse_paragraph
from cargoship.debian.package import DebianPackage
from cargoship.debian.relations import Alternatives, Relation, parse_relations
from cargoship.debian.suites import SuiteSource
from cargoship.debian.versions import Version
from cargoship.errors import ContentInvalid
from cargoship.oci.digest import Digest

INDEX_BYTES_MAX = 512 << 20
_PACKAGE = re.compile(rb"^Package:[ \t]*([^\n]*)", re.MULTILINE)
_PROVIDES = re.compile(rb"^Provides:[ \t]*([^\n]*(?:\n[ \t][^\n]*)*)", re.MULTILINE)
_RANKS = ("required", "important", "standard", "optional", "extra")


class Candidate(Struct, frozen=True):
    """A version of a package that an archive has."""

    package: DebianPackage
    version: Version
    depends: tuple[Alternatives, ...]
    conflicts: tuple[Alternatives, ...]
    provides: tuple[Relation, ...]
    rank: int
    """How important Debian takes it to be; 0 is the most."""


@dataclass
class _Text:
    """An index as it is, and what is known of where it comes from."""

    source: SuiteSource
    snapshot: str
    data: bytes = field(repr=False)


class PackageIndex:
    """The packages of one architecture in several suites."""

    def __init__(self, architecture: str) -> None:
        self.architecture = architecture
        self._names: dict[str, list[tuple[_Text, int, int]]] = {}
        self._provided: dict[str, list[str]] = {}
        self._read: dict[str, tuple[Candidate, ...]] = {}

    def add(self, data: bytes, *, source: SuiteSource, snapshot: str) -> None:
        """Add the packages of a suite's index; raises ContentInvalid for what cannot be one."""
        text = _Text(source, snapshot, data)
        for start, end in paragraphs(data):
            match = _PACKAGE.search(data, start, end)
            if match is None:
                raise ContentInvalid(f"the index of {source} has a paragraph without a package")
            name = decode_control(match[1].strip(), what=f"the index of {source}")
            self._names.setdefault(name, []).append((text, start, end))
            self._read.pop(name, None)
            provides = _PROVIDES.search(data, start, end)
            if provides is not None:
                for group in parse_relations(decode_control(provides[1], what=f"the index of {source}")):
                    owners = self._provided.setdefault(group[0].name, [])
                    if name not in owners:
                        owners.append(name)

    def __contains__(self, name: str) -> bool:
        """Whether there is a package of that name."""
        return name in self._names

    @property
    def names(self) -> Iterable[str]:
        """Every package's name."""
        return self._names.keys()

    def candidates(self, name: str) -> tuple[Candidate, ...]:
        """The versions of a package, the newest first; raises ContentInvalid for a damaged paragraph."""
        if name not in self._read:
            found = [self._candidate(*place) for place in self._names.get(name, ())]
            usable = [each for each in found if each.package.architecture in {self.architecture, "all"}]
            # the first archive wins where two have the same version
            self._read[name] = tuple(sorted(usable, key=lambda each: each.version, reverse=True))
        return self._read[name]

    def providers(self, name: str) -> tuple[Candidate, ...]:
        """Packages that stand in for a name, the more important and then the alphabetically first first."""
        found = [self.candidates(owner)[:1] for owner in self._provided.get(name, ())]
        provided = [one for each in found for one in each if any(part.name == name for part in one.provides)]
        return tuple(sorted(provided, key=lambda each: (each.rank, each.package.name)))

    def _candidate(self, text: _Text, start: int, end: int) -> Candidate:
        what = f"the index of {text.source}"
        fields = parse_paragraph(decode_control(text.data[start:end], what=what), what=what)
        name = fields["package"]
        try:
            package = DebianPackage(
                name=name,
                version=fields["version"],
                architecture=fields["architecture"],
                archive=text.source.archive,
                snapshot=text.snapshot,
                path=fields["filename"],
                size_bytes=int(fields["size"]),
                digest=Digest.parse("sha256:" + fields["sha256"]),
            )
        except (KeyError, ValueError) as error:
            raise ContentInvalid(f"{what} says too little of {name[:80]!r}: {error}") from error
        return Candidate(
            package=package,
            version=Version.parse(package.version),
            depends=parse_relations(",".join(filter(None, (fields.get("pre-depends"), fields.get("depends"))))),
            conflicts=parse_relations(",".join(filter(None, (fields.get("conflicts"), fields.get("breaks"))))),
            provides=tuple(group[0] for group in parse_relations(fields.get("provides", ""))),
            rank=_RANKS.index(fields["priority"]) if fields.get("priority") in _RANKS else len(_RANKS),
        )


def with_depends(package: DebianPackage, names: Iterable[str]) -> DebianPackage:
    """The package, and what was chosen for its dependencies."""
    return replace(package, depends=tuple(sorted(set(names))))
