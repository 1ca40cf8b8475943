"""Memory for what workers have made: as many as a cluster's slots bring it at once, and this machine has so much."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class Room:
    """So many bytes that are held at once. Safe to share between threads.

    What is larger than all of it is held when nothing else is: nobody waits for ever.
    """

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self._held = 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def taken(self, size_bytes: int) -> Iterator[None]:
        """Wait until so many bytes are free, and have them."""
        with self._changed:
            self._changed.wait_for(lambda: not self._held or self._held + size_bytes <= self.size_bytes)
            self._held += size_bytes
        try:
            yield
        finally:
            with self._changed:
                self._held -= size_bytes
                self._changed.notify_all()
