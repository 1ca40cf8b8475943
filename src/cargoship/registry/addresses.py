"""Addresses: a registry's own, and those that servers name, where uploads, lists, tokens and blobs are. Pure.

Whatever follows one that a server names asks here first. A registry is trusted with what it is given, and not with
where that travels: TLS is never left for plain http, and nothing is sent in plain http to a host that its user has not
named.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from cargoship.errors import RegistryRefused
from cargoship.http.endpoint import is_named, is_plain, origin, parsed, resolved
from cargoship.http.proxies import is_loopback
from cargoship.oci.reference import DOCKER_HUB

_DOCKER_HUB_HOST = "registry-1.docker.io"


class AddressRefused(RegistryRefused):
    """An address that is not followed, or not any further: asking in another way would lead to the same place."""


NO_ADDRESS = "an address that is no web address"


def base_url(registry: str, *, insecure: Collection[str] = (), secure: bool = False) -> str:
    """The address of a registry, without a trailing slash.

    Plain http for this machine's own loopback addresses and for the hosts (`host` or `host:port`) in `insecure`;
    https for everything else, and for a loopback address that is known to be `secure`.
    """
    if registry == DOCKER_HUB:
        return f"https://{_DOCKER_HUB_HOST}"
    plain = is_plain(registry, insecure) and not (secure and not is_named(registry, insecure))
    return f"{'http' if plain else 'https'}://{registry}"


def absolute(asked: str, given: str) -> str | None:
    """What `given` means in an answer of the address `asked`; None: no web address.

    Some leave the first slash of a path out. A registry behind a proxy that ends TLS often gives its own address with
    http: that is taken as meant.
    """
    url = resolved(asked, f"/{given}" if given.startswith("v2/") else given)
    parts, own = parsed(url or ""), parsed(asked)
    if url is None or parts is None or own is None:
        return None
    if own.scheme == "https" and parts.scheme == "http" and parts.hostname == own.hostname:
        if parts.port == own.port:
            return parts._replace(scheme="https").geturl()
        # the other side's default port is as good as none
        if parts.port == 80 and own.port in {None, 443}:  # noqa: PLR2004 - the ports of http and https
            return parts._replace(scheme="https", netloc=own.netloc).geturl()
    return url


def objection(before: str, after: str, insecure: Collection[str], *, sends: bool) -> str | None:
    """Why the address `after`, which `before` named, is not followed, as words after a verb; None where it is.

    `sends` says that the request there carries something: a blob, or credentials.
    """
    old, new = urlsplit(before), parsed(after)
    if new is None:
        return f"to {NO_ADDRESS}"
    if new.scheme == "https" or origin(before) == origin(after):
        return None
    place = new.netloc.rpartition("@")[2]
    if is_named(place, insecure):
        return None
    here = is_loopback(new.hostname or "")
    if old.scheme == "https" and not (here and is_loopback(old.hostname or "")):
        return f"from https to plain http at {place}"
    if sends and not here:
        return f"in plain http to {place}"
    return None


def unsafe_hint(url: str) -> str | None:
    """What to do about an objection to an address, where something can be done on this side."""
    parts = parsed(url)
    if parts is None:
        return None
    place = parts.netloc.rpartition("@")[2]
    return f"if {place} is meant to be spoken to in plain http, name it in CARGOSHIP_INSECURE_REGISTRIES"
