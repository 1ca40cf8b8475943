"""Measures how long the phases of a run take, and reports them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from cargoship.events import Emit, PhaseEnded, PhaseStarted

_TAKEN_INSIDE: ContextVar[list[float]] = ContextVar("_TAKEN_INSIDE")
"""Seconds of each phase that ended inside of the one that runs."""


@contextmanager
def phase(emit: Emit, name: str, detail: str = "") -> Iterator[Callable[[str], None]]:
    """Emit the events of a phase; what is yielded takes what is to be said at its end. One that raises has no end."""
    said = ""

    def say(text: str) -> None:
        nonlocal said
        said = text

    started = time.monotonic()
    emit(PhaseStarted(name, detail))
    around, inside = _TAKEN_INSIDE.get([]), list[float]()
    token = _TAKEN_INSIDE.set(inside)
    try:
        yield say
    finally:
        _TAKEN_INSIDE.reset(token)
    seconds = time.monotonic() - started
    around.append(seconds)
    emit(PhaseEnded(name, seconds - sum(inside), said))


class Clock:
    """Seconds by phase, from when it is made, or since `began` (of the monotonic clock)."""

    def __init__(self, emit: Emit, began: float | None = None) -> None:
        self._emit = emit
        self._started = time.monotonic() if began is None else began
        self._seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure a phase and emit its events."""
        with phase(self._emit, name), self.measured(name):
            yield

    @contextmanager
    def measured(self, name: str) -> Iterator[None]:
        """Measure a phase that emits its own events."""
        started = time.monotonic()
        yield
        self._seconds[name] = time.monotonic() - started

    def seconds(self) -> dict[str, float]:
        """Seconds by phase, and in `total` until now."""
        return {**self._seconds, "total": time.monotonic() - self._started}
