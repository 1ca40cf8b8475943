"""What goes in and out of the in-memory registry, and what may go wrong on the way, as values."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl


@dataclass(frozen=True)
class Call:
    """A request that the registry received.

    Header names are lower case; values of a repeated query name are joined by a space. `server` is `registry`, or
    `storage` for the second address that blobs may be redirected to. `status` is what was answered, 0 where the
    connection was cut.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    server: str = "registry"
    status: int = 0

    @staticmethod
    def parse_query(text: str) -> dict[str, str]:
        """The part of an address after its question mark."""
        query: dict[str, str] = {}
        for name, value in parse_qsl(text, keep_blank_values=True):
            query[name] = f"{query[name]} {value}" if name in query else value
        return query


@dataclass(frozen=True)
class Reply:
    """An answer. Content-Length is added; `body` is left out for HEAD, whose length it still gives.

    The lines of a header's text are headers of their own.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)

    @classmethod
    def error(cls, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Reply:
        """An error in the distribution specification's form."""
        body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
        return cls(status, {"Content-Type": "application/json", **(headers or {})}, body)


@dataclass
class Fault:
    """Trouble for the requests whose method and path match these regular expressions.

    The first `skip` of them pass, the next `times` (None: all others) are hit. In this order: `delay_s` seconds go
    by; after `cut_request` bytes of the request's body the connection is cut; a `status` is answered with `headers`
    and `body` and nothing is done; without a status the registry does its work, `corrupt` changes a byte of its
    answer's body, `drip_s` seconds go by before each quarter of that, and after `cut_response` bytes of it the
    connection is cut (0: before the headers, so that work is done and nobody hears of it).
    """

    method: str
    path: str
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay_s: float = 0.0
    drip_s: float = 0.0
    cut_request: int | None = None
    cut_response: int | None = None
    corrupt: bool = False
    times: int | None = 1
    skip: int = 0
    hits: int = field(default=0, init=False)
    """How many requests it has hit."""

    def strikes(self, method: str, path: str) -> bool:
        """Whether it hits this request; counts."""
        if not re.fullmatch(self.method, method) or not re.search(self.path, path):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None and self.hits >= self.times:
            return False
        self.hits += 1
        return True

    def spoiled(self, body: bytes) -> bytes:
        """The body as it is sent."""
        if self.corrupt and body:
            body = body[:-1] + bytes([body[-1] ^ 1])
        return body[: self.cut_response]
