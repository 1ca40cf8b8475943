"""How many requests to one host are under way at a time: fewer when it asks for patience, slowly more afterwards."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping

from cargoship.http.budget import Budget
from cargoship.http.retry import retry_after_s

_MOST = 32
_LIMITED = 429
_BUSY = frozenset({_LIMITED, 503})
_LOOK_S = 0.2
_PAUSE_LONGEST_S = 300.0


class Throttle:
    """Additive increase, multiplicative decrease, as TCP's; shared by threads.

    A pause that a rate limit asks for (429, Retry-After) is kept by all threads, not only by the one that got it.
    """

    def __init__(self, budget: Budget, *, most: int = _MOST) -> None:
        self._budget = budget
        self._most = float(most)
        self._limit = float(most)
        self._running = 0
        self._quiet_until = 0.0
        self._changed = threading.Condition()

    @property
    def limit(self) -> int:
        """How many requests may be under way now."""
        return int(self._limit)

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a place among the requests that are under way, and hold it; raises as `Budget.check`."""
        self._enter()
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify()

    def note(self, status: int, headers: Mapping[str, str]) -> None:
        """Learn from an answer."""
        with self._changed:
            if status not in _BUSY:
                self._limit = min(self._limit + 1.0 / self._limit, self._most)
                return
            # what was tried counts, not what would have been allowed
            self._limit = max(min(self._limit, self._running) / 2.0, 1.0)
            pause_s = retry_after_s(headers) or 0.0
            # 503 may be about one resource; a rate limit is about all that this client does
            if status == _LIMITED and pause_s <= _PAUSE_LONGEST_S:
                self._quiet_until = max(self._quiet_until, self._budget.clock() + pause_s)

    def _enter(self) -> None:
        while True:
            with self._changed:
                pause_s = self._quiet_until - self._budget.clock()
                if pause_s <= 0.0:
                    if self._running < self.limit:
                        self._running += 1
                        return
                    self._changed.wait(_LOOK_S)
            # slept without the lock: a stop ends it at once
            if pause_s > 0.0:
                self._budget.sleep(pause_s)
            else:
                self._budget.check()
