"""A client for container registries (distribution-spec). `connect` puts its parts together for a user's machine."""

from __future__ import annotations

from cargoship.registry.client import Access, RegistryClient
from cargoship.registry.connect import connect, insecure_hosts, warm
from cargoship.registry.pull import RemoteImage, RemoteIndex, fetch_index
from cargoship.registry.push import Published, push_index

__all__ = [
    "Access",
    "Published",
    "RegistryClient",
    "RemoteImage",
    "RemoteIndex",
    "connect",
    "fetch_index",
    "insecure_hosts",
    "push_index",
    "warm",
]
