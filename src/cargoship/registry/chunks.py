"""How blobs are cut for their upload. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_WHOLE_ONLY = re.compile(r"(?:[a-z0-9.-]+\.)?(?:gcr\.io|pkg\.dev)")
"""Google's registries take no chunks (Artifact Registry's documentation on pushing: monolithic uploads only)."""


@dataclass(frozen=True)
class Chunks:
    """Blobs up to `whole_bytes` go in one request, larger ones in pieces of `chunk_bytes`.

    What a cut or an expired token costs is at most a chunk; what a chunk costs is one round trip.
    """

    whole_bytes: int = 64 << 20
    chunk_bytes: int = 32 << 20


def takes_chunks(registry: str) -> bool:
    """False for registries that are known to take blobs in one piece only."""
    return _WHOLE_ONLY.fullmatch(registry) is None
