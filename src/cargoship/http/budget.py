"""How long a run against a registry may take, and how it is stopped early: shared by all of its threads."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator

from cargoship.errors import RegistryUnreachable, Stopped

DEFAULT_TOTAL_S = 3600.0


class Halt:
    """A signal that ends a piece of work and the pieces that it is made of; those around it go on."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._inner: list[Halt] = []

    def set(self) -> None:
        """Give the signal, for good."""
        with self._lock:
            self._event.set()
            inner = tuple(self._inner)
        for halt in inner:
            halt.set()

    def is_set(self) -> bool:
        """Whether the signal was given."""
        return self._event.is_set()

    def wait(self, seconds: float) -> None:
        """Wait for the signal, or for so long."""
        self._event.wait(seconds)

    @contextlib.contextmanager
    def inside(self) -> Iterator[Halt]:
        """A signal for a piece of this work."""
        halt = Halt()
        with self._lock:
            self._inner.append(halt)
        if self.is_set():
            halt.set()
        try:
            yield halt
        finally:
            with self._lock:
                self._inner.remove(halt)


class Budget:
    """A deadline and stop signals. `clock` counts seconds and `jitter` gives a number from 0 to 1.

    `stop` ends everything. Work that is shared by threads has a signal of its own (`part`), which its threads obey
    after `obey`: what fails ends its own part, and the budget serves for the next.
    """

    def __init__(
        self,
        total_s: float = DEFAULT_TOTAL_S,
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.total_s = total_s
        self.whom: str | None = None
        """Who took too long, for the error: the registry that it was made for."""
        self.clock = clock
        self.jitter = jitter
        self._deadline = clock() + total_s
        self._all = Halt()
        self._own = threading.local()

    def check(self) -> None:
        """Return while there is time and nobody has stopped; else raise Stopped or RegistryUnreachable."""
        if self._signal.is_set():
            raise Stopped
        if self.remaining_s <= 0:
            raise RegistryUnreachable(
                f"{self.whom or 'the registry'} took longer than the {self.total_s:.0f} s that were allowed",
                hint="try again on a faster connection: what is already there will not be sent again",
            )

    @property
    def remaining_s(self) -> float:
        """Seconds until the deadline; negative after it."""
        return self._deadline - self.clock()

    def sleep(self, seconds: float) -> None:
        """Wait; `stop` from another thread ends the wait at once, with Stopped."""
        self.check()
        self._signal.wait(min(seconds, max(self.remaining_s, 0.0)))
        self.check()

    def stop(self) -> None:
        """Make every thread that uses this budget stop at its next step."""
        self._all.set()

    def part(self) -> contextlib.AbstractContextManager[Halt]:
        """A signal for a part of what this thread does."""
        return self._signal.inside()

    def obey(self, halt: Halt) -> None:
        """Let this thread, which was started for a part of the work, be stopped by its signal."""
        self._own.halt = halt

    @property
    def _signal(self) -> Halt:
        halt: Halt = getattr(self._own, "halt", self._all)
        return halt
