"""The crates that programs are made of, as values, and the record of them that is kept with a build.

One node of the graph is one crate on one side: compiled for a target, or for the machine that compiles (a procedural
macro, a build script's dependency). Both sides of a crate may have other features.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct, field

from cargoship.errors import ContentInvalid

RECORD_BYTES_MAX = 64 << 20
"""More than a thousand times the record of a large service; read from caches that others fill."""


class NativeSource(Struct, frozen=True):
    """C or C++ sources that a crate carries and compiles: `sqlite`, `3.46.0`."""

    name: str
    version: str


class Crate(Struct, frozen=True):
    """A package of cargo's, wherever it is used."""

    name: str
    version: str
    source: str = ""
    """As Cargo.lock has it, with the commit for git: `registry+https://...`, `git+https://...#COMMIT`; empty: local."""
    checksum: str = ""
    """SHA-256 of the .crate file, in hexadecimal, where the lock file has it."""
    sha512: str = ""
    """SHA-512 of the same file, where cargo had kept it."""
    license: str = ""
    """An SPDX expression; empty where the manifest has none, or one that is no expression."""
    license_text: str = ""
    """What the manifest says in its place: a name that SPDX does not know, or the file with the licence."""
    repository: str = ""
    authors: tuple[str, ...] = ()

    @property
    def is_local(self) -> bool:
        """Whether it is of the workspace, or named by a path."""
        return not self.source


class Use(Struct, frozen=True):
    """A crate on one side; `needs` and `builds_with` are places in `CrateGraph.uses`."""

    crate: int
    """A place in `CrateGraph.crates`."""
    triple: str | None
    """What it is compiled for; None: the machine that compiles."""
    features: tuple[str, ...] = ()
    is_macro: bool = False
    """Whether it is a procedural macro: it runs in the compiler, and no code of it is in a program."""
    has_script: bool = False
    """Whether it has a build script, which ran on the machine that compiles."""
    needs: tuple[int, ...] = ()
    builds_with: tuple[int, ...] = ()
    """What its build script needs."""
    native: tuple[NativeSource, ...] = ()


class CrateGraph(Struct, frozen=True):
    """All crates of a build; `roots` are the uses of the programs' own crates, by `triple/package/binary`."""

    crates: tuple[Crate, ...] = ()
    uses: tuple[Use, ...] = ()
    roots: Mapping[str, int] = field(default_factory=dict)
    compilers: Mapping[str, str] = field(default_factory=dict)
    """rustc and zig, with their versions."""

    def encode(self) -> bytes:
        """The record: the same bytes for the same graph."""
        return msgspec.json.encode(self, order="deterministic")

    def program(self, name: str) -> ProgramCrates | None:
        """The crates of one program; None where it is not known."""
        root = self.roots.get(name)
        return None if root is None else ProgramCrates(self, root)


class ProgramCrates(Struct, frozen=True):
    """What one program is made of."""

    graph: CrateGraph
    root: int

    def linked(self) -> frozenset[int]:
        """The uses whose code can be in the program."""
        return self._reached(into_builds=False)

    def all(self) -> frozenset[int]:
        """Those, and what ran while it was compiled: procedural macros, build scripts, and all that they need."""
        return self._reached(into_builds=True)

    def _reached(self, *, into_builds: bool) -> frozenset[int]:
        uses = self.graph.uses
        found: set[int] = set()
        pending = [self.root]
        while pending:
            place = pending.pop()
            if place in found or (uses[place].is_macro and not into_builds):
                continue
            found.add(place)
            pending += uses[place].needs
            if into_builds:
                pending += uses[place].builds_with
        return frozenset(found)


def decode(record: bytes, name: str) -> CrateGraph:
    """Read a record; `name` is for messages. Raises ContentInvalid for what is none: caches are filled by others."""
    if len(record) > RECORD_BYTES_MAX:
        raise ContentInvalid(f"{name} is larger than any record of crates ({len(record)} bytes)")
    try:
        graph = msgspec.json.decode(record, type=CrateGraph)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ContentInvalid(f"{name} is no record of crates: {error}") from error
    crates, uses = range(len(graph.crates)), range(len(graph.uses))
    if not all(place in uses for place in _places(graph)) or not all(use.crate in crates for use in graph.uses):
        raise ContentInvalid(f"{name} is no record of crates: it points to what is not there")
    return graph


def read(path: Path) -> CrateGraph:
    """Read a record from a file; raises ContentInvalid, and OSError."""
    with path.open("rb") as stream:
        return decode(stream.read(RECORD_BYTES_MAX + 1), str(path))


def _places(graph: CrateGraph) -> Iterator[int]:
    yield from graph.roots.values()
    for use in graph.uses:
        yield from use.needs
        yield from use.builds_with
