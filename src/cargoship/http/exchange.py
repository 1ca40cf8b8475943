"""One HTTP request and its response as values, and the seam that turns one into the other.

`Transport` follows no redirect, retries nothing and knows no credentials; `transport.py` has the real one.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, Self

from cargoship.errors import ContentInvalid


class Evidence(enum.Enum):
    """What a connection that broke says about the server's language."""

    TLS = "it speaks TLS, and its certificate or ours was not accepted"
    NO_TLS = "it answered a TLS handshake with something else"
    PROXY = "the proxy before it does not let us through"
    TRUST = "what says whom to trust cannot be read here"
    NO_HTTP = "it took the connection and gave no HTTP answer"


class ConnectionBroken(Exception):
    """No complete answer came: `reason` is for people; `permanent` says that trying again cannot help."""

    def __init__(self, reason: str, *, permanent: bool = False, evidence: Evidence | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent
        self.evidence = evidence


@dataclass(frozen=True)
class Request:
    """One HTTP request. `body` gives all of the content each time it is called, in pieces, so that it can be resent.

    `timeout_s` is how long each step of it may take at most; None leaves that to the transport.
    """

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: Callable[[], Iterable[bytes]] | None = field(default=None, repr=False)
    body_bytes: int = 0
    timeout_s: float | None = None


class Response(Protocol):
    """One HTTP response, whose content is still on the wire. Use it as a context, which closes it."""

    @property
    def status(self) -> int:
        """The status code."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers; names are lower case."""
        ...

    def chunks(self) -> Iterator[bytes]:
        """The content in pieces, as it is on the wire; raises ConnectionBroken when it ends too early."""
        ...

    def __enter__(self) -> Self:
        """The response itself."""
        ...

    def __exit__(self, *exc: object) -> None:
        """Give the connection back, or close it where content was left unread."""
        ...


class ReadResponse:
    """A response whose content was read already."""

    def __init__(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        self.status = status
        self.headers = headers
        self._content = content

    def chunks(self) -> Iterator[bytes]:
        """See `Response.chunks`."""
        yield self._content

    def __enter__(self) -> Self:
        """The response itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Nothing is left to be closed."""


class Transport(Protocol):
    """Sends requests; safe to share between threads."""

    def send(self, request: Request) -> Response:
        """Send one request; raises ConnectionBroken."""
        ...

    def close(self) -> None:
        """Close every connection."""
        ...


def read_all(response: Response, *, limit_bytes: int, what: str) -> bytes:
    """The whole content of a small response; raises ContentInvalid past `limit_bytes`, ConnectionBroken."""
    pieces: list[bytes] = []
    size_bytes = 0
    for piece in response.chunks():
        size_bytes += len(piece)
        if size_bytes > limit_bytes:
            raise ContentInvalid(f"{what} is larger than {limit_bytes} bytes")
        pieces.append(piece)
    return b"".join(pieces)
