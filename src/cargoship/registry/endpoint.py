"""Where a registry is reached: its address, and what counts as the same place for credentials."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from cargoship.oci.reference import DOCKER_HUB
from cargoship.registry.proxies import is_loopback

_DOCKER_HUB_HOST = "registry-1.docker.io"
_DEFAULT_PORTS = {"http": 80, "https": 443}


def base_url(registry: str, *, insecure: Collection[str] = (), secure: bool = False) -> str:
    """The address of a registry, without a trailing slash.

    Plain http for this machine's own loopback addresses and for the hosts (`host` or `host:port`) in `insecure`;
    https for everything else, and for a loopback address that is known to be `secure`.
    """
    if registry == DOCKER_HUB:
        return f"https://{_DOCKER_HUB_HOST}"
    plain = is_plain(registry, insecure) and not (secure and not is_named(registry, insecure))
    return f"{'http' if plain else 'https'}://{registry}"


def is_named(registry: str, insecure: Collection[str]) -> bool:
    """Whether somebody has said that `registry` (host[:port]) is plain http, by its name or as *.domain."""
    host = host_of(registry)
    if registry in insecure or host in insecure:
        return True
    return any(name.startswith("*.") and host.endswith(name[1:]) for name in insecure)


def is_plain(registry: str, insecure: Collection[str]) -> bool:
    """Whether `registry` (host[:port]) may be spoken to without TLS."""
    return is_loopback(host_of(registry)) or is_named(registry, insecure)


def host_of(registry: str) -> str:
    """The host without its port; an IPv6 address keeps its brackets."""
    head, colon, tail = registry.rpartition(":")
    return head if colon and tail.isdigit() and not (head.startswith("[") and "]" not in head) else registry


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
