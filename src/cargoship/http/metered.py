"""Connections that tell how much travels on them, while it does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from msgspec import Struct

from cargoship.events import BytesMoved, Emit
from cargoship.http.exchange import Request, Response, Transport

_INTERVAL_S = 0.1


@dataclass
class Meter:
    """Adds bytes up, and tells of them ten times a second at most; `what` is that of `BytesMoved`."""

    emit: Emit
    what: str
    now: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _sent_bytes: int = 0
    _received_bytes: int = 0
    _reported_at: float = float("-inf")

    def add(self, *, sent_bytes: int = 0, received_bytes: int = 0) -> None:
        """Something has travelled."""
        with self._lock:
            self._sent_bytes += sent_bytes
            self._received_bytes += received_bytes
            if self.now() - self._reported_at < _INTERVAL_S:
                return
        self.tell()

    def tell(self) -> None:
        """Emit what has not been reported."""
        with self._lock:
            moved = BytesMoved(self.what, self._sent_bytes, self._received_bytes)
            self._sent_bytes = self._received_bytes = 0
            self._reported_at = self.now()
        if moved.sent_bytes or moved.received_bytes:
            self.emit(moved)


class Metered(Struct, frozen=True):
    """A transport whose contents are counted, in both directions; headers are not."""

    transport: Transport
    meter: Meter

    def send(self, request: Request) -> Response:
        """See `Transport.send`."""
        body = request.body
        if body is not None:
            request = replace(request, body=lambda: self._sent(body()))
        response = self.transport.send(request)
        self.meter.tell()
        return _Counted(response, self.meter)

    def close(self) -> None:
        """See `Transport.close`."""
        self.transport.close()

    def _sent(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            yield piece
            # asked for the next one: this one is on its way
            self.meter.add(sent_bytes=len(piece))


class _Counted:
    """A response whose content is counted as it arrives."""

    def __init__(self, response: Response, meter: Meter) -> None:
        self._response = response
        self._meter = meter

    @property
    def status(self) -> int:
        return self._response.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self._response.headers

    def chunks(self) -> Iterator[bytes]:
        for piece in self._response.chunks():
            self._meter.add(received_bytes=len(piece))
            yield piece
        self._meter.tell()

    def __enter__(self) -> Self:
        self._response.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._response.__exit__(*exc)
