"""A client for container registries (distribution-spec). `connect` puts its parts together for a user's machine."""

from __future__ import annotations

from cargoship.registry.client import RegistryClient
from cargoship.registry.connect import connect, insecure_hosts, warm
from cargoship.registry.options import Access
from cargoship.registry.pull import FoundImage, RemoteIndex, fetch_index
from cargoship.registry.push import Published, push_index

__all__ = [
    "Access",
    "FoundImage",
    "Published",
    "RegistryClient",
    "RemoteIndex",
    "connect",
    "fetch_index",
    "insecure_hosts",
    "push_index",
    "warm",
]
