"""Compressed data of untrusted origin, in pieces, with its size bounded."""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol, cast

from cargoship.errors import ContentInvalid

_CHUNK_BYTES = 1 << 20
# what the largest preset of xz needs is 65 MiB
_XZ_MEMORY_BYTES = 256 << 20


class _Reader(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def feed(self, data: bytes) -> bytes:
        """At most a chunk of what comes out; what goes in is kept until it is all used."""
        ...

    @property
    def hungry(self) -> bool: ...


class _Xz:
    def __init__(self) -> None:
        self._inner = lzma.LZMADecompressor(lzma.FORMAT_AUTO, memlimit=_XZ_MEMORY_BYTES)

    def feed(self, data: bytes) -> bytes:
        return self._inner.decompress(data, _CHUNK_BYTES)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def hungry(self) -> bool:
        return self._inner.needs_input


class _Gzip:
    def __init__(self) -> None:
        self._inner = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._full = False

    def feed(self, data: bytes) -> bytes:
        found = self._inner.decompress(self._inner.unconsumed_tail + data, _CHUNK_BYTES)
        self._full = len(found) == _CHUNK_BYTES
        return found

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def hungry(self) -> bool:
        return not self._full


_KINDS: dict[str, Callable[[], _Decompressor]] = {".xz": _Xz, ".lzma": _Xz, ".gz": _Gzip}
SUFFIXES: tuple[str, ...] = ("", ".xz", ".gz", ".zst", ".lzma")


def decompressed(stream: _Reader, suffix: str, *, limit_bytes: int, what: str) -> Iterator[bytes]:
    """What is in a stream that is compressed as its name's suffix says (`SUFFIXES`); raises ContentInvalid."""
    size_bytes = 0
    try:
        for piece in _pieces(stream, suffix):
            size_bytes += len(piece)
            if size_bytes > limit_bytes:
                raise ContentInvalid(f"{what} is larger than {limit_bytes} bytes when it is unpacked")
            yield piece
    except (lzma.LZMAError, zlib.error, EOFError, _zstd_error()) as error:
        raise ContentInvalid(f"{what} cannot be unpacked: {error}") from error


def _pieces(stream: _Reader, suffix: str) -> Iterator[bytes]:
    if suffix == ".zst":
        return _read(cast("_Reader", _zstd_file(stream)))
    return _streams(stream, _KINDS[suffix]) if suffix else _read(stream)


def _read(stream: _Reader) -> Iterator[bytes]:
    while piece := stream.read(_CHUNK_BYTES):
        yield piece


def _streams(stream: _Reader, make: Callable[[], _Decompressor]) -> Iterator[bytes]:
    """Streams that follow one another; padding after one of xz is zeros."""
    data = stream.read(_CHUNK_BYTES)
    while data:
        inner = make()
        while not inner.eof:
            yield inner.feed(data)
            data = b""
            if inner.hungry and not inner.eof:
                data = stream.read(_CHUNK_BYTES)
                if not data:
                    raise EOFError("it ends too early")
        data = inner.unused_data.lstrip(b"\0") or stream.read(_CHUNK_BYTES).lstrip(b"\0")


def _zstd_file(stream: _Reader) -> object:
    from cargoship.oci.zstd import ZstdFile  # noqa: PLC0415 - loaded when used

    return ZstdFile(cast("BinaryIO", stream))


def _zstd_error() -> type[Exception]:
    from cargoship.oci.zstd import ZstdError  # noqa: PLC0415 - loaded when used

    return ZstdError
