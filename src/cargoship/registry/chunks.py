"""How blobs are cut for their upload. Pure."""

from __future__ import annotations

import re

from msgspec import Struct

_WHOLE_ONLY = re.compile(r"(?:[a-z0-9.-]+\.)?(?:gcr\.io|pkg\.dev)|ghcr\.io")
"""Google's registries take no chunks (Artifact Registry's documentation on pushing: monolithic uploads only), GitHub's
none above 4 MiB (wasmCloud/wash-archive#268), and the whole."""
_PIECE_S = 5.0
"""What a cut may cost."""
_GROWTH_MAX = 4.0
"""One piece that went well says little of one that is much larger."""


class Chunks(Struct, frozen=True):
    """Blobs up to `whole_bytes` go in one request, larger ones in pieces of `chunk_bytes` at first.

    What a cut or an expired token costs is at most a piece. What a piece costs is a round trip, and that registries see
    to it that it is on their disk: on a fast line many small ones take twice as long as the whole. So pieces grow to
    what goes through in some seconds, at most to `grown_bytes`; None: they stay as they are.
    """

    whole_bytes: int = 64 << 20
    chunk_bytes: int = 32 << 20
    grown_bytes: int | None = None

    def after(self, size_bytes: int, seconds: float) -> int:
        """How large the piece is that follows one of this size, which took so long."""
        if self.grown_bytes is None:
            return self.chunk_bytes
        fitting = size_bytes * min(_PIECE_S / max(seconds, 1e-3), _GROWTH_MAX)
        return max(self.chunk_bytes, min(int(fitting), self.grown_bytes))


STANDARD = Chunks(grown_bytes=512 << 20)


def takes_chunks(registry: str) -> bool:
    """False for registries that are known to take blobs in one piece only."""
    return _WHOLE_ONLY.fullmatch(registry) is None
