"""Convincing a registry: Basic, and bearer tokens of distribution's token server (token and oauth specifications).

Credentials are looked up only when the registry asks for them, go to the registry itself and to the token server
that it names, and appear in no message.
"""

from __future__ import annotations

import base64
import json
import math
import re
import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urldefrag, urlencode, urlsplit

from msgspec import Struct

from cargoship.errors import Forbidden, RegistryError, RegistryUnreachable, Unauthorized
from cargoship.events import Emit, Level, Note
from cargoship.http.budget import Budget
from cargoship.http.endpoint import parsed
from cargoship.registry.addresses import AddressRefused, absolute, objection, unsafe_hint
from cargoship.registry.auth.challenge import Challenge, Scope, covers, merge_scopes, parse_challenges, parse_scopes
from cargoship.registry.auth.credentials import Credentials, FoundCredential
from cargoship.registry.auth.entries import IdentityToken, Login, RegistryToken
from cargoship.registry.http_client import NamedRequest
from cargoship.registry.refusals import ABSENT, NO_REPOSITORY

_CLIENT_ID = "cargoship"
_LIFETIME_S = 60.0
_GIVEN_MAX = 100
_SECRET_CHARACTERS = 4
"""Shorter ones cannot be distinguished from parts of words."""
_MARGIN_S = 10.0
"""A token is not used in its last seconds: the request takes time too."""

_VAIN_S = 30.0
"""How long a new token that was of no use keeps others from being asked for."""


class Fetch(Protocol):
    """Sends a request with an Authorization header, or none, and gives the content of a good answer."""

    def __call__(self, ask: NamedRequest, authorization: str | None, *, insist: bool) -> bytes:
        """Ask; `insist` also repeats what is answered by 500. Raises RegistryError's family."""
        ...


@dataclass(frozen=True)
class _Token:
    header: str = field(repr=False)
    scopes: tuple[Scope, ...]
    expires_at: float


class _Realm(Struct, frozen=True):
    url: str
    service: str


@dataclass
class _Identity:
    """Credentials, or none, and the tokens that they were good for."""

    found: FoundCredential | None
    tokens: list[_Token] = field(default_factory=list, repr=False)
    given: list[str] = field(default_factory=list, repr=False)
    """All tokens, those that have ended too."""

    def secrets(self) -> list[str]:
        """Everything of it that nobody else may see."""
        secrets = [header.partition(" ")[2] for header in self.given]
        credential = None if self.found is None else self.found.credential
        if isinstance(credential, Login):
            secrets.append(credential.password)
        elif credential is not None:
            secrets.append(credential.token)
        if isinstance(credential, Login | IdentityToken):
            secrets.append(_basic(_as_login(credential)).partition(" ")[2])
        return secrets


class Authenticator:
    """What one registry wants to see in Authorization; shared by threads."""

    def __init__(
        self,
        registry: str,
        *,
        address: Callable[[], str],
        credentials: Credentials,
        fetch: Fetch,
        budget: Budget,
        emit: Emit,
        insecure: Collection[str],
    ) -> None:
        self._registry = registry
        self._address = address
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
        self._one_scope = False
        self._exchangeless: set[str] = set()
        """Token servers that give tokens to those who ask by GET alone."""
        self._vain_until: dict[tuple[Scope, ...], float] = {}

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
            return self._token(self._realm, merge_scopes(scopes), self._look(scopes), scopes)

    def answer(self, challenges: str, scopes: Iterable[Scope], *, rejected: str | None) -> str | None:
        """What to send after a 401 that answered `rejected`; None: there is nothing else to try.

        Bearer comes before Basic, and of several the first; one that cannot be used gives way to the next. Raises
        Unauthorized, RegistryUnreachable or RegistryRefused when the token server says no or nothing.
        """
        scopes = tuple(scopes)
        with self._lock:
            offered = parse_challenges(challenges)
            bearers = [challenge for challenge in offered if challenge.scheme == "bearer"]
            trouble: RegistryError | None = None
            for bearer in bearers:
                try:
                    header = self._answer_bearer(bearer, scopes, rejected)
                except RegistryError as error:
                    trouble = trouble or error
                else:
                    self._basic = False
                    if header is not None:
                        return header
            if any(challenge.scheme == "basic" for challenge in offered):
                if not bearers and (renewed := self._renewed(scopes, rejected)) is not None:
                    return renewed
                header = _basic_of(self._look(scopes))
                if header is not None and header != rejected:
                    # a registry that takes tokens may ask for a password now and then: that is about one request
                    self._basic = self._realm is None or bool(bearers)
                    return header
            if trouble is not None:
                raise trouble
            return None

    def renew(self, scopes: tuple[Scope, ...], *, rejected: str, surely: bool) -> str | None:
        """Another token instead of one that may have ended before its time; None where there is no hope of one.

        Some registries answer an ended token with 400, 403 or a 401 that names no token server: only the last one
        `surely` speaks of the token. Raises as `answer`.
        """
        with self._lock:
            if not surely and self.hopeless(scopes):
                return None
            return self._renewed(scopes, rejected)

    def in_vain(self, scopes: tuple[Scope, ...]) -> None:
        """A token that was renewed was refused like the one before: that was not its fault."""
        with self._lock:
            self._vain_until[scopes] = self._budget.clock() + _VAIN_S

    def hopeless(self, scopes: tuple[Scope, ...]) -> bool:
        """Whether another token for these scopes was of no use a moment ago."""
        with self._lock:
            return self._budget.clock() < self._vain_until.get(scopes, -math.inf)

    def _renewed(self, scopes: tuple[Scope, ...], rejected: str | None) -> str | None:
        identity = self._look(scopes)
        known = [token for token in identity.tokens if token.header == rejected]
        if self._realm is None or not known:
            return None
        identity.tokens = [token for token in identity.tokens if token.header != rejected]
        return self._token(self._realm, merge_scopes((*scopes, *known[0].scopes)), identity, scopes)

    def redact(self, text: str) -> str:
        """The same text without any secret that this authenticator has sent: some servers echo what they got."""
        with self._lock:
            secrets = [secret for identity in self._identities.values() for secret in identity.secrets() if secret]
        for secret in secrets:
            if len(secret) >= _SECRET_CHARACTERS:
                text = text.replace(secret, "***")
            # in the place of a letter or two, stars would show which ones they stand for everywhere else
            elif re.search(rf"(?<!\w){re.escape(secret)}(?!\w)", text):
                return "its words are not shown, for they may have a secret in them"
        return text

    def _answer_bearer(self, challenge: Challenge, scopes: tuple[Scope, ...], rejected: str | None) -> str | None:
        wanted = merge_scopes((*scopes, *parse_scopes(challenge.parameters.get("scope", ""))))
        identity = self._look(scopes)
        identity.tokens = [token for token in identity.tokens if token.header != rejected]
        found = identity.found
        if found is not None and isinstance(found.credential, RegistryToken):
            header = f"Bearer {found.credential.token}"
            return None if header == rejected else header
        realm = _Realm(self._realm_of(challenge), challenge.parameters.get("service", ""))
        header = self._token(realm, wanted, identity, scopes)
        self._realm = realm
        return header

    def _realm_of(self, challenge: Challenge) -> str:
        """The address of the token server that a challenge names; raises RegistryError for one that is none."""
        realm, registry = challenge.parameters.get("realm", "").strip(), self._address()
        # one that is relative begins with a slash: any word would be one
        url = absolute(registry + "/", realm) if realm.startswith("/") else realm
        if url is None or parsed(url) is None:
            raise RegistryError(f"{self._registry} asks for a token but names no server to get it from")
        # what is added to it must not become part of a fragment
        return urldefrag(url).url

    def _check_safe(self, url: str, found: FoundCredential | None) -> None:
        """Raise RegistryError where these credentials, or none, are not to be shown to this token server."""
        if objection(self._address(), url, self._insecure, sends=found is not None) is None:
            return
        place = urlsplit(url).netloc.rpartition("@")[2]
        raise RegistryError(
            f"{self._registry} wants credentials to be sent in clear text to {place}", hint=unsafe_hint(url)
        )

    def _token(self, realm: _Realm, scopes: tuple[Scope, ...], identity: _Identity, asked: tuple[Scope, ...]) -> str:
        """A token for `scopes`, or for the first of those that were `asked` for where no server gives more at once."""
        now = self._budget.clock()
        identity.tokens = [token for token in identity.tokens if token.expires_at > now]
        if self._one_scope and len(scopes) > 1:
            scopes = merge_scopes(asked[:1])
        for token in identity.tokens:
            if covers(token.scopes, scopes):
                return token.header
        found = identity.found
        self._check_safe(realm.url, found)
        try:
            value, lifetime_s = self._fetch_token(realm, scopes, found)
        except RegistryUnreachable:
            raise
        except RegistryError as error:
            if len(scopes) > 1 and asked:
                # what it says of one scope is what counts
                self._one_scope = True
                return self._token(realm, scopes, identity, asked)
            server = f"its token server at {urlsplit(realm.url).netloc.rpartition('@')[2]}"
            if isinstance(error, Unauthorized):
                said = f"{self._registry}: {server} did not accept the credentials"
                raise Unauthorized(said, hint=error.hint) from error
            if error.hint in {ABSENT, NO_REPOSITORY}:
                # it is not about a repository
                raise type(error)(error.message, hint=f"{server} answers nothing at that address") from error
            raise
        token = _Token(f"Bearer {value}", scopes, now + max(lifetime_s - _MARGIN_S, 1.0))
        identity.tokens.append(token)
        identity.given = [*identity.given[-_GIVEN_MAX:], token.header]
        return token.header

    def _fetch_token(
        self, realm: _Realm, scopes: tuple[Scope, ...], found: FoundCredential | None
    ) -> tuple[str, float]:
        """A token and its lifetime in seconds.

        Some servers do not know how an identity token is exchanged (OAuth 2's POST), and answer with 400, 401, 404, 405
        or a web page: it is shown them as a password then, as containerd does (core/remotes/docker, authorizer.go).
        Where that is refused too, the first answer counts.
        """
        insist = len(scopes) == 1
        by_get = _token_request(realm, scopes, found, self._registry)
        if found is None or not isinstance(found.credential, IdentityToken) or realm.url in self._exchangeless:
            return _parse_token(self._fetch(*by_get, insist=insist), self._registry)
        try:
            ask = _exchange_request(realm, scopes, found.credential, self._registry)
            return _parse_token(self._fetch(ask, None, insist=insist), self._registry)
        except (AddressRefused, Forbidden, RegistryUnreachable):
            raise
        except RegistryError as error:
            try:
                given = _parse_token(self._fetch(*by_get, insist=False), self._registry)
            except RegistryError:
                raise error from None
            self._exchangeless.add(realm.url)
            return given

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


def _as_login(credential: Login | IdentityToken) -> Login:
    """What is shown as a password; an identity token where it cannot be exchanged."""
    return credential if isinstance(credential, Login) else Login(credential.username, credential.token)


def _basic(login: Login) -> str:
    return "Basic " + base64.b64encode(f"{login.username}:{login.password}".encode()).decode()


def _token_request(
    realm: _Realm, scopes: tuple[Scope, ...], found: FoundCredential | None, registry: str
) -> tuple[NamedRequest, str | None]:
    credential = None if found is None else found.credential
    login = _as_login(credential) if isinstance(credential, Login | IdentityToken) else None
    query = [("service", realm.service)] if realm.service else []
    query += [("scope", str(scope)) for scope in scopes]
    if login is not None and login.username:
        query.append(("account", login.username))
    joint = "&" if urlsplit(realm.url).query else "?"
    url = f"{realm.url}{joint}{urlencode(query)}" if query else realm.url
    return NamedRequest("GET", url, _wanted(scopes, registry)), None if login is None else _basic(login)


def _exchange_request(
    realm: _Realm, scopes: tuple[Scope, ...], credential: IdentityToken, registry: str
) -> NamedRequest:
    form = {
        "grant_type": "refresh_token",
        "service": realm.service,
        "client_id": _CLIENT_ID,
        "scope": " ".join(map(str, scopes)),
        "refresh_token": credential.token,
    }
    body = urlencode(form).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    what = _wanted(scopes, registry)
    return NamedRequest("POST", realm.url, what, headers, lambda: (body,), len(body), secret=True)


def _wanted(scopes: tuple[Scope, ...], registry: str) -> str:
    return f"a token for {', '.join(map(str, scopes)) or registry}"


def _parse_token(content: bytes, registry: str) -> tuple[str, float]:
    """The token and its lifetime in seconds; the specification's default is 60."""
    try:
        # Go's programs take names in any letter case
        document = {name.lower(): each for name, each in reversed(json.loads(content).items())}
    except (ValueError, AttributeError, RecursionError):
        document = {}
    value = document.get("token") or document.get("access_token")
    lifetime_s = _lifetime_s(document.get("expires_in"))
    if not isinstance(value, str) or not value or not value.isascii() or not value.isprintable():
        raise RegistryError(f"the token server of {registry} gave no token")
    return value, lifetime_s


def _lifetime_s(said: object) -> float:
    """What a token server says in seconds; where that is no length of time, the default."""
    try:
        said_s = float(said) if isinstance(said, int | float | str) else 0.0
    except (ValueError, OverflowError):
        said_s = 0.0
    return said_s if math.isfinite(said_s) and said_s > 0 else _LIFETIME_S
