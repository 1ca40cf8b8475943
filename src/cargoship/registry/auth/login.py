"""Logging in and out: credentials are tried before they are kept."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

from cargoship.errors import UsageError
from cargoship.events import Emit
from cargoship.oci.reference import DOCKER_HUB, Reference
from cargoship.process import Runner
from cargoship.registry.auth.credential_store import CredentialLocation, CredentialStore
from cargoship.registry.auth.credentials import FixedCredentials
from cargoship.registry.auth.entries import Login
from cargoship.registry.client import RegistryClient
from cargoship.registry.connect import connect

_HUB_NAMES = frozenset({DOCKER_HUB, "index.docker.io", "registry-1.docker.io", "hub.docker.com"})


class LoggedIn(Struct, frozen=True):
    """A registry that has accepted credentials, and where these are now; `asked` False: it wanted none."""

    registry: str
    kept: CredentialLocation
    asked: bool


def log_in(
    registry: str,
    login: Login,
    *,
    env: Mapping[str, str],
    runner: Runner,
    emit: Emit,
    client: RegistryClient | None = None,
) -> LoggedIn:
    """Try the credentials on `registry` (host[:port]) and keep them where docker and podman look for them.

    `env` says where that is, and is what helpers get; `client` is one that has these credentials (default: one made of
    `env`). Raises RegistryError's family (Unauthorized for wrong ones), OutputError, UsageError.
    """
    keeper = CredentialStore(env, runner)
    # found out before a password goes anywhere
    _ = keeper.path
    credentials = FixedCredentials(registry, login, source="this login")
    with client or connect(registry, env=env, runner=runner, emit=emit, credentials=credentials) as found:
        found.check_login()
        asked = found.session.credentials_used is not None
    return LoggedIn(registry, keeper.keep(registry, login), asked)


def log_out(registry: str, *, env: Mapping[str, str], runner: Runner) -> bool:
    """Forget the credentials for `registry`; False where there were none. Raises OutputError, UsageError."""
    return CredentialStore(env, runner).forget(registry)


def registry_name(text: str) -> str:
    """A registry as people write it, as host[:port]; raises UsageError for what is none."""
    bare = re.sub(r"^https?://", "", text.strip(), flags=re.IGNORECASE).rstrip("/")
    bare = re.sub(r"/v[12]$", "", bare).lower()
    if bare in _HUB_NAMES:
        return DOCKER_HUB
    host, slash, _ = bare.partition("/")
    if slash:
        raise UsageError(f"{text!r} is not a registry but something in one", hint=f"log in to {host}")
    try:
        named = Reference.parse(f"{bare}/x").registry == bare
    except UsageError:
        named = False
    if not named:
        raise UsageError(f"{text!r} is not a registry", hint="name it by its host, such as ghcr.io or localhost:5000")
    return bare
