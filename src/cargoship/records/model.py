"""The record of a build, as a value and as JSON.

docs/timings.md describes it for people, `record_schema()` for programs. Times are seconds since the build began, sizes
are bytes. Nothing in it is a secret: values of variables, credentials and what tools print are not in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from cargoship.decoding import Undecodable, decode_json
from cargoship.errors import ContentInvalid

FORMAT = "cargoship-build"
VERSION = 1
"""Goes up when a field changes its meaning or goes; a field more does not change it."""
BYTES_MAX = 64 << 20
_SECONDS_MAX = 10_000_000
UNITS_MAX = 20_000
"""How many units a record holds; of a larger build those that took longest."""


class Machine(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the build ran on."""

    cores: int
    host: str = ""
    """The triple; nothing where no unit was looked at."""


class PhaseSpan(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part of the work, such as compile or publish; several may run at once."""

    name: str
    began: float
    ended: float
    detail: str = ""


class UnitSpan(msgspec.Struct, frozen=True, omit_defaults=True):
    """A unit: a crate, a program or a build script, or the run of one."""

    package: str
    version: str
    kind: str
    """As cargo has it (lib, bin, proc-macro, custom-build, ...), or `build script run`."""
    target: str
    """The triple that it is for; `host` of the machine where `for_host`."""
    state: str
    """compiled, restored (from a cache), present (it lay in the target folder), replaced (cargo did not take what was
    restored, and compiled it), unfinished (the build failed before)."""
    for_host: bool = False
    local: bool = False
    """Whether it is of the workspace, or named by its path."""
    began: float | None = None
    """When compiling it began; None where this build did not compile it."""
    seconds: float = 0.0
    """What compiling it took: now, or for one that was restored, when it was compiled."""
    size: int = 0
    because: tuple[str, ...] = ()
    """Why it was compiled, where it is the root of a miss."""
    waits_for: int | None = None
    """The place of the unit that it was compiled for, where it is none."""
    needs: tuple[int, ...] = ()
    """The places of the units that it depends on."""
    where: str = ""
    """The cluster that has compiled it; nothing for this machine."""

    @property
    def ended(self) -> float | None:
        """When it was done; None where this build did not compile it."""
        return None if self.began is None else self.began + self.seconds

    @property
    def name(self) -> str:
        """The unit, for people."""
        return f"{self.package} {self.version} {self.kind}" if self.version else f"{self.package} {self.kind}".rstrip()


class CacheUse(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the unit cache gave and took."""

    recalled: bool = False
    """The build came as a whole, and no cargo was started."""
    because: tuple[str, ...] = ()
    """Why it did not, where that was asked."""
    restored: int = 0
    restored_bytes: int = 0
    restored_seconds: float = 0.0
    spared_seconds: float = 0.0
    """What compiling the restored units once took, one after the other."""
    kept: int = 0
    kept_bytes: int = 0
    kept_seconds: float = 0.0
    waited_seconds: float = 0.0
    """How long nothing was done but keeping."""


class Traffic(msgspec.Struct, frozen=True):
    """Bytes on the network."""

    sent: int = 0
    received: int = 0


class LayerRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """A layer: `size` is what a pull transfers."""

    digest: str
    size: int
    made_by: str = ""


class PlatformRecord(msgspec.Struct, frozen=True):
    """An image for one platform: `size` is what a pull transfers."""

    platform: str
    digest: str
    size: int
    layers: tuple[LayerRecord, ...]


class PushRecord(msgspec.Struct, frozen=True):
    """A push to a registry: numbers of blobs, and the bytes that were sent."""

    reference: str
    tags: tuple[str, ...]
    pushed: int
    mounted: int
    skipped: int
    pushed_bytes: int


class ImageRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """An image that was made."""

    name: str
    reference: str
    digest: str
    changed: bool
    platforms: tuple[PlatformRecord, ...]
    pushes: tuple[PushRecord, ...] = ()

    @property
    def is_readable(self) -> bool:
        """Whether `reference` leads to the image: to a registry, folder or archive; not to an engine, or to files."""
        return "@" in self.reference

    @property
    def size(self) -> int:
        """Bytes of all platforms."""
        return sum(each.size for each in self.platforms)


class RunRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """A build."""

    id: str
    """The time when it began, and a few letters: also the name of its file."""
    began: str
    """RFC 3339, in UTC."""
    seconds: float
    cargoship: str
    project: str
    """The name of the workspace's folder."""
    machine: Machine
    outcome: str = "built"
    """built or failed."""
    error: str = ""
    """The kind of error that ended it."""
    revision: str = ""
    """The commit, where git knew it."""
    platforms: tuple[str, ...] = ()
    phases: tuple[PhaseSpan, ...] = ()
    cache: CacheUse = CacheUse()
    units: tuple[UnitSpan, ...] = ()
    units_left_out: int = 0
    traffic: dict[str, Traffic] = msgspec.field(default_factory=dict)
    """By what travelled: registry, cache, cluster, packages."""
    images: tuple[ImageRecord, ...] = ()
    units_by: str = "cargo"
    """Whose times those of units are: those that cargo leaves, or of its progress, where there was no cache."""


class _Head(msgspec.Struct, frozen=True):
    format: str
    version: int


class RecordDocument(RunRecord, frozen=True, omit_defaults=True, kw_only=True):
    """A record as it is in its file."""

    format: str
    version: int


def encode_record(record: RunRecord) -> bytes:
    """A record as a file."""
    head = msgspec.json.encode(_Head(FORMAT, VERSION))
    return head[:-1] + b"," + msgspec.json.encode(record)[1:]


def decode_record(data: bytes, place: str) -> RunRecord:
    """Read a record that anybody may have written; raises ContentInvalid. `place` is where it is from."""
    try:
        head = decode_json(data, _Head)
    except Undecodable as error:
        raise ContentInvalid(f"{place} is no record of a build: {error}", hint="remove it, or name another") from error
    if head.format != FORMAT:
        raise ContentInvalid(f"{place} is no record of a build: its format is not {FORMAT}", hint="name another file")
    if head.version > VERSION:
        raise ContentInvalid(
            f"{place} was written by a newer cargoship: it is a record of version {head.version}, and this one reads "
            f"version {VERSION}",
            hint="update cargoship",
        )
    try:
        record = decode_json(data, RunRecord)
    except Undecodable as error:
        raise ContentInvalid(f"{place} is damaged: {error}", hint="remove it, or name another") from error
    places = range(len(record.units))
    if any(each not in places for unit in record.units for each in (*unit.needs, *_some(unit.waits_for))):
        raise ContentInvalid(f"{place} is damaged: it names units that are not in it", hint="remove it")
    if not all(0 <= each <= _SECONDS_MAX for each in _times(record)):
        raise ContentInvalid(f"{place} is damaged: it has times that no build has", hint="remove it")
    return record


def _times(record: RunRecord) -> Iterator[float]:
    yield record.seconds
    for phase in record.phases:
        yield from (phase.began, phase.ended)
    for unit in record.units:
        yield from (unit.began or 0.0, unit.seconds)


def _some(place: int | None) -> tuple[int, ...]:
    return () if place is None else (place,)


def record_schema() -> dict[str, Any]:
    """The JSON schema of a record."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(RecordDocument)}
