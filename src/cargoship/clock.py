"""Measures the phases of a run, and tells of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from cargoship.events import Emit, PhaseEnded, PhaseStarted


class Clock:
    """Seconds by phase, from when it is made."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._started = time.monotonic()
        self._seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure a phase and emit its events."""
        self._emit(PhaseStarted(name))
        with self.measured(name):
            yield
        self._emit(PhaseEnded(name, self._seconds[name]))

    @contextmanager
    def measured(self, name: str) -> Iterator[None]:
        """Measure a phase that emits its own events."""
        started = time.monotonic()
        yield
        self._seconds[name] = time.monotonic() - started

    def seconds(self) -> dict[str, float]:
        """Seconds by phase, and in `total` until now."""
        return {**self._seconds, "total": time.monotonic() - self._started}
