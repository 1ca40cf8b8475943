"""Requests to one registry with everything around them: credentials, retries, and errors that say what to do."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from urllib.parse import urljoin, urlsplit

from cargoship.errors import ContentInvalid, RegistryError, RegistryRefused
from cargoship.events import Emit, Level, Note
from cargoship.registry.auth import Authenticator
from cargoship.registry.budget import Budget
from cargoship.registry.challenge import Scope
from cargoship.registry.chunks import STANDARD, Chunks, takes_chunks
from cargoship.registry.credentials import Credentials
from cargoship.registry.endpoint import base_url, is_plain, origin
from cargoship.registry.exchange import ConnectionBroken, Evidence, ReadResponse, Response, Transport, read_all
from cargoship.registry.refusals import ERROR_BODY_BYTES, Refusal, refused, warnings
from cargoship.registry.retry import Patience, Transient, is_transient, persist, retry_after_s
from cargoship.registry.wire import Answer, Ask, Wire

_UNAUTHORIZED = 401
_OK = 200
_BAD_REQUEST = 400
_ANSWERS_MAX = 2
"""Once for the challenge, and once for a token that had ended when it arrived."""
_TOKEN_BYTES = 1 << 20
_LACKING = "insufficient_scope"
_WARNINGS_MAX = 10
_PROBE_S = 2.0
"""A plain server may wait for the end of a line that a TLS handshake never sends."""


class Session:
    """One registry, as one user sees it; shared by threads.

    A registry that may be plain is asked so first: nothing secret is in a request before a challenge was answered.
    When it turns out to speak TLS, it is spoken to in TLS from then on; never the other way round. `secure` says that
    it is known to speak TLS. `chunks` is how large blobs are cut.
    """

    def __init__(
        self,
        registry: str,
        *,
        credentials: Credentials,
        transport: Transport,
        emit: Emit,
        insecure: Collection[str] = (),
        budget: Budget | None = None,
        patience: Patience | None = None,
        chunks: Chunks | None = None,
        secure: bool = False,
    ) -> None:
        self.registry = registry
        self.base = base_url(registry, insecure=insecure, secure=secure)
        self.chunks = chunks or STANDARD
        self.whole_uploads = not takes_chunks(registry)
        """Whether this registry takes blobs in one piece only."""
        self.automatic_mounts = True
        """Whether it may be asked to find a blob in other repositories by itself."""
        self._doubtful = self.base.startswith("http:")
        self.budget = budget or Budget()
        # mirrors are asked on behalf of the first
        self.budget.whom = self.budget.whom or registry
        self.patience = patience or Patience()
        self._wire = Wire(registry, transport=transport, budget=self.budget, patience=self.patience, insecure=insecure)
        self._emit = emit
        self._warned: set[str] = set()
        self._auth = Authenticator(
            registry,
            plain=is_plain(registry, insecure),
            credentials=credentials,
            fetch=self._fetch_token,
            budget=self.budget,
            emit=emit,
            insecure=insecure,
        )

    def send(self, ask: Ask, scopes: Iterable[Scope], *, ok: Collection[int]) -> Response:
        """Send until there is an answer with one of the statuses in `ok`; the caller closes it.

        For requests that may be repeated. Raises RegistryError's family.
        """
        return persist(lambda: self.once(ask, scopes, ok=ok), budget=self.budget, patience=self.patience)

    def once(self, ask: Ask, scopes: Iterable[Scope], *, ok: Collection[int]) -> Response:
        """As `send`, but a failure that may pass is raised as Transient: the caller decides what to repeat."""
        scopes = tuple(scopes)
        ask = replace(ask, url=self.resolve(ask.url))
        # an upload may continue at another origin: what convinces the registry is none of that one's business
        own = origin(ask.url) == origin(self.base)
        header = self._auth.header(scopes) if own else None
        if own and self._doubtful:
            ask, answer = self._send_first(ask)
        else:
            answer = self._wire.send(ask, authorization=header)
        for number in range(_ANSWERS_MAX):
            challenge = answer.response.headers.get("www-authenticate", "")
            # a token that was given for less than was asked for is not bettered by another one
            lacking = _LACKING in challenge
            hopeless = number > 0 and lacking
            if answer.response.status != _UNAUTHORIZED or not own or not answer.own or hopeless:
                break
            refusal = self._wire.refusal(answer.response)
            header = self._auth.answer(challenge, scopes, rejected=header)
            if header is None:
                raise self._error(refusal, ask, lacking=lacking)
            answer = self._wire.send(ask, authorization=header)
        return self._judge(replace(answer, own=own and answer.own), ask, ok)

    def content(
        self, ask: Ask, scopes: Iterable[Scope], *, limit_bytes: int, ok: Collection[int] = (_OK,)
    ) -> tuple[Response, bytes]:
        """A whole small answer; raises ContentInvalid past `limit_bytes`, RegistryError's family."""

        def attempt() -> tuple[Response, bytes]:
            with self.once(ask, scopes, ok=ok) as response:
                try:
                    return response, read_all(response, limit_bytes=limit_bytes, what=ask.what)
                except ConnectionBroken as broken:
                    raise self.broken(broken, ask) from broken

        return persist(attempt, budget=self.budget, patience=self.patience)

    def broken(self, broken: ConnectionBroken, ask: Ask) -> Transient | RegistryError:
        """What to raise for an answer that ended too early."""
        return self._wire.broken(broken, ask)

    def resolve(self, location: str, *, asked: str = "/") -> str:
        """An address that the registry gave, absolute or relative to what was `asked` (RFC 9110 section 10.2.2).

        Some leave the first slash out. A registry behind a proxy that ends TLS often gives its own address with http:
        that is taken as meant.
        """
        rooted = f"/{location}" if location.startswith("v2/") else location
        url = urljoin(urljoin(self.base + "/", asked), rooted)
        base, parts = urlsplit(self.base), urlsplit(url)
        if base.scheme == "https" and parts.scheme == "http" and parts.netloc == base.netloc:
            return parts._replace(scheme="https").geturl()
        return url

    @property
    def credentials_used(self) -> str | None:
        """Where the credentials came from that the registry asked for; None when it asked for none."""
        return self._auth.source

    def refused(self, response: Response, ask: Ask) -> RegistryError:
        """The error for an answer that was let through as possible, and is a refusal after all; closes it."""
        return self._error(self._wire.refusal(response), ask)

    def _send_first(self, ask: Ask) -> tuple[Ask, Answer]:
        """Send the first request to a registry that may be plain, in TLS where plain http is not understood."""
        try:
            answer = self._wire.send(ask, authorization=None)
        except Transient as failure:
            broken = failure.__cause__
            heard = isinstance(broken, ConnectionBroken) and broken.evidence is Evidence.NO_HTTP
            if not heard or not self._speaks_tls():
                raise
        else:
            answer, wants_tls = _wanting_tls(answer, ask)
            if not wants_tls or not self._speaks_tls():
                self._doubtful = False
                return ask, answer
        ask = replace(ask, url=self.resolve(ask.url))
        return ask, self._wire.send(ask, authorization=None)

    def _speaks_tls(self) -> bool:
        """Find out, once, whether a registry that gave a strange answer speaks TLS."""
        if not self._doubtful:
            return self.base.startswith("https:")
        self._doubtful = False
        ask = Ask("GET", f"https://{self.registry}/v2/", f"whether {self.registry} speaks TLS", timeout_s=_PROBE_S)
        try:
            self._wire.send(ask, authorization=None).response.__exit__()
        except (Transient, RegistryError) as error:
            broken = error.__cause__
            if not isinstance(broken, ConnectionBroken) or broken.evidence is not Evidence.TLS:
                return False
        self.base = f"https://{self.registry}"
        return True

    def _judge(self, answer: Answer, ask: Ask, ok: Collection[int]) -> Response:
        response = answer.response
        if answer.own and "warning" in response.headers:
            self._pass_on(response.headers["warning"])
        if response.status in ok:
            return response
        refusal = self._wire.refusal(response)
        if answer.own:
            error = self._error(refusal, ask, lacking=_LACKING in response.headers.get("www-authenticate", ""))
        else:
            error = RegistryRefused(f"the storage that {self.registry} redirects to refused {ask.what}: {refusal}")
        if is_transient(response.status):
            raise Transient(error, wait_s=retry_after_s(response.headers), status=response.status)
        raise error

    def _pass_on(self, header: str) -> None:
        """Let people know, once, what the registry wants them to know; a registry cannot fill their screen with it."""
        for text in warnings(header):
            safe = self._auth.redact(text)
            if safe and safe not in self._warned and len(self._warned) < _WARNINGS_MAX:
                self._warned.add(safe)
                self._emit(Note(f"{self.registry} warns: {safe}", Level.WARNING))

    def _error(self, refusal: Refusal, ask: Ask, *, lacking: bool = False) -> RegistryError:
        safe = Refusal(refusal.status, self._auth.redact(refusal.code), self._auth.redact(refusal.message))
        source = self._auth.source
        return refused(safe, registry=self.registry, asked=ask.what, credentials=source, lacking=lacking)

    def _fetch_token(self, ask: Ask, authorization: str | None) -> bytes:
        """Ask a token server: as persistently as the registry, and without the registry's own authentication."""

        def attempt() -> bytes:
            response = self._judge(self._wire.send(ask, authorization=authorization), ask, (_OK,))
            with response:
                try:
                    return read_all(response, limit_bytes=_TOKEN_BYTES, what=ask.what)
                except ConnectionBroken as broken:
                    raise self.broken(broken, ask) from broken

        return persist(attempt, budget=self.budget, patience=self.patience)


def _wanting_tls(answer: Answer, ask: Ask) -> tuple[Answer, bool]:
    """Whether a server may be saying that it wants TLS, as Go's, nginx and Apache do in words; HEAD has no words."""
    if answer.response.status != _BAD_REQUEST:
        return answer, False
    with answer.response as response:
        try:
            content = read_all(response, limit_bytes=ERROR_BODY_BYTES, what="error")
        except (ConnectionBroken, ContentInvalid):
            content = b""
        whole = ReadResponse(response.status, response.headers, content)
    wants_tls = ask.method == "HEAD" or b"HTTPS" in content or b"SSL" in content
    return replace(answer, response=whole), wants_tls
