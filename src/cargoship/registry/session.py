"""Requests to one registry with everything around them: credentials, retries, and errors that say what to do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from msgspec import structs

from cargoship.errors import ContentInvalid, RegistryError, RegistryRefused
from cargoship.events import Level, Note
from cargoship.http.encoding import is_packed, unpacked
from cargoship.http.endpoint import origin
from cargoship.http.exchange import ConnectionBroken, Evidence, ReadResponse, Response, read_all
from cargoship.http.retry import Transient, is_transient, retry_after_s, with_retries
from cargoship.registry.addresses import NO_ADDRESS, AddressRefused, absolute, base_url, objection, unsafe_hint
from cargoship.registry.auth.authorization import Authenticator
from cargoship.registry.auth.challenge import Scope
from cargoship.registry.chunks import takes_chunks
from cargoship.registry.http_client import FinalResponse, HttpClient, NamedRequest
from cargoship.registry.options import ClientOptions
from cargoship.registry.reauthorization import Reauthorizer, speaks_of_rights
from cargoship.registry.refusals import ERROR_BODY_BYTES, Refusal, refused, warnings

_OK = 200
_CREATED = 201
_ACCEPTED = 202
_BAD_REQUEST = 400
_SERVER_ERROR = 500
_ANSWERS_MAX = 3
"""Once for the challenge, once for a token that had ended when it arrived, once for a password instead of a token."""
_TOKEN_BYTES = 1 << 20
_PACKED_MORE_BYTES = 4096
_WARNINGS_MAX = 10
_PROBE_S = 2.0
"""A plain server may wait for the end of a line that a TLS handshake never sends."""


class RegistrySession:
    """One registry, as one user sees it; shared by threads.

    A registry that may be plain is asked so first: nothing secret is in a request before a challenge was answered.
    When it turns out to speak TLS, it is spoken to in TLS from then on; never the other way round.
    """

    def __init__(self, registry: str, options: ClientOptions) -> None:
        insecure = options.insecure
        self.registry = registry
        self.base = base_url(registry, insecure=insecure, secure=options.secure)
        self.chunks = options.chunks
        self.whole_uploads = not takes_chunks(registry)
        """Whether this registry takes blobs in one piece only."""
        self.takes_chunks = False
        """Whether it has taken one so far."""
        self.takes_whole = False
        """Whether it has taken a blob in one PUT so far."""
        self.patches_all: bool | None = None if takes_chunks(registry) else False
        """Whether all of a blob goes by PATCH, and PUT only ends the upload; None: that has not been tried."""
        self.answers_heads = True
        """Whether it says whether it has a blob when it is asked by HEAD."""
        self.automatic_mounts = True
        """Whether it may be asked to find a blob in other repositories by itself."""
        self.lists_referrers: bool | None = None
        """Whether it gave a list of what refers to a manifest when it was asked last; None: it was not."""
        self._doubtful = self.base.startswith("http:")
        self.budget = options.budget
        # mirrors are asked on behalf of the first
        self.budget.whom = self.budget.whom or registry
        self.retry_policy = options.retry_policy
        self._wire = HttpClient(
            registry, transport=options.transport, budget=self.budget, retry_policy=self.retry_policy, insecure=insecure
        )
        self._insecure = insecure
        self._emit = options.emit
        self._warned: set[str] = set()
        self._auth = Authenticator(
            registry,
            address=lambda: self.base,
            credentials=options.credentials,
            fetch=self._fetch_token,
            budget=self.budget,
            emit=options.emit,
            insecure=insecure,
        )
        self._door = Reauthorizer(registry, self._auth, self._wire, lambda: self.base)

    def send(self, ask: NamedRequest, scopes: Iterable[Scope], *, ok: Collection[int]) -> Response:
        """Send until there is an answer with one of the statuses in `ok`; the caller closes it.

        For requests that may be repeated. Raises RegistryError's family.
        """
        return with_retries(lambda: self.once(ask, scopes, ok=ok), budget=self.budget, retry_policy=self.retry_policy)

    def once(self, ask: NamedRequest, scopes: Iterable[Scope], *, ok: Collection[int]) -> Response:
        """As `send`, but a failure that may pass is raised as Transient: the caller decides what to repeat."""
        scopes = tuple(scopes)
        ask = replace(ask, url=self._address_of(ask.url))
        # an upload may continue at another origin: what convinces the registry is none of that one's business
        own = origin(ask.url) == origin(self.base)
        header = self._auth.header(scopes) if own else None
        if own and self._doubtful:
            ask, answer = self._send_first(ask)
        else:
            answer = self._wire.send(ask, authorization=header)
        answer = structs.replace(answer, own=own and answer.own)
        tried = {header}
        for _ in range(_ANSWERS_MAX):
            header = self._door.better(answer, ask, scopes, header, ok=ok, fresh=len(tried) > 1)
            if header is None or header in tried:
                break
            tried.add(header)
            answer.response.__exit__()
            answer = self._wire.send(ask, authorization=header)
        return self._judge(answer, ask, ok)

    def content(
        self,
        ask: NamedRequest,
        scopes: Iterable[Scope],
        *,
        limit_bytes: int,
        ok: Collection[int] = (_OK,),
        right: Callable[[bytes], bool] | None = None,
    ) -> tuple[Response, bytes]:
        """A whole small answer, without a compression that was not asked for.

        What is `right` as it came is left so. Raises ContentInvalid past `limit_bytes`, RegistryError's family.
        """

        def attempt() -> tuple[Response, bytes]:
            with self.once(ask, scopes, ok=ok) as response:
                try:
                    # a small content is larger when it is compressed
                    more_bytes = _PACKED_MORE_BYTES if is_packed(response.headers) else 0
                    data = read_all(response, limit_bytes=limit_bytes + more_bytes, what=ask.what)
                except ConnectionBroken as broken:
                    raise self.broken(broken, ask) from broken
            if right is None or not right(data):
                data = unpacked(response.headers, data, limit_bytes=limit_bytes, what=ask.what)
            return response, data

        return with_retries(attempt, budget=self.budget, retry_policy=self.retry_policy)

    def broken(self, broken: ConnectionBroken, ask: NamedRequest) -> Transient | RegistryError:
        """What to raise for an answer that ended too early."""
        return self._wire.broken(broken, ask)

    def follow(self, given: str, *, asked: str, what: str, sends: bool) -> str:
        """Where an address leads that was given in an answer to a request for `asked`, as in `addresses.py`.

        `what` is what goes on there; `sends` says that a blob is sent there. Raises RegistryRefused for an address that
        is none, or that is not safe.
        """
        before = self._address_of(asked)
        url = absolute(before, given) or ""
        against = objection(before, url, self._insecure, sends=sends)
        if against is not None:
            raise AddressRefused(f"{self.registry} leads {what} {against}", hint=unsafe_hint(url))
        return url

    def _address_of(self, asked: str) -> str:
        """A path of this registry, or an address that `follow` gave, as a whole address."""
        url = absolute(self.base + "/", asked)
        if url is None:
            raise AddressRefused(f"{self.registry} leads to {NO_ADDRESS}")
        return url

    @property
    def credentials_used(self) -> str | None:
        """Where the credentials came from that the registry asked for; None when it asked for none."""
        return self._auth.source

    def refused(self, response: Response, ask: NamedRequest) -> RegistryError:
        """The error for an answer that was let through as possible, and is a refusal after all; closes it."""
        return self._error(self._wire.refusal(response), ask)

    def _send_first(self, ask: NamedRequest) -> tuple[NamedRequest, FinalResponse]:
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
        ask = replace(ask, url=self._address_of(ask.url))
        return ask, self._wire.send(ask, authorization=None)

    def _speaks_tls(self) -> bool:
        """Find out, once, whether a registry that gave a strange answer speaks TLS."""
        if not self._doubtful:
            return self.base.startswith("https:")
        self._doubtful = False
        ask = NamedRequest("GET", f"https://{self.registry}/v2/", "a handshake in TLS", timeout_s=_PROBE_S)
        try:
            self._wire.send(ask, authorization=None).response.__exit__()
        except (Transient, RegistryError) as error:
            broken = error.__cause__
            evidence = broken.evidence if isinstance(broken, ConnectionBroken) else None
            if evidence is Evidence.TRUST:
                # whether it does cannot be found out, and that is what is to be reported
                raise
            if evidence is not Evidence.TLS:
                return False
        self.base = f"https://{self.registry}"
        return True

    def _judge(self, answer: FinalResponse, ask: NamedRequest, ok: Collection[int]) -> Response:
        response = answer.response
        if answer.own and "warning" in response.headers:
            self._pass_on(response.headers["warning"])
        if response.status in ok:
            return response
        refusal = self._wire.refusal(response)
        if answer.own:
            error = self._error(refusal, ask, lacking=speaks_of_rights(response))
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

    def _error(self, refusal: Refusal, ask: NamedRequest, *, lacking: bool = False) -> RegistryError:
        safe = Refusal(refusal.status, self._auth.redact(refusal.code), self._auth.redact(refusal.message))
        source = self._auth.source
        return refused(safe, registry=self.registry, asked=ask.what, credentials=source, lacking=lacking)

    def _fetch_token(self, ask: NamedRequest, authorization: str | None, *, insist: bool) -> bytes:
        """Ask a token server: as persistently as the registry, and without the registry's own authentication."""

        def attempt() -> bytes:
            answer = self._wire.send(ask, authorization=authorization)
            try:
                response = self._judge(answer, ask, (_OK, _CREATED, _ACCEPTED))
            except Transient as failure:
                if failure.status == _SERVER_ERROR and not insist:
                    raise failure.error from failure
                raise
            with response:
                try:
                    data = read_all(response, limit_bytes=_TOKEN_BYTES, what=ask.what)
                    return unpacked(response.headers, data, limit_bytes=_TOKEN_BYTES, what=ask.what)
                except ConnectionBroken as broken:
                    raise self.broken(broken, ask) from broken

        return with_retries(attempt, budget=self.budget, retry_policy=self.retry_policy)


def _wanting_tls(answer: FinalResponse, ask: NamedRequest) -> tuple[FinalResponse, bool]:
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
    return structs.replace(answer, response=whole), wants_tls
