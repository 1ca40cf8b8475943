"""Convincing a registry: Basic, and bearer tokens of distribution's token server (token and oauth specifications).

Credentials are looked up only when the registry asks for them, go to the registry itself and to the token server
that it names, and appear in no message.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from cargoship.errors import RegistryError, Unauthorized
from cargoship.events import Emit, Level, Note
from cargoship.registry.budget import Budget
from cargoship.registry.challenge import Challenge, Scope, covers, merge_scopes, parse_challenges, parse_scopes
from cargoship.registry.credentials import Credentials, Found, IdentityToken, Login, RegistryToken
from cargoship.registry.endpoint import is_plain
from cargoship.registry.wire import Ask

_CLIENT_ID = "cargoship"
_LIFETIME_S = 60.0
_MARGIN_S = 10.0
"""A token is not used in its last seconds: the request takes time too."""

Fetch = Callable[[Ask, str | None], bytes]
"""Sends a request with an Authorization header, or none, and gives the content of a good answer."""


@dataclass(frozen=True)
class _Token:
    header: str = field(repr=False)
    scopes: tuple[Scope, ...]
    expires_at: float


@dataclass(frozen=True)
class _Realm:
    url: str
    service: str


@dataclass
class _Identity:
    """Credentials, or none, and the tokens that they were good for."""

    found: Found | None
    tokens: list[_Token] = field(default_factory=list, repr=False)

    def secrets(self) -> list[str]:
        """Everything of it that nobody else may see."""
        secrets = [token.header.partition(" ")[2] for token in self.tokens]
        credential = None if self.found is None else self.found.credential
        if isinstance(credential, Login):
            secrets += [credential.password, _basic(credential).partition(" ")[2]]
        elif credential is not None:
            secrets.append(credential.token)
        return secrets


class Authenticator:
    """What one registry wants to see in Authorization; shared by threads."""

    def __init__(
        self,
        registry: str,
        *,
        plain: bool,
        credentials: Credentials,
        fetch: Fetch,
        budget: Budget,
        emit: Emit,
        insecure: Collection[str],
    ) -> None:
        self._registry = registry
        self._plain = plain
        self._credentials = credentials
        self._fetch = fetch
        self._budget = budget
        self._emit = emit
        self._insecure = insecure
        self._lock = threading.RLock()
        self._identities: dict[str | None, _Identity] = {}
        self._used: _Identity | None = None
        self._basic = False
        self._realm: _Realm | None = None

    @property
    def source(self) -> str | None:
        """Where the credentials that were used last came from; None without any."""
        found = None if self._used is None else self._used.found
        return None if found is None else found.source

    def header(self, scopes: Iterable[Scope]) -> str | None:
        """What to send at first, from what earlier answers taught; None: nothing. Raises as `answer` does."""
        scopes = tuple(scopes)
        with self._lock:
            if self._basic:
                return _basic_of(self._look(scopes))
            if self._realm is None:
                return None
            return self._token(self._realm, merge_scopes(scopes), self._look(scopes))

    def answer(self, challenges: str, scopes: Iterable[Scope], *, rejected: str | None) -> str | None:
        """What to send after a 401 that answered `rejected`; None: there is nothing else to try.

        Raises Unauthorized, RegistryUnreachable or RegistryRefused when the token server says no or nothing.
        """
        scopes = tuple(scopes)
        with self._lock:
            offered = {challenge.scheme: challenge for challenge in parse_challenges(challenges)}
            if (bearer := offered.get("bearer")) is not None:
                return self._answer_bearer(bearer, scopes, rejected)
            if "basic" in offered:
                header = _basic_of(self._look(scopes))
                self._basic = header is not None
                return None if header == rejected else header
            return None

    def redact(self, text: str) -> str:
        """The same text without any secret that this authenticator has sent: some servers echo what they got."""
        with self._lock:
            secrets = [secret for identity in self._identities.values() for secret in identity.secrets()]
        for secret in secrets:
            if secret:
                text = text.replace(secret, "***")
        return text

    def _answer_bearer(self, challenge: Challenge, scopes: tuple[Scope, ...], rejected: str | None) -> str | None:
        wanted = merge_scopes((*scopes, *parse_scopes(challenge.parameters.get("scope", ""))))
        identity = self._look(scopes)
        identity.tokens = [token for token in identity.tokens if token.header != rejected]
        found = identity.found
        if found is not None and isinstance(found.credential, RegistryToken):
            header = f"Bearer {found.credential.token}"
            return None if header == rejected else header
        url = challenge.parameters.get("realm", "")
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise RegistryError(f"{self._registry} asks for a token but names no server to get it from")
        if parts.scheme == "http" and not self._plain and not is_plain(parts.netloc, self._insecure):
            raise RegistryError(
                f"{self._registry} wants credentials to be sent in clear text to {parts.netloc}",
                hint="cargoship does not do that; the registry's token realm must be an https address",
            )
        self._realm = _Realm(url, challenge.parameters.get("service", ""))
        return self._token(self._realm, wanted, identity)

    def _token(self, realm: _Realm, scopes: tuple[Scope, ...], identity: _Identity) -> str:
        now = self._budget.clock()
        identity.tokens = [token for token in identity.tokens if token.expires_at > now]
        for token in identity.tokens:
            if covers(token.scopes, scopes):
                return token.header
        found = identity.found
        try:
            content = self._fetch(*_token_request(realm, scopes, found, self._registry))
        except Unauthorized as error:
            raise Unauthorized(
                f"{self._registry}: its token server at {urlsplit(realm.url).netloc} did not accept the credentials",
                hint=error.hint,
            ) from error
        value, lifetime_s = _parse_token(content, self._registry)
        token = _Token(f"Bearer {value}", scopes, now + max(lifetime_s - _MARGIN_S, 1.0))
        identity.tokens.append(token)
        return token.header

    def _look(self, scopes: tuple[Scope, ...]) -> _Identity:
        """Who this client is for the repository of the first scope: the one that a request is about."""
        repository = scopes[0].name if scopes else None
        if repository not in self._identities:
            found = self._credentials.find(self._registry, repository)
            known = next((each for each in self._identities.values() if each.found == found), None)
            if known is None:
                where = "no credentials" if found is None else f"the credentials from {found.source}"
                self._emit(Note(f"{self._registry}: using {where}", Level.VERBOSE))
            self._identities[repository] = known or _Identity(found)
        self._used = self._identities[repository]
        return self._used


def _basic_of(identity: _Identity) -> str | None:
    """The header for Basic; None where there is no password."""
    found = identity.found
    return _basic(found.credential) if found is not None and isinstance(found.credential, Login) else None


def _basic(login: Login) -> str:
    return "Basic " + base64.b64encode(f"{login.username}:{login.password}".encode()).decode()


def _token_request(
    realm: _Realm, scopes: tuple[Scope, ...], found: Found | None, registry: str
) -> tuple[Ask, str | None]:
    what = f"a token for {', '.join(map(str, scopes)) or registry}"
    credential = None if found is None else found.credential
    if isinstance(credential, IdentityToken):
        form = {
            "grant_type": "refresh_token",
            "service": realm.service,
            "client_id": _CLIENT_ID,
            "scope": " ".join(map(str, scopes)),
            "refresh_token": credential.token,
        }
        body = urlencode(form).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return Ask("POST", realm.url, what, headers, lambda: (body,), len(body)), None
    query = [("service", realm.service)] if realm.service else []
    query += [("scope", str(scope)) for scope in scopes]
    if isinstance(credential, Login):
        query.append(("account", credential.username))
    joint = "&" if urlsplit(realm.url).query else "?"
    url = f"{realm.url}{joint}{urlencode(query)}" if query else realm.url
    return Ask("GET", url, what), _basic(credential) if isinstance(credential, Login) else None


def _parse_token(content: bytes, registry: str) -> tuple[str, float]:
    """The token and its lifetime in seconds; the specification's default is 60."""
    try:
        document = json.loads(content)
        value = document.get("token") or document.get("access_token")
        lifetime_s = float(document.get("expires_in") or _LIFETIME_S)
    except (ValueError, TypeError, AttributeError, RecursionError):
        value, lifetime_s = None, 0.0
    if not isinstance(value, str) or not value or not value.isascii() or not value.isprintable():
        raise RegistryError(f"the token server of {registry} gave no token")
    return value, lifetime_s
