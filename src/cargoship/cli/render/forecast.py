"""How long a compilation will still take, where earlier ones have shown what its units take."""

from __future__ import annotations

from collections import Counter

from cargoship.events import CompileForeseen

_KNOWN_ENOUGH = 0.8
"""The share of what is compiled of which the time must be known for a guess to be worth anything."""


class Forecast:
    """Follows what cargo does through the units that were foreseen; `jobs` run at a time at most."""

    def __init__(self, jobs: int) -> None:
        self._jobs = max(jobs, 1)
        self._waiting: dict[str, list[float]] = {}
        self._running: dict[str, list[tuple[float, float]]] = {}
        self._is_worth_it = False

    def expect(self, foreseen: CompileForeseen) -> None:
        """A compilation begins."""
        self._waiting = {name: sorted(seconds) for name, seconds in foreseen.seconds.items()}
        self._running = {}
        known = sum(len(seconds) for seconds in foreseen.seconds.values())
        self._is_worth_it = known >= _KNOWN_ENOUGH * foreseen.units

    def follow(self, active: tuple[str, ...], now: float) -> None:
        """These are compiled now, as cargo calls them."""
        counts = Counter(active)
        for name, count in counts.items():
            running = self._running.setdefault(name, [])
            while len(running) < count:
                waiting = self._waiting.get(name)
                running.append((now, waiting.pop() if waiting else 0.0))
        for name, running in self._running.items():
            del running[: max(len(running) - counts[name], 0)]

    def finished(self, name: str) -> None:
        """A unit is done; one that was never seen at work was fresh, or quick."""
        waiting = self._waiting.get(name)
        if waiting and not self._running.get(name):
            waiting.pop()

    def left_s(self, now: float) -> float | None:
        """Seconds, more or less; None where too little is known."""
        if not self._is_worth_it:
            return None
        running = [max(took - (now - since), 0.0) for each in self._running.values() for since, took in each]
        waiting = [took for each in self._waiting.values() for took in each]
        return max([(sum(running) + sum(waiting)) / self._jobs, *running, *waiting])
