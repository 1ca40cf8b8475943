"""The client that a user's environment leads to: real connections, docker's and podman's credentials."""

from __future__ import annotations

import importlib
import os
from collections.abc import Collection, Mapping

from cargoship.events import Emit
from cargoship.process import Runner
from cargoship.registry.budget import DEFAULT_TOTAL_S, Budget
from cargoship.registry.certificates import certificates_of
from cargoship.registry.client import Access, RegistryClient
from cargoship.registry.credentials import ConfigFiles, Credentials
from cargoship.registry.exchange import Transport
from cargoship.version import __version__

_INSECURE = "CARGOSHIP_INSECURE_REGISTRIES"


def connect(
    registry: str,
    *,
    env: Mapping[str, str],
    runner: Runner,
    emit: Emit,
    access: Access = Access.PULL,
    insecure: Collection[str] | None = None,
    total_s: float = DEFAULT_TOTAL_S,
    credentials: Credentials | None = None,
) -> RegistryClient:
    """A client of `registry` (host[:port]); nothing is sent before it is used.

    `env` names configuration files, proxies and certificates, and is what credential helpers get. `insecure` are
    the hosts to speak plain http to, besides loopback ones (default: what `env` names). `total_s` is how long all
    of it may take. `credentials` stand in for those of the configuration files. Close the client, or use it as a
    context.
    """
    return RegistryClient(
        registry,
        credentials=credentials or ConfigFiles(env, runner, emit, user_id=user_id()),
        transport=open_transport(env),
        emit=emit,
        access=access,
        insecure=insecure_hosts(env) if insecure is None else insecure,
        budget=Budget(total_s),
        # who keeps certificates for a host does not mean plain http
        secure=certificates_of(registry, env) is not None,
    )


def open_transport(env: Mapping[str, str]) -> Transport:
    """Real connections, which `env` gives proxies and certificates."""
    from cargoship.registry.transport import HttpTransport  # noqa: PLC0415 - loads httpx2, see its docstring

    return HttpTransport(env=env, agent=f"cargoship/{__version__}")


def user_id() -> int | None:
    """The number by which podman names a user's folder; None where there are no such numbers."""
    return os.getuid() if hasattr(os, "getuid") else None


def warm() -> None:
    """Import what `connect` needs, about 0.1 s; made to be called in a thread beside other work."""
    importlib.import_module("cargoship.registry.transport")
    # httpx2 loads this half of itself at the first connection only
    importlib.import_module("httpcore2")


def insecure_hosts(env: Mapping[str, str]) -> frozenset[str]:
    """The hosts (host or host:port, separated by commas or spaces) that CARGOSHIP_INSECURE_REGISTRIES names."""
    return frozenset(env.get(_INSECURE, "").replace(",", " ").split())
