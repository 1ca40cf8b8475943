"""Hosts and addresses: who may be spoken to without TLS, and what counts as the same place for credentials."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from urllib.parse import SplitResult, urldefrag, urljoin, urlsplit

from cargoship.http.proxies import is_loopback

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LABEL = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
"""A part of a host's name between two dots (RFC 1035 section 2.3.4), and what some have in theirs all the same."""
_AUTHORITY = re.compile(rf"(?:\[[0-9A-Fa-f:.]+\]|{_LABEL}(?:\.{_LABEL})*\.?)(?::[0-9]{{0,5}})?")
_PORT_MAX = 65535
_KEPT = 256
"""Answers of each kind that are remembered: a request asks for several of its address, and few addresses are in use."""


def is_named(place: str, insecure: Collection[str]) -> bool:
    """Whether somebody has said that `place` (host[:port]) is plain http, by its name or as *.domain."""
    place = place.lower()
    host = host_of(place)
    if place in insecure or host in insecure:
        return True
    return any(name.startswith("*.") and host.endswith(name[1:]) for name in insecure)


def is_plain(place: str, insecure: Collection[str]) -> bool:
    """Whether `place` (host[:port]) may be spoken to without TLS."""
    return is_loopback(host_of(place)) or is_named(place, insecure)


def host_of(place: str) -> str:
    """The host without its port; an IPv6 address keeps its brackets."""
    head, colon, tail = place.rpartition(":")
    return head if colon and tail.isdigit() and not (head.startswith("[") and "]" not in head) else place


@lru_cache(_KEPT)
def parsed(url: str) -> SplitResult | None:
    """The parts of an absolute web address; None for anything else, and for what two parsers may read differently."""
    if not url.isprintable() or url.startswith(" "):
        return None  # which urlsplit passes over, and others do not
    try:
        parts = urlsplit(url)
        port = parts.port or 0
    except ValueError:
        return None
    # a user's name before the host is not sent, and a backslash in it is a slash to some
    user, _, place = parts.netloc.rpartition("@")
    usable = parts.scheme in {"http", "https"} and "\\" not in user and _AUTHORITY.fullmatch(place) is not None
    return parts if usable and port <= _PORT_MAX else None


@lru_cache(_KEPT)
def resolved(asked: str, given: str) -> str | None:
    """The web address that `given` means in an answer of the address `asked`; None where it means none.

    It may be absolute or relative (RFC 9110 section 10.2.2). A fragment is for who reads, and is never sent.
    """
    try:
        url = urldefrag(urljoin(asked, given)).url
    except ValueError:
        return None
    return None if parsed(url) is None else url


@lru_cache(_KEPT)
def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port (RFC 6454): credentials for one origin are never sent to another."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = None
    return parts.scheme, (parts.hostname or "").lower(), port or _DEFAULT_PORTS.get(parts.scheme, 0)


def shown(url: str) -> str:
    """An address for messages: without query and user, where upload states, signatures and passwords live."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" if host else parts.path
