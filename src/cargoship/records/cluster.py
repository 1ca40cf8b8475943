"""What a cluster would make of a build: the units of a record, scheduled on slots at the other end of a link. Pure.

Every unit that rustc compiles goes to a slot: what it needs is there, or is sent; its outputs are fetched, and only
then may others begin, for a cluster gives an action's outputs when it is over (rustc lets others begin earlier here).
Runs of build scripts stay on this machine's cores. A link carries one thing after the other, in each direction.

What a record does not have is not counted: sources, and a toolchain, which travel once. Neither are processors that are
faster or slower than those of the record. So it is a guess; bench/remote.py holds it against real builds.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from cargoship.records.link import Link
from cargoship.records.model import RunRecord, UnitSpan
from cargoship.records.schedule import CompiledUnits

RUNS_HERE = "build script run"
_TRIPS = 3
"""Questions for an action: what is missing, execute, read."""
_SETUP_S = 0.1
"""What a worker takes to lay out an action's files and to look at its outputs."""
_KNOWN_SHARE = 0.9
_WORTH_SHARE = 0.02
_HELP_MAX = 3


class PathStep(Struct, frozen=True):
    """A unit of the chain that a build waited for: compiling, and how long it waited for a slot and for bytes."""

    place: int
    seconds: float
    waited: float
    travelled: float


class SlotsForecast(Struct, frozen=True):
    """A build on so many slots: seconds, bytes, and the chain of units that it waited for."""

    slots: int
    seconds: float
    sent_bytes: int
    received_bytes: int
    path: tuple[PathStep, ...]


class Help(Struct, frozen=True):
    """A unit that would be worth shortening: by how much a build ends earlier where it takes half as long."""

    place: int
    spared: float


class ClusterForecast(Struct, frozen=True):
    """The units of a record, by place, on a cluster. One whose time is not known takes none, and only waits."""

    units: Mapping[int, UnitSpan]
    cores: int
    link: Link

    @classmethod
    def of(cls, record: RunRecord, link: Link) -> ClusterForecast:
        """All units that were ever compiled: one from a cache counts with what compiling it took."""
        return cls(dict(enumerate(record.units)), record.machine.cores, link)

    @property
    def known(self) -> int:
        """How many have a time."""
        return sum(1 for unit in self.units.values() if unit.seconds)

    @property
    def seconds(self) -> float:
        """What compiling all of them takes, one after the other."""
        return sum((unit.seconds for unit in self.units.values()), 0.0)

    def here(self) -> float:
        """Seconds that all of them take on this machine; raises ContentInvalid."""
        return self.on_cores(self.cores)

    def on_cores(self, cores: int) -> float:
        """The same on so many cores, without a cluster; raises ContentInvalid."""
        return self._compiled.span_on(cores)

    def on(self, slots: int) -> SlotsForecast:
        """The build on so many slots; raises ContentInvalid."""
        return _Simulation(self, slots, self._compiled.rest()).run()

    def help(self, forecast: SlotsForecast) -> tuple[Help, ...]:
        """What of a build's path is worth shortening, what helps most first; raises ContentInvalid."""
        found = []
        slowest = sorted(forecast.path, key=lambda step: -step.seconds)[: 2 * _HELP_MAX]
        for step in slowest:
            unit = self.units[step.place]
            shorter = msgspec.structs.replace(unit, seconds=unit.seconds / 2)
            other = replace(self, units={**self.units, step.place: shorter}).on(forecast.slots)
            found.append(Help(step.place, forecast.seconds - other.seconds))
        worth = [each for each in found if each.spared > forecast.seconds * _WORTH_SHARE]
        return tuple(sorted(worth, key=lambda each: -each.spared)[:_HELP_MAX])

    @property
    def _compiled(self) -> CompiledUnits:
        """As if all had been compiled here: units whose beginning nobody knows are used when they are done."""
        return CompiledUnits(self.units)


def fullest(records: Iterable[RunRecord]) -> RunRecord | None:
    """The newest record (they are given so) that has times for nearly all of its units, else that with most of them."""
    best: RunRecord | None = None
    best_seconds = 0.0
    for record in records:
        if not record.units:
            continue
        known = [unit.seconds for unit in record.units if unit.seconds]
        if len(known) >= _KNOWN_SHARE * len(record.units):
            return record
        if sum(known) > best_seconds:
            best, best_seconds = record, sum(known)
    return best


class _Pipe(Struct):
    """One direction of a link: what is asked for is carried in turn."""

    bytes_s: float
    free: float = 0.0
    carried: int = 0

    def carry(self, now: float, size: int) -> float:
        """When so many bytes have come through."""
        if size:
            self.carried += size
            self.free = max(self.free, now) + size / self.bytes_s
        return max(self.free, now) if size else now


class _Simulation:
    """What happens when: units become ready, take a slot or a core, are done, and can be used once they are fetched."""

    def __init__(self, forecast: ClusterForecast, slots: int, rest: Mapping[int, float]) -> None:
        self._units = forecast.units
        self._slots = slots
        self._link = forecast.link
        self._rest = rest
        self._out, self._back = _Pipe(forecast.link.sent_bytes_s), _Pipe(forecast.link.received_bytes_s)
        self._there: set[int] = set()
        # by whether it travels: what waits for a slot, and for a core of this machine
        self._waiting: dict[bool, list[tuple[float, int]]] = {True: [], False: []}
        self._free = {True: slots, False: forecast.cores}
        self._coming: list[tuple[float, int, bool]] = []
        self._ready: dict[int, float] = {}
        self._began: dict[int, float] = {}
        self._usable: dict[int, float] = {}

    def run(self) -> SlotsForecast:
        needed_by: dict[int, list[int]] = defaultdict(list)
        for place, unit in self._units.items():
            for need in _needs(unit, self._units):
                needed_by[need].append(place)
        left = {place: len(_needs(unit, self._units)) for place, unit in self._units.items()}
        for place in [place for place, number in left.items() if not number]:
            self._make_ready(place, 0.0)
        self._begin(0.0)
        while self._coming:
            now, place, is_done = heapq.heappop(self._coming)
            travels = _travels(self._units[place])
            if is_done:
                self._free[travels] += 1
                fetched = self._back.carry(now, self._units[place].size) if travels else now
                heapq.heappush(self._coming, (fetched, place, False))
            else:
                self._usable[place] = now
                for other in needed_by[place]:
                    left[other] -= 1
                    if not left[other]:
                        self._make_ready(other, now)
            self._begin(now)
        seconds = max(self._usable.values(), default=0.0)
        return SlotsForecast(self._slots, seconds, self._out.carried, self._back.carried, self._path())

    def _make_ready(self, place: int, now: float) -> None:
        self._ready[place] = now
        heapq.heappush(self._waiting[_travels(self._units[place])], (-self._rest[place], place))

    def _begin(self, now: float) -> None:
        """Give what is free to what most time depends on."""
        for travels, queue in self._waiting.items():
            while queue and self._free[travels]:
                _, place = heapq.heappop(queue)
                self._free[travels] -= 1
                self._began[place] = now
                begins = self._sent(place, now) if travels else now
                heapq.heappush(self._coming, (begins + self._units[place].seconds, place, True))

    def _sent(self, place: int, now: float) -> float:
        """When a worker has all that a unit needs; what was made here and is needed there is sent once."""
        needs = _needs(self._units[place], self._units)
        new = [need for need in needs if need not in self._there and self._units[need].seconds]
        self._there.update(new, [place])
        sent = self._out.carry(now, sum(self._units[need].size for need in new))
        return sent + self._link.round_trip_s * _TRIPS + _SETUP_S

    def _path(self) -> tuple[PathStep, ...]:
        """From what was done last back to what each was waited for."""
        steps: list[PathStep] = []
        place = max(self._usable, key=lambda each: self._usable[each], default=None)
        while place is not None:
            seconds = self._units[place].seconds
            travelled = self._usable[place] - self._began[place] - seconds
            steps.append(PathStep(place, seconds, self._began[place] - self._ready[place], travelled))
            needs = _needs(self._units[place], self._units)
            place = max(needs, key=lambda each: self._usable[each], default=None)
        return tuple(reversed(steps))


def _needs(unit: UnitSpan, units: Mapping[int, UnitSpan]) -> Sequence[int]:
    return [need for need in dict.fromkeys(unit.needs) if need in units]


def _travels(unit: UnitSpan) -> bool:
    return unit.kind != RUNS_HERE and unit.seconds > 0
