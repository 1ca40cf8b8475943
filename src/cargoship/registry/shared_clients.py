"""The clients of a run: one for each registry, so that connections, tokens and certificates are paid for once.

What a run asks of a registry lies apart: whether it takes a push, before anything is compiled; blobs, beside the
compile; manifests, at the end. A handshake and a token for each cost several ways there and back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from cargoship.errors import Stopped
from cargoship.registry.client import RegistryClient


class SharedClients:
    """Opens the client of a registry when it is first asked for, and closes all of them; safe to share between threads.

    `open_client` takes the registry's host[:port].
    """

    def __init__(self, open_client: Callable[[str], RegistryClient]) -> None:
        self._open_client = open_client
        self._lock = threading.Lock()
        self._clients: dict[str, RegistryClient] = {}
        self._closed = False

    def of(self, registry: str) -> RegistryClient:
        """The client of a registry, with all of its time ahead; raises what opening one raises, Stopped after `close`.

        Whoever asks begins something of its own: a compile in between may have taken longer than a push may.
        """
        with self._lock:
            if self._closed:
                raise Stopped
            client = self._clients.get(registry)
            if client is None:
                client = self._clients[registry] = self._open_client(registry)
        client.budget.renew()
        return client

    def close(self) -> None:
        """Stop what is still under way, and close the connections."""
        with self._lock:
            self._closed = True
            clients = tuple(self._clients.values())
        for client in clients:
            client.budget.stop()
        for client in clients:
            client.close()
