"""What a configuration of docker or podman says of a registry: helpers, keys, credentials. Pure.

Formats: docker/cli's config file (cli/config/configfile) and containers-auth.json(5). No secret is put into a message.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from cargoship.oci.reference import DOCKER_HUB

HUB_KEY = "https://index.docker.io/v1/"
HUB_NAMES = (HUB_KEY, DOCKER_HUB, "index.docker.io", "registry-1.docker.io")
TOKEN_USER = "<token>"  # noqa: S105 - the name by which helpers say that the secret is an identity token
_SCHEME = re.compile(r"https?://", re.IGNORECASE)


@dataclass(frozen=True)
class Login:
    """User name and password."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class IdentityToken:
    """An OAuth 2 refresh token, good for access tokens only; `username` is whose it is, where that is known."""

    token: str = field(repr=False)
    username: str = ""


@dataclass(frozen=True)
class RegistryToken:
    """A bearer token that is sent as it is."""

    token: str = field(repr=False)


Credential = Login | IdentityToken | RegistryToken


class ConfigUnreadable(ValueError):
    """What should be a configuration, or a credential in one, is none."""


def parse_config(text: bytes | str) -> Mapping[str, object]:
    """A configuration file; an empty one says nothing, as for docker. Raises ConfigUnreadable."""
    if not text.strip():
        return {}
    try:
        config = json.loads(text)
    except (ValueError, RecursionError):
        # the parser's own words would quote the file, and with it a secret
        config = None
    if not isinstance(config, Mapping):
        raise ConfigUnreadable("not a JSON object")
    return config


def helper_of(config: Mapping[str, object], names: Iterable[str]) -> str | None:
    """The helper for a registry that has these names; None where the credentials are in the file itself.

    `credHelpers` with an empty name says that, whatever `credsStore` is for the others.
    """
    chosen = config.get("credHelpers")
    helpers = {str(key).lower(): helper for key, helper in chosen.items()} if isinstance(chosen, Mapping) else {}
    for name in map(str.lower, names):
        if name in helpers:
            helper = helpers[name]
            return helper if isinstance(helper, str) and helper else None
    store = config.get("credsStore")
    return store if isinstance(store, str) and store else None


def credential_in(config: Mapping[str, object], names: Iterable[str], repository: str | None) -> Credential | None:
    """The credential in `auths`; the most particular key counts. Raises ConfigUnreadable for one that says nothing."""
    auths = config.get("auths")
    entries: dict[str, object] = {}
    last: dict[str, object] = {}
    for key, entry in auths.items() if isinstance(auths, Mapping) else ():
        place = key_place(str(key))
        entries.setdefault(place, entry)
        if _SCHEME.match(str(key)):
            # docker looks at the host of an address alone, whatever follows
            last.setdefault(place.partition("/")[0], entry)
    hosts = tuple(dict.fromkeys(key_place(name) for name in names))
    found = [entries.get(place) for place in _places(hosts, repository)] + [last.get(host) for host in hosts]
    for entry in found:
        if isinstance(entry, Mapping) and (credential := from_entry(entry)) is not None:
            return credential
    return None


def _places(hosts: tuple[str, ...], repository: str | None) -> Iterator[str]:
    """The keys that may hold a credential, the most particular first: containers-auth.json(5)."""
    path = repository or ""
    while path:
        yield from (f"{host}/{path}" for host in hosts)
        path = path.rpartition("/")[0]
    yield from hosts


def key_place(key: str) -> str:
    """A key of `auths` without scheme and API version: docker has written all of these over the years."""
    bare = _SCHEME.sub("", key.strip(), count=1).rstrip("/")
    host, slash, path = re.sub(r"/v[12]$", "", bare).partition("/")
    return host.lower() + slash + path


def from_entry(entry: Mapping[str, object]) -> Credential | None:
    """The credential of an `auths` entry; None for the empty one that docker leaves where a store is used.

    Raises ConfigUnreadable for an `auth` that is not base64 of user:password.
    """
    token = entry.get("identitytoken")
    if isinstance(token, str) and token:
        return IdentityToken(token, _user_of(entry))
    token = entry.get("registrytoken")
    if isinstance(token, str) and token:
        return RegistryToken(token)
    auth = entry.get("auth")
    if isinstance(auth, str) and auth.strip():
        return _decoded(auth)
    username, password = entry.get("username"), entry.get("password")
    if isinstance(username, str) and isinstance(password, str) and username and password:
        return _login(username, password)
    return None


def _user_of(entry: Mapping[str, object]) -> str:
    """The user that an entry names beside an identity token; empty for none."""
    username, auth = entry.get("username"), entry.get("auth")
    if isinstance(username, str) and username:
        return username
    if isinstance(auth, str) and auth.strip():
        with contextlib.suppress(ConfigUnreadable):
            found = _decoded(auth)
            return found.username if isinstance(found, Login) else ""
    return ""


def _decoded(auth: str) -> Credential:
    """base64 in any of its forms: with padding or without, with line ends, in the alphabet for addresses."""
    plain = "".join(auth.split()).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        text = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        text = ""
    username, colon, password = text.partition(":")
    if not username or not colon:
        raise ConfigUnreadable("its `auth` is not base64 of USER:PASSWORD")
    # docker pads with NUL bytes
    return _login(username, password.strip("\0"))


def _login(username: str, password: str) -> Credential:
    return IdentityToken(password) if username == TOKEN_USER and password else Login(username, password)
