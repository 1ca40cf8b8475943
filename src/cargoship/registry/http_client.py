"""Single requests made dependable: redirects followed with care, broken connections and passing trouble named.

It knows nothing of registries' credentials but this: the Authorization header that it is given goes to the first
address only, never to another origin that a redirect names.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Self
from urllib.parse import urlsplit

from msgspec import Struct

from cargoship.errors import ContentInvalid, RegistryError, RegistryUnreachable
from cargoship.http.budget import Budget
from cargoship.http.encoding import unpacked
from cargoship.http.endpoint import origin, shown
from cargoship.http.exchange import ConnectionBroken, Evidence, Request, Response, Transport
from cargoship.http.redirects import REDIRECTS_MAX, redirect_of
from cargoship.http.retry import RetryPolicy, Transient
from cargoship.http.throttle import Throttle
from cargoship.registry.addresses import AddressRefused, absolute, base_url, objection, unsafe_hint
from cargoship.registry.refusals import ERROR_BODY_BYTES, Refusal

_WORDS_S = 10.0
_OK = 200
_CHANGED_ON_THE_WAY = 203

Body = Callable[[], Iterable[bytes]]


@dataclass(frozen=True)
class NamedRequest:
    """A request, and in words what is asked of whom, as in `the upload of ...`."""

    method: str
    url: str = field(repr=False)
    what: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: Body | None = field(default=None, repr=False)
    body_bytes: int = 0
    timeout_s: float | None = None
    secret: bool = False
    """Whether the body may be sent to the first origin alone, never to one that a redirect names."""


class _Arriving:
    """A response that is given up when there is no time left, however slowly its pieces come."""

    def __init__(self, response: Response, budget: Budget) -> None:
        self._response = response
        self._budget = budget
        # a proxy on the way that has changed something says so; digests tell whether it was the content
        self.status = _OK if response.status == _CHANGED_ON_THE_WAY else response.status
        self.headers: Mapping[str, str] = response.headers

    def chunks(self) -> Iterator[bytes]:
        """See `Response.chunks`; also raises as `Budget.check`."""
        for piece in self._response.chunks():
            self._budget.check()
            yield piece

    def __enter__(self) -> Self:
        """The response itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """See `Response.__exit__`."""
        self._response.__exit__(*exc)


class FinalResponse(Struct, frozen=True):
    """A response, and whether it came from the origin that was asked rather than from where that redirected to."""

    response: Response
    own: bool


class HttpClient:
    """Sends to one registry and to where it redirects; shared by threads."""

    def __init__(
        self,
        registry: str,
        *,
        transport: Transport,
        budget: Budget,
        retry_policy: RetryPolicy,
        insecure: Collection[str],
    ) -> None:
        self.registry = registry
        self.budget = budget
        self.retry_policy = retry_policy
        self._transport = transport
        self._insecure = insecure
        self._throttles: dict[tuple[str, str, int], Throttle] = {}

    def send(self, ask: NamedRequest, *, authorization: str | None) -> FinalResponse:
        """Send, and follow redirects; raises Transient without an answer, RegistryError for an endless chase."""
        headers = dict(ask.headers)
        if authorization is not None:
            headers["Authorization"] = authorization
        request = Request(ask.method, ask.url, headers, self._watched(ask.body), ask.body_bytes, ask.timeout_s)
        for _ in range(REDIRECTS_MAX + 1):
            self.budget.check()
            throttle = self._throttle(origin(request.url))
            try:
                with throttle.turn():
                    response = self._transport.send(request)
                    throttle.note(response.status, response.headers)
            except ConnectionBroken as broken:
                raise self.broken(broken, ask, request.url) from broken
            target = redirect_of(request.method, response)
            if target is None:
                arriving = _Arriving(response, self.budget)
                location = response.headers.get("location")
                if location is not None and request.url != ask.url:
                    # where an upload goes on is said in relation to where it was begun
                    arriving.headers = {**response.headers, "location": absolute(request.url, location) or location}
                return FinalResponse(arriving, origin(request.url) == origin(ask.url))
            with response:
                request = self._redirected(request, target, ask)
        raise AddressRefused(f"{self.registry} redirects too often on {ask.what}")

    def _throttle(self, place: tuple[str, str, int]) -> Throttle:
        # made once, but for threads that ask for the first time together: one of theirs is kept
        return self._throttles.get(place) or self._throttles.setdefault(place, Throttle(self.budget))

    def refusal(self, response: Response) -> Refusal:
        """Read an error answer and close it."""
        until = self.budget.clock() + _WORDS_S
        body = b""
        with response, contextlib.suppress(ConnectionBroken):
            for piece in response.chunks():
                body += piece
                if len(body) > ERROR_BODY_BYTES:
                    return Refusal(response.status)
                # what somebody has to say for very long is not waited for
                if self.budget.clock() > until:
                    break
        return Refusal.parse(response.status, _words(response.headers, body))

    def broken(self, broken: ConnectionBroken, ask: NamedRequest, url: str | None = None) -> Transient | RegistryError:
        """What to raise when no answer came, or one that ended too early; `url` is where a redirect led."""
        url = url or ask.url
        host = urlsplit(url).netloc.rpartition("@")[2]
        if origin(url) != origin(ask.url):
            place = f"{host}, where {self.registry} redirects to,"
        elif host.lower() == urlsplit(base_url(self.registry)).netloc.lower():
            place = self.registry
        else:
            # where an upload goes on, a list continues, or tokens are given out
            place = f"{host}, which {self.registry} names,"
        error = RegistryUnreachable(
            f"{place} cannot be reached for {ask.what}: {broken.reason}",
            hint=self._unreachable_hint(broken, url),
        )
        return error if broken.permanent else Transient(error, connection=True)

    def _unreachable_hint(self, broken: ConnectionBroken, url: str) -> str:
        if broken.evidence is Evidence.NO_TLS:
            return f"if {self.registry} is meant to be plain http, name it in CARGOSHIP_INSECURE_REGISTRIES"
        if broken.evidence is Evidence.TLS:
            return (
                "if the registry has a certificate authority of its own, name its file in SSL_CERT_FILE or put it into "
                f"/etc/docker/certs.d/{self.registry}/ca.crt"
            )
        if broken.evidence is Evidence.PROXY:
            return "check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY, or name the hosts without a proxy in NO_PROXY"
        if broken.evidence is Evidence.TRUST and "SSL_CERT_" not in broken.reason:
            return f"it is read for {self.registry} alone: mend it, or take it away"
        if broken.evidence is Evidence.TRUST:
            return "SSL_CERT_FILE and SSL_CERT_DIR stand in for the usual authorities: mend them, or unset them"
        return f"check that {shown(url)} is right and answers, and that a proxy, if one is needed, is set"

    def _redirected(self, request: Request, target: str, ask: NamedRequest) -> Request:
        url = absolute(request.url, target) or ""
        against = objection(request.url, url, self._insecure, sends=request.body is not None)
        if against is not None:
            raise AddressRefused(f"{self.registry} redirects {ask.what} {against}", hint=unsafe_hint(url))
        headers = dict(request.headers)
        if origin(url) != origin(request.url):
            if ask.secret:
                raise AddressRefused(f"{self.registry} redirects {ask.what}, with credentials, to {shown(url)}")
            headers.pop("Authorization", None)
        return replace(request, url=url, headers=headers)

    def _watched(self, body: Body | None) -> Body | None:
        """The same content, with the budget looked at before each piece: a stop ends an upload at once."""
        if body is None:
            return None

        def pieces() -> Iterator[bytes]:
            for piece in body():
                self.budget.check()
                yield piece

        return pieces


def _words(headers: Mapping[str, str], body: bytes) -> bytes:
    try:
        return unpacked(headers, body, limit_bytes=ERROR_BODY_BYTES, what="error")
    except ContentInvalid:
        return b""
