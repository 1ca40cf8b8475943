"""The in-memory registry: `ContentApi` behind a real HTTP server on a thread, with authentication and faults."""

from __future__ import annotations

import re
import secrets
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Self
from urllib.parse import urlsplit

from cargoship.testing.auth import Auth
from cargoship.testing.content_api import ContentApi
from cargoship.testing.exchange import Call, Fault, Reply
from cargoship.testing.quirk import Answer, Quirk
from cargoship.testing.quirks import QUIRKS
from cargoship.testing.server import Server
from cargoship.testing.uploads import keep_partial

_WRITES = frozenset({"POST", "PUT", "PATCH"})


class InMemoryRegistry:
    """A registry on a port of 127.0.0.1 (host[:port] in `host`); a context that starts and stops it.

    `auth` is who may do what (None: everybody everything), `redirect_blobs` sends readers of blobs to a second
    address with a signed query, as registries over object stores do. `contents` is what it holds and how it
    answers in detail; `faults` is a list that may be changed at any time; `calls` is what was asked so far.
    `quirks` are names out of `QUIRKS`: what some registries do that others do not; raises KeyError for others.
    `address` (https://ghcr.io) is where it is for an `InMemoryTransport`, which needs no port and no start. `sleep` is
    how it waits.
    """

    def __init__(
        self,
        *,
        auth: Auth | None = None,
        faults: Iterable[Fault] = (),
        contents: ContentApi | None = None,
        redirect_blobs: bool = False,
        quirks: Iterable[str] = (),
        tls: ssl.SSLContext | None = None,
        address: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.auth = auth
        self.faults = list(faults)
        self.contents = contents or ContentApi()
        self.redirect_blobs = redirect_blobs
        self._quirks = [QUIRKS[name] for name in quirks]
        self.calls: list[Call] = []
        self._address = address
        self._sleep = sleep
        self._lock = threading.Lock()
        self._signature = secrets.token_hex(8)
        self._server = Server("registry", self, tls)
        self._storage = Server("storage", self, tls)
        self._scheme = "http" if tls is None else "https"

    def __enter__(self) -> Self:
        """Start to listen."""
        self._server.start()
        self._storage.start()
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop listening."""
        self._server.stop()
        self._storage.stop()

    @property
    def host(self) -> str:
        """127.0.0.1:port, the first part of a reference."""
        return self._server.host if self._address is None else urlsplit(self._address).netloc

    @property
    def url(self) -> str:
        """The registry's address."""
        return f"{self._scheme}://{self.host}" if self._address is None else self._address

    @property
    def storage_url(self) -> str:
        """The second address, where redirected readers go; its host is written `localhost`."""
        if self._address is not None:
            return self._address.replace("://", "://storage.")
        return f"{self._scheme}://{self._storage.host.replace('127.0.0.1', 'localhost')}"

    def tags(self, repository: str) -> dict[str, str]:
        """Tag to digest."""
        with self._lock:
            found = self.contents.repositories.get(repository)
            return {} if found is None else dict(found.tags)

    def begin(self, call: Call) -> Fault | None:
        """See `Service.begin`."""
        with self._lock:
            return next((fault for fault in self.faults if fault.strikes(call.method, call.path)), None)

    def finish(self, call: Call, fault: Fault | None) -> Reply:
        """See `Service.finish`."""
        if fault is not None and fault.delay_s:
            self._sleep(fault.delay_s)
        with self._lock:
            if fault is not None and fault.status is not None:
                reply = Reply(fault.status, fault.headers, fault.body)
            else:
                reply = self._answer(call)
            unheard = fault is not None and fault.cut_response is not None
            self.calls.append(replace(call, status=0 if unheard else reply.status))
        return reply

    def cut(self, call: Call) -> None:
        """See `Service.cut`."""
        with self._lock:
            self.calls.append(call)
            if self.auth is None or self.auth.refuse(call, _scope(call), self.url) is None:
                keep_partial(self.contents, call)

    def _answer(self, call: Call) -> Reply:
        """What the registry says, as its quirks let it."""
        answer: Answer = self._work
        for quirk in self._quirks:
            answer = self._between(quirk, answer)
        return answer(call)

    def _between(self, quirk: Quirk, answer: Answer) -> Answer:
        return lambda call: quirk(self, call, answer)

    def _work(self, call: Call) -> Reply:
        if call.server == "storage":
            return self._read_storage(call)
        if self.auth is not None:
            reply = self.auth.serve(call) or self.auth.refuse(call, _scope(call), self.url)
            if reply is not None:
                return reply
        reply = self.contents.answer(call)
        if self.redirect_blobs and call.method == "GET" and "/blobs/sha" in call.path and reply.status < 300:  # noqa: PLR2004
            return Reply(307, {"Location": f"{self.storage_url}{call.path}?signature={self._signature}"})
        return reply

    def _read_storage(self, call: Call) -> Reply:
        """An object store: it knows signatures and, like the real ones, refuses requests that carry more."""
        if call.query.get("signature") != self._signature or "authorization" in call.headers:
            return Reply(400, {"Content-Type": "application/xml"}, b"<Error><Code>InvalidArgument</Code></Error>")
        return self.contents.answer(call)


def _scope(call: Call) -> str | None:
    match = re.fullmatch(r"/v2/(.+?)/(?:blobs|manifests|tags|referrers)/.*", call.path)
    if match is None:
        return None
    action = "pull,push" if call.method in _WRITES else "delete" if call.method == "DELETE" else "pull"
    return f"repository:{match[1]}:{action}"
