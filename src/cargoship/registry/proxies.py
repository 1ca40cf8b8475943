"""Which proxy a request goes through, from the usual variables (https_proxy, http_proxy, all_proxy, no_proxy)."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping


def proxy_for(scheme: str, host: str, port: int | None, env: Mapping[str, str]) -> str | None:
    """The proxy's URL, or None. Lower-case variables win, as in curl; a loopback host never has one."""
    if is_loopback(host) or _excluded(host, port, _variable(env, "no_proxy")):
        return None
    proxy = _variable(env, f"{scheme}_proxy") or _variable(env, "all_proxy")
    if proxy and "://" not in proxy:
        proxy = "http://" + proxy
    return proxy or None


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


def _excluded(host: str, port: int | None, no_proxy: str) -> bool:
    for raw in no_proxy.split(","):
        entry = raw.strip().lower().lstrip("*").lstrip(".")
        if raw.strip() == "*":
            return True
        name, colon, wanted = entry.partition(":") if entry.count(":") == 1 else (entry, "", "")
        if not name or (colon and wanted != str(port)):
            continue
        if host.lower() == name or host.lower().endswith("." + name):
            return True
    return False
