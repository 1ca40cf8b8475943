"""Single requests made dependable: redirects followed with care, broken connections and passing trouble named.

It knows nothing of registries' credentials but this: the Authorization header that it is given goes to the first
address only, never to another origin that a redirect names.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urljoin, urlsplit

from cargoship.errors import ContentInvalid, RegistryError, RegistryRefused, RegistryUnreachable
from cargoship.registry.budget import Budget
from cargoship.registry.endpoint import is_plain, origin, shown
from cargoship.registry.exchange import ConnectionBroken, Evidence, Request, Response, Transport, read_all
from cargoship.registry.refusals import ERROR_BODY_BYTES, Refusal
from cargoship.registry.retry import Patience, Transient
from cargoship.registry.throttle import Throttle

_REDIRECTS_MAX = 5
_REDIRECT = frozenset({301, 302, 303, 307, 308})
_SAME_METHOD = frozenset({307, 308})
_READS = frozenset({"GET", "HEAD"})

Body = Callable[[], Iterable[bytes]]


@dataclass(frozen=True)
class Ask:
    """A request, and in words what is asked of whom, as in `the upload of ...`."""

    method: str
    url: str = field(repr=False)
    what: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: Body | None = field(default=None, repr=False)
    body_bytes: int = 0
    timeout_s: float | None = None


@dataclass(frozen=True)
class Answer:
    """A response, and whether it came from the origin that was asked rather than from where that redirected to."""

    response: Response
    own: bool


class Wire:
    """Sends to one registry and to where it redirects; shared by threads."""

    def __init__(
        self, registry: str, *, transport: Transport, budget: Budget, patience: Patience, insecure: Collection[str]
    ) -> None:
        self.registry = registry
        self.budget = budget
        self.patience = patience
        self._transport = transport
        self._insecure = insecure
        self._throttles: dict[tuple[str, str, int], Throttle] = {}

    def send(self, ask: Ask, *, authorization: str | None) -> Answer:
        """Send, and follow redirects; raises Transient without an answer, RegistryError for an endless chase."""
        headers = dict(ask.headers)
        if authorization is not None:
            headers["Authorization"] = authorization
        request = Request(ask.method, ask.url, headers, self._watched(ask.body), ask.body_bytes, ask.timeout_s)
        for _ in range(_REDIRECTS_MAX + 1):
            self.budget.check()
            throttle = self._throttles.setdefault(origin(request.url), Throttle(self.budget))
            try:
                with throttle.turn():
                    response = self._transport.send(request)
                    throttle.note(response.status, response.headers)
            except ConnectionBroken as broken:
                raise self.broken(broken, ask, request.url) from broken
            target = response.headers.get("location")
            follow = request.method in _READS or response.status in _SAME_METHOD
            if response.status not in _REDIRECT or target is None or not follow:
                return Answer(response, origin(request.url) == origin(ask.url))
            with response:
                request = self._redirected(request, target, ask)
        raise RegistryRefused(f"{self.registry} redirects too often on {ask.what}")

    def refusal(self, response: Response) -> Refusal:
        """Read an error answer and close it."""
        with response:
            try:
                return Refusal.parse(response.status, read_all(response, limit_bytes=ERROR_BODY_BYTES, what="error"))
            except (ConnectionBroken, ContentInvalid):
                return Refusal(response.status)

    def broken(self, broken: ConnectionBroken, ask: Ask, url: str | None = None) -> Transient | RegistryError:
        """What to raise when no answer came, or one that ended too early; `url` is where a redirect led."""
        url = url or ask.url
        host = urlsplit(url).netloc.rpartition("@")[2]
        place = self.registry if origin(url) == origin(ask.url) else f"{host}, where {self.registry} redirects to,"
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
        return f"check that {shown(url)} is right and answers, and that a proxy, if one is needed, is set"

    def _redirected(self, request: Request, target: str, ask: Ask) -> Request:
        url = urljoin(request.url, target)
        before, after = urlsplit(request.url), urlsplit(url)
        if after.scheme not in {"http", "https"} or not after.hostname:
            raise RegistryRefused(f"{self.registry} redirects {ask.what} to something that is no web address")
        if before.scheme == "https" and after.scheme == "http" and not is_plain(after.netloc, self._insecure):
            raise RegistryRefused(f"{self.registry} redirects {ask.what} from https to plain http at {after.netloc}")
        headers = dict(request.headers)
        if origin(url) != origin(request.url):
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
