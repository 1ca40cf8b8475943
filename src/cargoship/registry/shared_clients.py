"""The clients of a run: one for each registry, so that connections, tokens and certificates are paid for once.

What a run asks of a registry lies apart: whether it takes a push, before anything is compiled; blobs, beside the
compile; manifests, at the end. A handshake and a token for each cost several ways there and back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from cargoship.errors import Stopped
from cargoship.registry.client import RegistryClient

_FRESH_S = 300.0
"""How long a client is given to others. Credentials of a helper may be good for an hour, and so is a client's own time:
after a long compile both are asked for again."""


class SharedClients:
    """Opens the client of a registry when it is first asked for, and closes all of them; safe to share between threads.

    `open_client` takes the registry's host[:port]; `clock` counts seconds.
    """

    def __init__(
        self, open_client: Callable[[str], RegistryClient], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._open_client = open_client
        self._clock = clock
        self._lock = threading.Lock()
        self._opened: list[RegistryClient] = []
        self._fresh: dict[str, tuple[RegistryClient, float]] = {}
        self._closed = False

    def of(self, registry: str) -> RegistryClient:
        """A client of a registry that is not old; raises what opening one raises, Stopped after `close`."""
        with self._lock:
            if self._closed:
                raise Stopped
            now = self._clock()
            client, until = self._fresh.get(registry, (None, now))
            if client is None or now >= until:
                client = self._open_client(registry)
                self._opened.append(client)
                self._fresh[registry] = (client, now + _FRESH_S)
            return client

    def close(self) -> None:
        """Stop what is still under way, and close the connections."""
        with self._lock:
            self._closed = True
            opened = tuple(self._opened)
        for client in opened:
            client.budget.stop()
        for client in opened:
            client.close()
