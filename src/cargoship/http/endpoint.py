"""Hosts and addresses: who may be spoken to without TLS, and what counts as the same place for credentials."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from cargoship.http.proxies import is_loopback

_DEFAULT_PORTS = {"http": 80, "https": 443}


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
