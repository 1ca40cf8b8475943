"""Content digests (image-spec, descriptor.md, "Digests" and "Registered Algorithms")."""

from __future__ import annotations

import hashlib
import re
from typing import BinaryIO, Final, Literal, get_args

from msgspec import Struct

from cargoship.errors import ContentInvalid

Algorithm = Literal["sha256", "sha512"]
SHA256: Final = "sha256"
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
"""The first is that of everything that is made here."""

_DIGESTS: dict[Algorithm, re.Pattern[str]] = {
    "sha256": re.compile(r"sha256:([0-9a-f]{64})"),
    "sha512": re.compile(r"sha512:([0-9a-f]{128})"),
}
_OTHERS = re.compile(r"sha384:[0-9a-f]{96}|blake3:[0-9a-f]{64}")
_CHUNK_BYTES = 1 << 20


class Hashing:
    """Content on its way: hashed and counted in pieces."""

    def __init__(self, algorithm: Algorithm = SHA256) -> None:
        self._algorithm = algorithm
        self._hash = hashlib.new(algorithm)
        self.size_bytes = 0

    def update(self, data: bytes | memoryview, /) -> None:
        """The next piece."""
        self._hash.update(data)
        self.size_bytes += len(data)

    @property
    def digest(self) -> Digest:
        """Digest of what has come so far."""
        return Digest(self._hash.hexdigest(), self._algorithm)


class Digest(Struct, frozen=True, order=True):
    """A digest by one of the registered algorithms; sha256 where nothing else is said, as registries agree on it."""

    hex: str
    algorithm: Algorithm = SHA256

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Parse `sha256:<64 lower-case hex digits>` or `sha512:<128 of them>`; raises ContentInvalid."""
        for algorithm, pattern in _DIGESTS.items():
            if (match := pattern.fullmatch(text)) is not None:
                return cls(match[1], algorithm)
        if is_of_another_kind(text):
            kind = text.partition(":")[0]
            raise ContentInvalid(f"{text!r} is a digest by {kind}: cargoship checks content by sha256 and sha512 alone")
        kind = text.partition(":")[0]
        raise ContentInvalid(f"{text!r} is not a {kind if kind in ALGORITHMS else SHA256} digest")

    @classmethod
    def of(cls, data: bytes, algorithm: Algorithm = SHA256) -> Digest:
        """Digest of bytes in memory."""
        return cls(hashlib.new(algorithm, data).hexdigest(), algorithm)

    @classmethod
    def of_stream(cls, stream: BinaryIO, algorithm: Algorithm = SHA256) -> tuple[Digest, int]:
        """Digest and length in bytes of what is left in a stream, read in pieces."""
        hashing = Hashing(algorithm)
        while chunk := stream.read(_CHUNK_BYTES):
            hashing.update(chunk)
        return hashing.digest, hashing.size_bytes

    def names(self, data: bytes) -> bool:
        """Whether it is the digest of these bytes."""
        return Digest.of(data, self.algorithm) == self

    @property
    def short(self) -> str:
        """Twelve digits, for people."""
        return self.hex[:12]

    @property
    def brief(self) -> str:
        """The algorithm and twelve digits, for people."""
        return f"{self.algorithm}:{self.short}"

    def __str__(self) -> str:
        """`sha256:<hex>`."""
        return f"{self.algorithm}:{self.hex}"


def contradicts(said: str | None, digest: Digest) -> bool:
    """Whether a server that names content `said` means another one.

    A digest by another algorithm says nothing, nor does what is no digest: skopeo looks at none of them.
    """
    try:
        found = Digest.parse(said or "")
    except ContentInvalid:
        return False
    return found.algorithm == digest.algorithm and found != digest


def is_of_another_kind(text: str) -> bool:
    """Whether a text is a digest by an algorithm that is not known here."""
    return _OTHERS.fullmatch(text) is not None
