"""Doing it again whenever the code changes: build, and where that went well, restart what runs.

An attempt that fails is reported and changes nothing: what ran goes on running.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Protocol

from cargoship.errors import CargoshipError


class Running(Protocol):
    """What an attempt has started."""

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        ...

    def stop(self) -> None:
        """End it, and put away what it used; called once, and also where it has ended by itself."""
        ...


class Teller(Protocol):
    """What a person sees meanwhile."""

    def failed(self, error: CargoshipError, *, still_running: bool) -> None:
        """An attempt went wrong."""
        ...

    def started(self, built_s: float, started_s: float) -> None:
        """What was built runs now: seconds that both took."""
        ...

    def ended(self, code: int) -> None:
        """What ran has ended by itself."""
        ...


Start = Callable[[], Running]


def watch(changes: Iterable[bool], attempt: Callable[[], Start], teller: Teller, clock: Callable[[], float]) -> None:
    """Attempt at once, and again for each of `changes` that is true; false ones are time that passes.

    What changes during an attempt is in the next of `changes`. `attempt` builds and returns what starts the result.
    Whatever ends this, what runs is stopped first.
    """
    running: Running | None = None
    try:
        for changed in itertools.chain([True], changes):
            if not changed:
                code = None if running is None else running.poll()
                if running is not None and code is not None:
                    ended, running = running, None
                    ended.stop()
                    teller.ended(code)
                continue
            begun = clock()
            try:
                start = attempt()
                built = clock()
                previous, running = running, None
                if previous is not None:
                    previous.stop()
                running = start()
            except CargoshipError as error:
                teller.failed(error, still_running=running is not None)
            else:
                teller.started(built - begun, clock() - built)
    finally:
        if running is not None:
            running.stop()
