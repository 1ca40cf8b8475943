"""Takes note of a build's events, and makes its record of them."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec
from msgspec import Struct, field

from cargoship.events import (
    BytesMoved,
    CompileProgress,
    Emit,
    Event,
    PhaseEnded,
    PhaseStarted,
    UnitFinished,
    UnitReport,
    UnitsKept,
    UnitsReported,
    UnitsRestored,
)
from cargoship.records.model import (
    UNITS_MAX,
    CacheUse,
    ImageRecord,
    Machine,
    PhaseSpan,
    RunRecord,
    Traffic,
    UnitSpan,
)
from cargoship.version import __version__


class Outcome(Struct, frozen=True):
    """What is known of a build beside its events, when it has ended."""

    project: str
    """The name of the workspace's folder."""
    revision: str = ""
    platforms: tuple[str, ...] = ()
    images: tuple[ImageRecord, ...] = ()
    recalled: bool = False
    """The build came as a whole, and no cargo was started."""
    error: str = ""
    """The kind of error that ended it; nothing where it was built."""


class Recorder:
    """An `Emit` between a build and who listens; comes from several threads.

    `clock` tells the seconds since 1970.
    """

    def __init__(self, emit: Emit, clock: Callable[[], float]) -> None:
        self._emit = emit
        self._lock = threading.Lock()
        self._began_s = clock()
        self._started = time.monotonic()
        self._open: dict[str, float] = {}
        self._phases: list[PhaseSpan] = []
        self._reports: list[UnitsReported] = []
        self._restored: list[UnitsRestored] = []
        self._kept: list[UnitsKept] = []
        self._sent: Counter[str] = Counter()
        self._received: Counter[str] = Counter()
        self._seen = _Seen()

    def emit(self, event: Event) -> None:
        """Take note of an event, and pass it on."""
        now = time.monotonic() - self._started
        with self._lock:
            self._note(event, now)
        self._emit(event)

    def _note(self, event: Event, now: float) -> None:
        match event:
            case CompileProgress(active=active):
                self._seen.progress(active, now)
            case UnitFinished():
                self._seen.finished(event, now)
            case PhaseStarted(name=name):
                self._open[name] = now
            case PhaseEnded(name=name, detail=detail):
                began = self._open.pop(name, now)
                self._phases.append(PhaseSpan(name, round(began, 3), round(now, 3), detail))
            case BytesMoved(what=what, sent_bytes=sent, received_bytes=received):
                self._sent[what] += sent
                self._received[what] += received
            case UnitsReported():
                self._reports.append(event)
            case UnitsRestored():
                self._restored.append(event)
            case UnitsKept():
                self._kept.append(event)
            case _:
                pass

    def record(self, outcome: Outcome) -> RunRecord:
        """What was noted so far, as the record of a build that has ended."""
        with self._lock:
            began = datetime.fromtimestamp(self._began_s, UTC)
            spans = _joined(self._reports, self._began_s) if self._reports else self._seen.units
            units, left_out = bounded(spans)
            traffic = {what: Traffic(self._sent[what], self._received[what]) for what in self._sent}
            return RunRecord(
                id=f"{began:%Y%m%dT%H%M%S}.{began.microsecond // 1000:03}Z-{os.urandom(2).hex()}",
                began=began.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                seconds=round(time.monotonic() - self._started, 3),
                cargoship=__version__,
                project=outcome.project,
                machine=Machine(os.cpu_count() or 1, self._reports[0].host if self._reports else ""),
                outcome="failed" if outcome.error else "built",
                error=outcome.error,
                revision=outcome.revision,
                platforms=outcome.platforms,
                phases=tuple(sorted(self._phases, key=lambda phase: phase.began)),
                cache=self._cache(recalled=outcome.recalled),
                units=units,
                units_left_out=left_out,
                traffic=traffic,
                images=outcome.images,
                units_by="cargo" if self._reports or not self._seen.units else "progress",
            )

    def _cache(self, *, recalled: bool) -> CacheUse:
        return CacheUse(
            recalled=recalled,
            because=tuple(dict.fromkeys(why for report in self._reports for why in report.because)),
            restored=sum(each.restored for each in self._restored),
            restored_bytes=sum(each.size_bytes for each in self._restored),
            restored_seconds=round(sum((each.seconds for each in self._restored), 0.0), 3),
            spared_seconds=round(sum((each.spared_s for each in self._restored), 0.0), 3),
            kept=sum(each.units for each in self._kept),
            kept_bytes=sum(each.size_bytes for each in self._kept),
            kept_seconds=round(sum((each.seconds for each in self._kept), 0.0), 3),
            waited_seconds=round(sum((each.waited_s for each in self._kept), 0.0), 3),
        )


def _joined(reports: Sequence[UnitsReported], began_s: float) -> list[UnitSpan]:
    """The units of several invocations, one after the other."""
    found: list[UnitSpan] = []
    for each in reports:
        first = len(found)
        found += (_span(unit, first, began_s) for unit in each.units)
    return found


def _span(unit: UnitReport, first: int, began_s: float) -> UnitSpan:
    return UnitSpan(
        package=unit.package,
        version=unit.version,
        kind=unit.kind,
        target=unit.target,
        state=unit.state,
        for_host=unit.is_for_host,
        local=unit.is_local,
        # the file system's clock may be a little behind
        began=round(max(unit.began_s - began_s, 0.0), 3) if unit.began_s else None,
        seconds=round(unit.seconds, 3),
        size=unit.size_bytes,
        because=unit.because,
        waits_for=None if unit.waits_for is None else first + unit.waits_for,
        needs=tuple(first + place for place in unit.needs),
        where=unit.where,
    )


def bounded(units: Sequence[UnitSpan], units_max: int = UNITS_MAX) -> tuple[tuple[UnitSpan, ...], int]:
    """The units that a record holds, in their order, and how many it leaves out: those that took least."""
    if len(units) <= units_max:
        return tuple(units), 0
    slowest = sorted(range(len(units)), key=lambda place: -units[place].seconds)[:units_max]
    places = {old: new for new, old in enumerate(sorted(slowest))}
    kept = []
    for old in places:
        unit = units[old]
        needs = tuple(places[each] for each in unit.needs if each in places)
        waits_for = None if unit.waits_for is None else places.get(unit.waits_for)
        kept.append(msgspec.structs.replace(unit, needs=needs, waits_for=waits_for))
    return tuple(kept), len(units) - len(kept)


class _Seen(Struct):
    """What cargo's progress shows of units, for a build without a cache: nobody looks into its folders then."""

    units: list[UnitSpan] = field(default_factory=list)
    _since: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def progress(self, active: Sequence[str], now: float) -> None:
        for name, number in Counter(active).items():
            running = self._since[name]
            running += [now] * (number - len(running))

    def finished(self, unit: UnitFinished, now: float) -> None:
        running = self._since.get(unit.name)
        began = running.pop(0) if running else now
        state = "present" if unit.fresh else "compiled"
        kind = unit.name.removeprefix(unit.package).strip("()") or "lib"
        self.units.append(
            UnitSpan(
                unit.package, "", "build script run" if kind == "build" else kind, "", state,
                began=None if unit.fresh else round(began, 3), seconds=0.0 if unit.fresh else round(now - began, 3),
            )
        )  # fmt: skip
