"""What to show a registry after a refusal, which may only mean that it does not know who asks."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection

from cargoship.errors import RegistryError
from cargoship.http.exchange import Response
from cargoship.http.retry import Transient
from cargoship.registry.auth.authorization import Authenticator
from cargoship.registry.auth.challenge import Scope, can_be_answered
from cargoship.registry.http_client import FinalResponse, HttpClient, NamedRequest

_BAD_REQUEST = 400
_UNAUTHORIZED = 401
_FORBIDDEN = 403
_NOT_FOUND = 404
_UNKNOWN = frozenset({_BAD_REQUEST, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND})
_HIDING = frozenset({_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND})
_READS = frozenset({"GET", "HEAD"})
_LACKING = "insufficient_scope"


class Reauthorizer:
    """The way into one registry; shared by threads. `address` is where it is now."""

    def __init__(self, registry: str, auth: Authenticator, wire: HttpClient, address: Callable[[], str]) -> None:
        self._registry = registry
        self._auth = auth
        self._wire = wire
        self._address = address
        self._asking = threading.Lock()
        self._challenge: str | None = None
        """What /v2/ asks for; None: not known yet, empty: it is open."""

    def better(
        self,
        answer: FinalResponse,
        ask: NamedRequest,
        scopes: tuple[Scope, ...],
        header: str | None,
        *,
        ok: Collection[int],
        fresh: bool,
    ) -> str | None:
        """What to send instead of `header` after a refusal; None where the answer stands.

        `ok` are the answers that `ask` is content with; `fresh` says that `header` was given after a refusal of this
        same request. Raises as `Authenticator.answer`.
        """
        status = answer.response.status
        if not answer.own or status not in _UNKNOWN:
            if header is None and answer.own and status < _BAD_REQUEST and ask.method not in _READS:
                # who lets anybody write hides nothing
                self._challenge = ""
            return None
        if status == _UNAUTHORIZED:
            # a token that was given for less than was asked for is not bettered by another one
            if speaks_of_rights(answer.response):
                if fresh:
                    self._auth.in_vain(scopes)
                if self._auth.hopeless(scopes):
                    return None
            challenge = answer.response.headers.get("www-authenticate", "")
            if can_be_answered(challenge):
                return self._auth.answer(challenge, scopes, rejected=header)
        if header is None:
            # who asks whether something is there is content with a no, and sends it then
            hides = status in _HIDING and not (status in ok and ask.method == "HEAD")
            known = self._asked() if hides else ""
            return self._auth.answer(known, scopes, rejected=None) if known else None
        return None if status == _NOT_FOUND else self._renewed(scopes, header, fresh=fresh, status=status)

    def _renewed(self, scopes: tuple[Scope, ...], header: str, *, fresh: bool, status: int) -> str | None:
        """Another token, for some registries say of an ended one anything but that it has ended."""
        if not fresh:
            return self._auth.renew(scopes, rejected=header, surely=status == _UNAUTHORIZED)
        # a new one that is refused like the one before was not what was wrong
        self._auth.in_vain(scopes)
        return None

    def _asked(self) -> str:
        """What /v2/ asks for: some tell there alone, and elsewhere that there is nothing, or nothing for you."""
        with self._asking:
            if self._challenge is None:
                self._challenge = ""
                ask = NamedRequest("GET", f"{self._address()}/v2/", f"whether {self._registry} wants to know who asks")
                with contextlib.suppress(Transient, RegistryError):
                    answer = self._wire.send(ask, authorization=None)
                    with answer.response as response:
                        if answer.own and response.status == _UNAUTHORIZED:
                            self._challenge = response.headers.get("www-authenticate", "")
            return self._challenge


def speaks_of_rights(response: Response) -> bool:
    """Whether a registry says that it knows who asks, and that this is not enough (RFC 6750 section 3.1)."""
    return _LACKING in response.headers.get("www-authenticate", "")
