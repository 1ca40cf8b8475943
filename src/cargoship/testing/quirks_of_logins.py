"""Quirks of registries and token servers that ask who somebody is, each by how they differ from what is usual."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from cargoship.testing.exchange import Call, Reply
from cargoship.testing.quirk import Answer, Quirk, QuirkyRegistry

_BAD = 400
_UNAUTHORIZED = 401
_NOTHING_TO_SEE = Reply.error(404, "NAME_UNKNOWN", "repository name not known to registry")
CHALLENGE = "WWW-Authenticate"


def challenged(change: Callable[[QuirkyRegistry, str], str]) -> Quirk:
    """Who is not known is asked in another way; lines are headers of their own."""

    def quirk(registry: QuirkyRegistry, call: Call, answer: Answer) -> Reply:
        reply = answer(call)
        if reply.status != _UNAUTHORIZED or CHALLENGE not in reply.headers:
            return reply
        return replace(reply, headers={**reply.headers, CHALLENGE: change(registry, reply.headers[CHALLENGE])})

    return quirk


def challenged_at_the_door(status: int) -> Quirk:
    """Only /v2/ says who is wanted."""

    def quirk(registry: QuirkyRegistry, call: Call, answer: Answer) -> Reply:
        del registry
        reply = answer(call)
        if reply.status != _UNAUTHORIZED or call.path in {"/v2/", "/token"} or "authorization" in call.headers:
            return reply
        return replace(_NOTHING_TO_SEE, status=status)

    return quirk


def ended_token(status: int) -> Quirk:
    """A token that has ended is answered by something that names no token server."""

    def quirk(registry: QuirkyRegistry, call: Call, answer: Answer) -> Reply:
        del registry
        reply = answer(call)
        ended = call.headers.get("authorization", "").startswith("Bearer ")
        return Reply.error(status, "DENIED", "denied") if reply.status == _UNAUTHORIZED and ended else reply

    return quirk


def one_scope_at_a_time(status: int) -> Quirk:
    """A question for several scopes at once is refused."""

    def quirk(registry: QuirkyRegistry, call: Call, answer: Answer) -> Reply:
        del registry
        several = call.path == "/token" and len(call.query.get("scope", "").split()) > 1
        return Reply.error(status, "INVALID", "one scope at a time") if several else answer(call)

    return quirk


def token_with(change: Callable[[bytes], bytes], headers: Mapping[str, str] | None = None) -> Quirk:
    """Tokens are given in other words."""

    def quirk(registry: QuirkyRegistry, call: Call, answer: Answer) -> Reply:
        del registry
        reply = answer(call)
        if call.path != "/token" or reply.status >= _BAD:
            return reply
        return Reply(reply.status, {**reply.headers, **(headers or {})}, change(reply.body))

    return quirk


def expires_in(text: str) -> Quirk:
    """How long a token serves, as it stands in JSON."""
    return token_with(lambda body: re.sub(rb'"expires_in": \d+', b'"expires_in": ' + text.encode(), body))
