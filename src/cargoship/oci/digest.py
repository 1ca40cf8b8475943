"""Content digests (image-spec, descriptor.md, "Digests")."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import BinaryIO

from cargoship.errors import ContentInvalid

_PATTERN = re.compile(r"sha256:([0-9a-f]{64})")
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, order=True)
class Digest:
    """A sha256 digest; the only algorithm that registries agree on."""

    hex: str

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Parse `sha256:<64 lower-case hex digits>`; raises ContentInvalid."""
        match = _PATTERN.fullmatch(text)
        if match is None:
            raise ContentInvalid(f"{text!r} is not a sha256 digest")
        return cls(match[1])

    @classmethod
    def of(cls, data: bytes) -> Digest:
        """Digest of bytes in memory."""
        return cls(hashlib.sha256(data).hexdigest())

    @classmethod
    def of_stream(cls, stream: BinaryIO) -> tuple[Digest, int]:
        """Digest and length in bytes of what is left in a stream, read in pieces."""
        sha = hashlib.sha256()
        size_bytes = 0
        while chunk := stream.read(_CHUNK_BYTES):
            sha.update(chunk)
            size_bytes += len(chunk)
        return cls(sha.hexdigest()), size_bytes

    @property
    def short(self) -> str:
        """Twelve digits, for people."""
        return self.hex[:12]

    def __str__(self) -> str:
        """`sha256:<hex>`."""
        return "sha256:" + self.hex
