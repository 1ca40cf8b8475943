"""Requests to in-memory registries without sockets: quick enough for thousands of runs, and under any host's name."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Self
from urllib.parse import urlsplit

from cargoship.http.endpoint import origin
from cargoship.http.exchange import ConnectionBroken, Evidence, Request
from cargoship.testing.exchange import Call, Fault, Reply
from cargoship.testing.registry import InMemoryRegistry

_IDLE_S = 60.0


class InMemoryTransport:
    """A `Transport` that hands requests over in this thread.

    `registries` by the origins that they answer for (https://ghcr.io, https://auth.docker.io); each answers for its own
    `url` and `storage_url` too. A wait of more than `idle_s` seconds counts as silence; `sleep` is how it waits.
    """

    def __init__(
        self,
        *own: InMemoryRegistry,
        registries: Mapping[str, InMemoryRegistry] | None = None,
        idle_s: float = _IDLE_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._places = {origin(url): (registry, "registry") for url, registry in (registries or {}).items()}
        for registry in (*own, *(registries or {}).values()):
            self._places.setdefault(origin(registry.url), (registry, "registry"))
            self._places[origin(registry.storage_url)] = (registry, "storage")
        self._idle_s = idle_s
        self._sleep = sleep

    def send(self, request: Request) -> _Response:
        """See `Transport.send`."""
        parts = urlsplit(request.url)
        place = self._places.get(origin(request.url))
        if place is None:
            if any(host == (parts.hostname or "") and parts.port in {None, port} for _, host, port in self._places):
                tls = parts.scheme == "https"
                reason = "it does not speak TLS" if tls else "it hung up"
                evidence = Evidence.NO_TLS if tls else Evidence.NO_HTTP
                raise ConnectionBroken(reason, permanent=tls, evidence=evidence)
            raise ConnectionBroken("its name does not resolve: nobody has it", permanent=True)
        registry, server = place
        headers = {name.lower(): value for name, value in request.headers.items()}
        query = Call.parse_query(parts.query)
        call = Call(request.method, parts.path, query, headers, server=server)
        fault = registry.begin(call)
        body = b"" if request.body is None else b"".join(request.body())
        if fault is not None and fault.cut_request is not None:
            registry.cut(replace(call, body=body[: fault.cut_request]))
            raise ConnectionBroken("the connection was cut", evidence=Evidence.NO_HTTP)
        reply = self._finish(registry, replace(call, body=body), fault)
        return _Response(reply, fault, self._wait, with_body=request.method != "HEAD")

    def close(self) -> None:
        """See `Transport.close`."""

    def _finish(self, registry: InMemoryRegistry, call: Call, fault: Fault | None) -> Reply:
        if fault is not None and fault.delay_s > self._idle_s:
            # the client has gone when the registry gets to its work
            registry.finish(call, replace(fault, delay_s=0.0))
            self._wait(fault.delay_s)
        reply = registry.finish(call, fault)
        if fault is not None and fault.cut_response == 0:
            raise ConnectionBroken("the connection was cut", evidence=Evidence.NO_HTTP)
        return reply

    def _wait(self, seconds: float) -> None:
        self._sleep(min(seconds, self._idle_s))
        if seconds > self._idle_s:
            raise ConnectionBroken("it stopped answering")


class _Response:
    """`Response` over a reply."""

    def __init__(self, reply: Reply, fault: Fault | None, wait: Callable[[float], None], *, with_body: bool) -> None:
        self.status = reply.status
        self.headers = {name.lower(): value.replace("\n", ", ") for name, value in reply.headers.items()}
        self.headers.setdefault("content-length", str(len(reply.body)))
        self._whole = reply.body if with_body else b""
        self._fault = fault
        self._wait = wait

    def chunks(self) -> Iterator[bytes]:
        """See `Response.chunks`."""
        body = self._whole if self._fault is None else self._fault.spoiled(self._whole)
        step = max(len(body) // 4, 1)
        for start in range(0, len(body), step):
            if self._fault is not None and self._fault.drip_s:
                self._wait(self._fault.drip_s)
            yield body[start : start + step]
        if len(body) < len(self._whole):
            raise ConnectionBroken("the connection was cut")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass
