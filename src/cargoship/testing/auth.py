"""How the in-memory registry wants to be convinced: Basic, or bearer tokens from a token server of its own.

Token server: distribution's token specification (GET) and its OAuth 2 variant (POST with a refresh token).
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import parse_qs

from cargoship.testing.exchange import Call, Reply

_TOKEN_PATH = "/token"  # noqa: S105 - a path


class Auth(Protocol):
    """Decides who may do what."""

    def serve(self, call: Call) -> Reply | None:
        """Answer requests to the token server itself; None for all others."""
        ...

    def refuse(self, call: Call, scope: str | None, base: str) -> Reply | None:
        """None where the call may `scope` (repository:name:actions); `base` is the registry's own address."""
        ...


@dataclass(frozen=True)
class BasicAuth:
    """User name and password with each request."""

    username: str
    password: str = field(repr=False)

    def serve(self, call: Call) -> Reply | None:  # noqa: ARG002 - the protocol's signature
        """See `Auth.serve`: there is no token server."""
        return None

    def refuse(self, call: Call, scope: str | None, base: str) -> Reply | None:  # noqa: ARG002 - the same
        """See `Auth.refuse`."""
        if _login(call.headers) == (self.username, self.password):
            return None
        return Reply.error(401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": 'Basic realm="test"'})


@dataclass
class TokenAuth:
    """Bearer tokens.

    `anonymous` are the actions that anybody gets; a user, or the owner of a token in `identity_tokens`, gets those
    in `actions`. Tokens are issued to serve for `lifetime_s` seconds; they do until `revoke()`.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    identity_tokens: frozenset[str] = field(default=frozenset(), repr=False)
    anonymous: frozenset[str] = frozenset()
    actions: frozenset[str] = frozenset({"pull", "push", "delete"})
    service: str = "test"
    realm: str | None = None
    """Where tokens are given out; None: at /token of the registry itself."""
    lifetime_s: int | None = 300
    issued: dict[str, frozenset[tuple[str, str]]] = field(default_factory=dict, repr=False)
    """Token to what it allows: (repository, action)."""

    def revoke(self) -> None:
        """Make every token that was given out invalid."""
        self.issued.clear()

    def serve(self, call: Call) -> Reply | None:
        """See `Auth.serve`."""
        if call.path != _TOKEN_PATH:
            return None
        scopes = tuple(call.query.get("scope", "").split())
        if call.method == "POST":
            form = {name: values[0] for name, values in parse_qs(call.body.decode()).items()}
            known = form.get("grant_type") == "refresh_token" and form.get("refresh_token") in self.identity_tokens
            allowed = self.actions if known else None
            scopes = tuple(form.get("scope", "").split())
        else:
            login = _login(call.headers)
            known = login == (self.username, self.password)
            allowed = self.anonymous if login is None else self.actions if known else None
        if allowed is None:
            return Reply.error(401, "UNAUTHORIZED", "wrong user name or password")
        token = secrets.token_hex(16)
        self.issued[token] = frozenset(
            (name, action) for name, actions in map(_split, scopes) for action in actions if action in allowed
        )
        document: dict[str, object] = {"access_token" if call.method == "POST" else "token": token}
        if self.lifetime_s is not None:
            document["expires_in"] = self.lifetime_s
        return Reply(200, {"Content-Type": "application/json"}, json.dumps(document).encode())

    def refuse(self, call: Call, scope: str | None, base: str) -> Reply | None:
        """See `Auth.refuse`."""
        kind, _, token = call.headers.get("authorization", "").partition(" ")
        held = self.issued.get(token) if kind == "Bearer" else None
        wanted = {(name, action) for name, actions in map(_split, (scope,) if scope else ()) for action in actions}
        if held is not None and wanted <= held:
            return None
        parameters = [f'realm="{self.realm or base + _TOKEN_PATH}"', f'service="{self.service}"']
        if scope:
            parameters.append(f'scope="{scope}"')
        if held is not None:
            parameters.append('error="insufficient_scope"')
        challenge = {"WWW-Authenticate": "Bearer " + ",".join(parameters)}
        return Reply.error(401, "UNAUTHORIZED", "authentication required", challenge)


def _split(scope: str) -> tuple[str, tuple[str, ...]]:
    name, _, actions = scope.partition(":")[2].rpartition(":")
    return name, tuple(actions.split(","))


def _login(headers: Mapping[str, str]) -> tuple[str, str] | None:
    kind, _, value = headers.get("authorization", "").partition(" ")
    if kind != "Basic":
        return None
    username, _, password = base64.b64decode(value).decode().partition(":")
    return username, password
