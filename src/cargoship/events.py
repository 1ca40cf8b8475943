"""What happens during a run, as frozen values.

Every layer reports through an `Emit` that is passed in; only `cli/render` decides what a person sees of it, and
how. Nothing secret is ever put into an event. This module imports nothing of cargoship.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping

from msgspec import Struct


def count(number: int, noun: str) -> str:
    """A number of things, as events tell it: `1 image`, `2 images`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


class Level(enum.IntEnum):
    """How much a person has to ask for to see a note."""

    WARNING = 0
    INFO = 1
    VERBOSE = 2
    DEBUG = 3


class Note(Struct, frozen=True):
    """A sentence for a person."""

    text: str
    level: Level = Level.INFO


class PhaseStarted(Struct, frozen=True):
    """A part of the work begins.

    `name` is one of metadata, toolchain, sysroot, compile, smoke, assemble, publish; copy or merge alone.
    """

    name: str
    detail: str = ""


class PhaseEnded(Struct, frozen=True):
    """A part of the work is done, after `seconds`, without those of the parts in it that had an end of their own."""

    name: str
    seconds: float
    detail: str = ""


class CompileProgress(Struct, frozen=True):
    """How far cargo is: units done of all (`total` 0: not known yet) and the names it compiles now."""

    done: int
    total: int
    active: tuple[str, ...] = ()


class UnitFinished(Struct, frozen=True):
    """cargo has finished a unit, or found it fresh; `name` is what `CompileProgress.active` calls it."""

    package: str
    target: str
    fresh: bool
    name: str = ""


class CompileForeseen(Struct, frozen=True):
    """What compiling will take, before it begins: an earlier compilation of the same units, or of their like, tells.

    Units have the names of `CompileProgress.active`, and there may be several of one name.
    """

    units: int
    """How many units no cache has."""
    seconds: Mapping[str, tuple[float, ...]]
    """What those of them took that were compiled before."""


class UnitsRestored(Struct, frozen=True):
    """Compiled units were put where cargo finds them."""

    restored: int
    """How many were put there."""
    found: int
    """How many the cache has, with those that lay there already."""
    total: int
    """How many the build has."""
    size_bytes: int
    """Bytes of what was put there."""
    seconds: float
    spared_s: float
    """What compiling them once took, all together."""


class UnitsKept(Struct, frozen=True):
    """What was compiled is in the cache: `waited_s` is how long nothing else was done."""

    units: int
    packs: int
    size_bytes: int
    """Bytes that were sent."""
    seconds: float
    waited_s: float


class UnitReport(Struct, frozen=True):
    """What became of one unit of a build, and why."""

    package: str
    version: str
    kind: str
    """As cargo has it (lib, bin, proc-macro, custom-build, ...), or `build script run`."""
    target: str
    """The triple that it is for."""
    is_for_host: bool
    """Whether it is a build script, a macro, or what these need."""
    is_local: bool
    state: str
    """restored, present, compiled, replaced, or unfinished: as `cache explain` has it."""
    began_s: float
    """When this build began to compile it, in seconds since 1970; 0 where it did not, or nobody knows."""
    seconds: float
    """What compiling it took: now, or for one that was restored, when it was compiled."""
    size_bytes: int
    """Bytes of its files."""
    because: tuple[str, ...]
    """Why it was compiled, for people, where it is the root of a miss."""
    waits_for: int | None
    """The place of the unit that it was compiled for, where it is none."""
    needs: tuple[int, ...]
    """The places of units that it depends on."""
    where: str = ""
    """The cluster that has compiled it; nothing for this machine."""


class UnitsReported(Struct, frozen=True):
    """What became of all units of an invocation of cargo, reported when it has ended."""

    units: tuple[UnitReport, ...]
    host: str
    """The triple of this machine."""
    because: tuple[str, ...] = ()
    """Why the build could not be had as a whole, for people; nothing where that was not asked."""


class SlotsUsed(Struct, frozen=True):
    """How many units a cluster compiles for this build now, of those that it may have at once."""

    where: str
    busy: int
    slots: int


class SourcesWritten(Struct, frozen=True):
    """Build scripts, or macros, have written into the workspace, outside of the folders that are cargo's.

    Known where it is watched what units read.
    """

    paths: tuple[str, ...]


class ToolOutput(Struct, frozen=True):
    """A line that cargo or another tool wrote to its standard error, as it wrote it (colours included)."""

    line: str


class LayerAssembled(Struct, frozen=True):
    """A layer of an image exists as a blob."""

    name: str
    digest: str
    size_bytes: int


class BlobQueued(Struct, frozen=True):
    """A registry is about to be asked for a blob, and to get it where it has none; a BlobPushed follows."""

    digest: str
    size_bytes: int


class BytesMoved(Struct, frozen=True):
    """What has travelled since the last event of this kind; `what` is registry, cache, cluster or packages."""

    what: str
    sent_bytes: int
    received_bytes: int


class BlobPushed(Struct, frozen=True):
    """A registry has a blob: `how` is one of pushed, mounted, exists."""

    digest: str
    size_bytes: int
    how: str


class Written(Struct, frozen=True):
    """A file or folder that the user asked for is complete."""

    what: str
    path: str


Event = (
    Note
    | PhaseStarted
    | PhaseEnded
    | CompileProgress
    | UnitFinished
    | CompileForeseen
    | UnitsRestored
    | UnitsKept
    | UnitsReported
    | SlotsUsed
    | SourcesWritten
    | ToolOutput
    | LayerAssembled
    | BlobQueued
    | BytesMoved
    | BlobPushed
    | Written
)

Emit = Callable[[Event], None]


def ignore(event: Event) -> None:
    """An `Emit` for callers that do not want to know."""
