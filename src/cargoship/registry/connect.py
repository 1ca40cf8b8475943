"""The client that a user's environment leads to: real connections, docker's and podman's credentials."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from dataclasses import replace

from cargoship.events import Emit
from cargoship.http.budget import Budget
from cargoship.http.certificates import certificates_of
from cargoship.http.exchange import Transport
from cargoship.http.metered import Meter, Metered
from cargoship.http.retry import RetryPolicy
from cargoship.process import Runner
from cargoship.registry.auth.credentials import ConfigFiles, Credentials
from cargoship.registry.client import RegistryClient
from cargoship.registry.mirrors.client import MirroredClient
from cargoship.registry.mirrors.files import read_mirrors
from cargoship.registry.options import Access, ClientOptions
from cargoship.version import __version__

_INSECURE = "CARGOSHIP_INSECURE_REGISTRIES"
_MIRROR_PATIENCE = RetryPolicy(tries=2, connection_tries=1, asked_longest_s=2.0)
_MIRROR_WAITS_S = (5.0, 20.0)
"""Seconds for a connection to a mirror, and for the next piece of what it gives: the registry is there too."""


def connect(
    registry: str,
    *,
    env: Mapping[str, str],
    runner: Runner,
    emit: Emit,
    access: Access = Access.PULL,
    credentials: Credentials | None = None,
) -> RegistryClient:
    """A client of `registry` (host[:port]); nothing is sent before it is used.

    `env` names configuration files, proxies, certificates, and hosts to speak plain http to besides loopback ones; it
    is what credential helpers get. `credentials` stand in for those of the configuration files. A client that only
    reads asks the mirrors first that `env` and the configuration name. Close the client, or use it as a context. Raises
    UsageError for a variable that cannot be read.
    """
    settings = read_mirrors(env, emit)
    own = credentials or ConfigFiles(env, runner, emit, user_id=user_id())
    plain = settings.plain | insecure_hosts(env)

    def options(host: str, budget: Budget, waits_s: tuple[float, float] | None = None) -> ClientOptions:
        return ClientOptions(
            credentials=own,
            transport=open_transport(env, waits_s, meter=Meter(emit, "registry")),
            emit=emit,
            access=access,
            insecure=plain,
            budget=budget,
            # who keeps certificates for a host does not mean plain http
            secure=certificates_of(host, env) is not None,
        )

    def open_mirror(host: str, budget: Budget) -> RegistryClient:
        return RegistryClient(host, replace(options(host, budget, _MIRROR_WAITS_S), retry_policy=_MIRROR_PATIENCE))

    made = options(registry, Budget())
    # what is written goes to the registry, and who writes wants to know what is there
    if access is Access.PULL and settings.mirrors.concern(registry):
        return MirroredClient(registry, made, mirrors=settings.mirrors, open_mirror=open_mirror)
    return RegistryClient(registry, made)


def open_transport(
    env: Mapping[str, str], waits_s: tuple[float, float] | None = None, *, meter: Meter | None = None
) -> Transport:
    """Real connections, which `env` gives proxies and certificates.

    `waits_s` are the seconds for a connection, and for the next piece of a transfer. `meter` hears what travels.
    """
    from cargoship.http.transport import HttpTransport, Timeouts  # noqa: PLC0415 - loads httpcore2, see its docstring

    timeouts = None if waits_s is None else Timeouts(*waits_s)
    transport = HttpTransport(env=env, timeouts=timeouts, agent=f"cargoship/{__version__}")
    return transport if meter is None else Metered(transport, meter)


def user_id() -> int | None:
    """The number by which podman names a user's folder; None where there are no such numbers."""
    return os.getuid() if hasattr(os, "getuid") else None


def warm() -> None:
    """Import what `connect` needs, some 50 ms; made to be called in a thread beside other work."""
    importlib.import_module("cargoship.http.transport")


def insecure_hosts(env: Mapping[str, str]) -> frozenset[str]:
    """The hosts (host or host:port, separated by commas or spaces) that CARGOSHIP_INSECURE_REGISTRIES names."""
    return frozenset(env.get(_INSECURE, "").lower().replace(",", " ").split())
