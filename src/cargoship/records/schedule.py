"""What follows from when units were compiled: the critical path, the cores, and what another core would bring.

A unit that another one needs can be used before it is done: rustc goes on to generate code when it has written what
those that depend on it look at. A record does not say when that was. So a unit counts as usable when the first one
that needs it began, if that was before its end.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from msgspec import Struct

from cargoship.errors import ContentInvalid
from cargoship.records.model import RunRecord, UnitSpan


class Step(Struct, frozen=True):
    """A unit of a chain, and how long the next one had to wait for it."""

    place: int
    seconds: float


class CompiledUnits(Struct, frozen=True, dict=True):
    """The units that a build has compiled, by their places in its record, and what follows from their times."""

    units: Mapping[int, UnitSpan]

    @classmethod
    def of(cls, record: RunRecord) -> CompiledUnits:
        """Those of a record."""
        return cls({place: unit for place, unit in enumerate(record.units) if unit.began is not None})

    @property
    def seconds(self) -> float:
        """What compiling them took, one after the other."""
        return sum((unit.seconds for unit in self.units.values()), 0.0)

    @property
    def span(self) -> float:
        """From when the first began until the last was done."""
        if not self.units:
            return 0.0
        return max(map(_end, self.units.values())) - min(map(_start, self.units.values()))

    @cached_property
    def usable_after(self) -> Mapping[int, float]:
        """How long after its beginning each could be used by others, in seconds."""
        found = {place: unit.seconds for place, unit in self.units.items()}
        for unit in self.units.values():
            for need in unit.needs:
                # of one from a cache nobody knows when it began
                if need in found and None not in {unit.began, self.units[need].began}:
                    waited = _start(unit) - _start(self.units[need])
                    found[need] = min(found[need], max(waited, 0.0))
        return found

    @cached_property
    def _order(self) -> Sequence[int]:
        """The places, each after those of what it needs; raises ContentInvalid for a circle."""
        left = {place: sum(need in self.units for need in unit.needs) for place, unit in self.units.items()}
        ready = [place for place, needs in left.items() if not needs]
        for place in ready:
            for other in self._needed_by[place]:
                left[other] -= 1
                if not left[other]:
                    ready.append(other)
        if len(ready) < len(self.units):
            raise ContentInvalid("the record is damaged: units need each other in a circle", hint="name another one")
        return ready

    @cached_property
    def _needed_by(self) -> Mapping[int, list[int]]:
        found: dict[int, list[int]] = defaultdict(list)
        for place, unit in self.units.items():
            for need in unit.needs:
                if need in self.units:
                    found[need].append(place)
        return found

    def critical_path(self) -> tuple[Step, ...]:
        """The chain of units, each needing the one before, that takes longest; raises ContentInvalid."""
        reached: dict[int, float] = {}
        before: dict[int, int] = {}
        for place in self._order:
            unit = self.units[place]
            reached[place] = 0.0
            for need in unit.needs:
                if need in self.units and reached[need] + self.usable_after[need] > reached[place]:
                    reached[place] = reached[need] + self.usable_after[need]
                    before[place] = need
        if not reached:
            return ()
        last = max(reached, key=lambda place: reached[place] + self.units[place].seconds)
        steps = [Step(last, self.units[last].seconds)]
        while steps[-1].place in before:
            need = before[steps[-1].place]
            steps.append(Step(need, self.usable_after[need]))
        return tuple(reversed(steps))

    def span_on(self, cores: int) -> float:
        """How long they would take on so many cores, where each keeps one busy; raises ContentInvalid.

        What most time depends on goes first, which is about what cargo does. A guess: units that share a machine slow
        each other down, and rustc has threads of its own.
        """
        rest = self.rest()
        needs = {place: sum(need in self.units for need in unit.needs) for place, unit in self.units.items()}
        waiting = [(-rest[place], place) for place, left in needs.items() if not left]
        heapq.heapify(waiting)
        # what happens next: a unit becomes usable, or a core is free
        coming: list[tuple[float, bool, int]] = []
        now, free = 0.0, cores
        while waiting or coming:
            while waiting and free:
                _, place = heapq.heappop(waiting)
                free -= 1
                heapq.heappush(coming, (now + self.usable_after[place], False, place))
                heapq.heappush(coming, (now + self.units[place].seconds, True, place))
            now, is_done, place = heapq.heappop(coming)
            if is_done:
                free += 1
                continue
            for other in self._needed_by[place]:
                needs[other] -= 1
                if not needs[other]:
                    heapq.heappush(waiting, (-rest[other], other))
        return now

    def rest(self) -> Mapping[int, float]:
        """How long the longest chain takes that begins with each; raises ContentInvalid for a circle."""
        found: dict[int, float] = {}
        for place in reversed(self._order):
            after = max((found[other] for other in self._needed_by[place]), default=0.0)
            found[place] = max(self.units[place].seconds, self.usable_after[place] + after)
        return found

    def spared_by_a_core(self, cores: int) -> float:
        """Seconds that one core more than `cores` would have spared, as `span_on` guesses; raises ContentInvalid."""
        now = self.span_on(cores)
        return self.span * (1 - self.span_on(cores + 1) / now) if now else 0.0

    def lanes(self) -> Mapping[int, int]:
        """For each the number of a row in which units do not overlap, the lowest that is free."""
        found: dict[int, int] = {}
        free: list[int] = []
        busy: list[tuple[float, int]] = []
        for place in sorted(self.units, key=lambda each: (_start(self.units[each]), each)):
            unit = self.units[place]
            while busy and busy[0][0] <= _start(unit):
                heapq.heappush(free, heapq.heappop(busy)[1])
            lane = heapq.heappop(free) if free else len(busy)
            found[place] = lane
            heapq.heappush(busy, (_end(unit), lane))
        return found


def _start(unit: UnitSpan) -> float:
    return unit.began or 0.0


def _end(unit: UnitSpan) -> float:
    return _start(unit) + unit.seconds


class Miss(Struct, frozen=True):
    """A reason why units were compiled: what they are called that it is the reason of, and all that it cost."""

    because: tuple[str, ...]
    names: tuple[str, ...]
    units: int
    seconds: float


def misses(record: RunRecord) -> tuple[Miss, ...]:
    """Why units were compiled, what cost most first; those of a build without a cache have no reasons."""
    found: dict[tuple[str, ...], tuple[dict[str, None], int, float]] = {}
    for unit in record.units:
        if unit.began is None:
            continue
        root = unit
        for each in _chain(record, unit):
            root = each
        names, units, seconds = found.get(root.because, ({}, 0, 0.0))
        found[root.because] = ({**names, root.name: None}, units + 1, seconds + unit.seconds)
    rows = (Miss(because, tuple(names), units, seconds) for because, (names, units, seconds) in found.items())
    return tuple(sorted(rows, key=lambda each: -each.seconds))


def _chain(record: RunRecord, unit: UnitSpan) -> Iterator[UnitSpan]:
    """What a unit was compiled for, as far as it goes."""
    seen: set[int] = set()
    while unit.waits_for is not None and unit.waits_for not in seen:
        seen.add(unit.waits_for)
        unit = record.units[unit.waits_for]
        yield unit
