"""Which proxy a request goes through, from the usual variables (https_proxy, http_proxy, all_proxy, no_proxy)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping

_PORTS = {"http": 80, "https": 443}
_NAME_MAX = 253
"""Characters of a host's name (RFC 1035 section 2.3.4): what is longer is none."""
PROXY_KINDS = ("http", "https", "socks5", "socks5h")


def proxy_for(scheme: str, host: str, port: int | None, env: Mapping[str, str]) -> str | None:
    """The proxy's URL, or None. Lower-case variables win, as in curl; a loopback host never has one."""
    if is_loopback(host) or _excluded(host, port, scheme, _variable(env, "no_proxy")):
        return None
    proxy = _variable(env, f"{scheme}_proxy") or _variable(env, "all_proxy")
    if proxy and "://" not in proxy:
        proxy = "http://" + proxy
    return proxy or None


def proxy_shown(proxy: str) -> str:
    """A proxy's address for messages, without a user and a password."""
    scheme, _, rest = proxy.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('/')[0]}"


def is_loopback(host: str) -> bool:
    """Whether a host name (without port) is this machine: localhost, *.localhost, 127.0.0.0/8, ::1."""
    bare = host.strip("[]").lower()
    if bare == "localhost" or bare.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


def _variable(env: Mapping[str, str], name: str) -> str:
    # CGI programs receive a client's "Proxy:" header as HTTP_PROXY (httpoxy); there, only lower case counts
    upper = "" if name == "http_proxy" and "REQUEST_METHOD" in env else env.get(name.upper(), "")
    return env.get(name, "") or upper


def _excluded(host: str, port: int | None, scheme: str, no_proxy: str) -> bool:
    """Whether `no_proxy` names a host: by name, as a domain, by address, as a network, each with a port or without.

    Entries are separated by commas or spaces (curl's manual, "NO_PROXY"); ports are what Go's programs know besides.
    """
    bare, number = host.strip("[]").rstrip(".").lower(), str(port or _PORTS.get(scheme, 0))
    if len(bare) > _NAME_MAX:
        return False
    for word in no_proxy.lower().replace(",", " ").split():
        if word == "*":
            return True
        name, wanted = _parted(word)
        if wanted in {"", number} and _names(name, bare):
            return True
    return False


def _parted(word: str) -> tuple[str, str]:
    """A name and a port; an IPv6 address has colons of its own."""
    match = re.fullmatch(r"(\[[^]]*\]|[^:]*)(?::(\d+))?", word)
    return (match[1].strip("[]"), match[2] or "") if match else (word.strip("[]"), "")


def _names(entry: str, host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = entry.removeprefix("*").strip(".")
        return bool(name) and (host == name or host.endswith("." + name))
    try:
        return address in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
