"""A server of the standard library that answers in a thread of its own, until the end of a block."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from collections.abc import Iterator

_POLL_S = 0.05
"""How long the end of a block waits at the most; the standard library's own half a second adds up over many tests."""


@contextlib.contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    """Serve in the block; at its end the server is closed, and its thread has ended."""
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(_POLL_S,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
