"""How long a run against a registry may take, and how it is stopped early: shared by all of its threads."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

from cargoship.errors import Interrupted, RegistryUnreachable

DEFAULT_TOTAL_S = 3600.0


class Stopped(Interrupted):
    """Another thread of the same run has failed or was interrupted: a client is of no use after that."""

    def __init__(self) -> None:
        super().__init__("the exchange with the registry was stopped")


class Budget:
    """A deadline and a stop signal. `clock` counts seconds and `jitter` gives a number from 0 to 1."""

    def __init__(
        self,
        total_s: float = DEFAULT_TOTAL_S,
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.total_s = total_s
        self.clock = clock
        self.jitter = jitter
        self._deadline = clock() + total_s
        self._stopped = threading.Event()

    def check(self) -> None:
        """Return while there is time and nobody has stopped; else raise Stopped or RegistryUnreachable."""
        if self._stopped.is_set():
            raise Stopped
        if self.remaining_s <= 0:
            raise RegistryUnreachable(
                f"the registry took longer than the {self.total_s:.0f} s that were allowed",
                hint="try again on a faster connection: what is already there will not be sent again",
            )

    @property
    def remaining_s(self) -> float:
        """Seconds until the deadline; negative after it."""
        return self._deadline - self.clock()

    def sleep(self, seconds: float) -> None:
        """Wait; `stop` from another thread ends the wait at once, with Stopped."""
        self.check()
        self._stopped.wait(min(seconds, max(self.remaining_s, 0.0)))
        self.check()

    def stop(self) -> None:
        """Make every thread that uses this budget stop at its next step."""
        self._stopped.set()
