"""Compression of layers, with bytes that depend on the input, the level and the library's version alone.

Input is cut into blocks of one size before a codec sees it, so neither the number of threads nor the size of the
caller's writes can be known from the output. Codecs are imported when they are used: a warm build needs none.
"""

from __future__ import annotations

import contextlib
import enum
import os
import struct
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import assert_never

from msgspec import Struct

from cargoship.errors import UsageError
from cargoship.oci.descriptor import MediaType
from cargoship.oci.files import Writer

COMPRESSION_ANNOTATION = "dev.cargoship.compression"
"""What every image that cargoship has made is annotated with."""
_BLOCK_BYTES = 1 << 20
# libzstd derives its default from level and window; a fixed size keeps the bytes independent of such choices.
_ZSTD_JOB_BYTES = 4 << 20
_THREADS_MAX = 8
_DEFLATE_WINDOW_BYTES = 1 << 15
_DEFLATE_END = b"\x03\x00"
"""An empty last block: the pieces before it say that more will come."""
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00"
"""Deflate, no name and no time (RFC 1952 section 2.3)."""
_GZIP_EFFORTS = {1: b"\x04", 9: b"\x02"}
_GZIP_UNKNOWN_SYSTEM = b"\xff"


class Codec(enum.StrEnum):
    """How a layer is compressed."""

    GZIP = "gzip"
    ZSTD = "zstd"
    NONE = "none"


class _Levels(Struct, frozen=True):
    lowest: int
    default: int
    highest: int


_LEVELS = {Codec.GZIP: _Levels(1, 6, 9), Codec.ZSTD: _Levels(1, 3, 19), Codec.NONE: _Levels(0, 0, 0)}
_MEDIA_TYPES = {
    Codec.GZIP: MediaType.OCI_LAYER_GZIP,
    Codec.ZSTD: MediaType.OCI_LAYER_ZSTD,
    Codec.NONE: MediaType.OCI_LAYER,
}


class Compression(Struct, frozen=True):
    """A codec and its level (`none` has the level 0); raises UsageError for a level that the codec has not."""

    codec: Codec
    level: int

    def __post_init__(self) -> None:
        """Check the level."""
        levels = _LEVELS[self.codec]
        if not levels.lowest <= self.level <= levels.highest:
            raise UsageError(
                f"{self.codec.value} has no level {self.level}",
                hint="it has none" if self.codec is Codec.NONE else f"use {levels.lowest} to {levels.highest}",
            )

    @classmethod
    def of(cls, codec: Codec, level: int | None = None) -> Compression:
        """A codec at the given level, or at its usual one."""
        return cls(codec, _LEVELS[codec].default if level is None else level)

    @classmethod
    def parse(cls, text: str) -> Compression:
        """Parse `gzip`, `zstd`, `none`, or a codec with its level such as `zstd:9`; raises UsageError."""
        name, colon, level = text.partition(":")
        if name not in {codec.value for codec in Codec} or (colon and not (level.isascii() and level.isdigit())):
            raise UsageError(
                f"compression {text!r} is not known", hint="use gzip, zstd or none, with a level if need be: zstd:9"
            )
        return cls.of(Codec(name), int(level) if colon else None)

    @property
    def media_type(self) -> MediaType:
        """The media type of a layer that is compressed so."""
        return _MEDIA_TYPES[self.codec]

    def annotations(self) -> dict[str, str]:
        """What cargoship annotates its images with, to say how their layers were compressed."""
        return {COMPRESSION_ANNOTATION: self.label}

    @property
    def label(self) -> str:
        """Codec, level and library, such as `gzip-6 zlib-ng 1.1.0 blocks`: with the same label come the same bytes."""
        match self.codec:
            case Codec.GZIP:
                import zlib_ng  # noqa: PLC0415 - loaded when used

                return f"gzip-{self.level} zlib-ng {zlib_ng.__version__} blocks"
            case Codec.ZSTD:
                from cargoship.oci.zstd import zstd_version  # noqa: PLC0415 - loaded when used

                return f"zstd-{self.level} libzstd {zstd_version}"
            case Codec.NONE:
                return "none"
            case _:
                assert_never(self.codec)

    def __str__(self) -> str:
        """As `parse` reads it."""
        return self.codec.value if self.codec is Codec.NONE else f"{self.codec.value}:{self.level}"

    @contextlib.contextmanager
    def open_writer(self, raw: Writer, *, threads: int | None = None) -> Iterator[Writer]:
        """A writer that compresses into `raw`; the stream is complete when the block ends without an error.

        `threads` is the number of worker threads (default: one for each processor, at most 8); it changes the
        speed and nothing else. `raw` is called from the caller's thread.
        """
        workers = _processors() if threads is None else threads
        opened: contextlib.AbstractContextManager[Writer]
        match self.codec:
            case Codec.GZIP:
                opened = _gzip(raw, self.level, workers)
            case Codec.ZSTD:
                opened = _zstd(raw, self.level, workers)
            case Codec.NONE:
                opened = contextlib.nullcontext(raw)
            case _:
                assert_never(self.codec)
        with opened as writer:
            blocks = _Blocks(writer)
            yield blocks
            blocks.finish()


def _processors() -> int:
    return max(1, min(_THREADS_MAX, os.cpu_count() or 1))


class _Blocks:
    """Cuts what is written into blocks of `_BLOCK_BYTES`; the last one is shorter."""

    def __init__(self, out: Writer) -> None:
        self._out = out
        self._pending = bytearray()

    def write(self, data: bytes, /) -> int:
        if not self._pending and len(data) == _BLOCK_BYTES:
            self._out.write(data)
            return len(data)
        self._pending += data
        if len(self._pending) >= _BLOCK_BYTES:
            whole = len(self._pending) - len(self._pending) % _BLOCK_BYTES
            for start in range(0, whole, _BLOCK_BYTES):
                self._out.write(bytes(self._pending[start : start + _BLOCK_BYTES]))
            del self._pending[:whole]
        return len(data)

    def finish(self) -> None:
        if self._pending:
            self._out.write(bytes(self._pending))
            self._pending.clear()


class _Piece(Struct, frozen=True):
    """A block, deflated; `crc` is of its content."""

    data: bytes
    crc: int
    content_bytes: int


class _Gzip:
    """A gzip member of pieces that end at a byte (RFC 1951 section 3.2.4).

    Each block is compressed by itself, with the end of the one before as its dictionary, so that any number of threads
    makes the same bytes.
    """

    def __init__(self, raw: Writer, level: int, threads: int) -> None:
        self._raw = raw
        self._level = level
        self._threads = max(1, threads)
        self._pool: ThreadPoolExecutor | None = None
        self._coming: deque[Future[_Piece]] = deque()
        self._before = b""
        self._crc = 0
        self._bytes = 0
        raw.write(_GZIP_HEADER + _GZIP_EFFORTS.get(level, b"\x00") + _GZIP_UNKNOWN_SYSTEM)

    def write(self, data: bytes, /) -> int:
        if self._pool is None and len(data) < _BLOCK_BYTES:
            # the only block: a thread would cost more than it saves
            self._out(_deflate(self._level, data, self._before))
            return len(data)
        self._pool = self._pool or ThreadPoolExecutor(self._threads)
        self._coming.append(self._pool.submit(_deflate, self._level, data, self._before))
        self._before = data[-_DEFLATE_WINDOW_BYTES:]
        # as many are under way as there are threads, and as many more wait, so that none of them is idle
        while len(self._coming) > 2 * self._threads or (self._coming and self._coming[0].done()):
            self._out(self._coming.popleft().result())
        return len(data)

    def finish(self) -> None:
        while self._coming:
            self._out(self._coming.popleft().result())
        self._raw.write(_DEFLATE_END + struct.pack("<II", self._crc, self._bytes & 0xFFFFFFFF))

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _out(self, piece: _Piece) -> None:
        from zlib_ng import zlib_ng  # noqa: PLC0415 - loaded when used

        self._raw.write(piece.data)
        self._crc = zlib_ng.crc32_combine(self._crc, piece.crc, piece.content_bytes)
        self._bytes += piece.content_bytes


def _deflate(level: int, data: bytes, before: bytes) -> _Piece:
    from zlib_ng import zlib_ng  # noqa: PLC0415 - loaded when used

    compressor = zlib_ng.compressobj(level, zlib_ng.DEFLATED, -15, zdict=before)
    return _Piece(compressor.compress(data) + compressor.flush(zlib_ng.Z_SYNC_FLUSH), zlib_ng.crc32(data), len(data))


@contextlib.contextmanager
def _gzip(raw: Writer, level: int, threads: int) -> Iterator[Writer]:
    with contextlib.closing(_Gzip(raw, level, threads)) as writer:
        yield writer
        writer.finish()


class _Zstd:
    def __init__(self, raw: Writer, level: int, threads: int) -> None:
        from cargoship.oci.zstd import CompressionParameter, ZstdCompressor  # noqa: PLC0415 - loaded when used

        self._raw = raw
        self._compressor = ZstdCompressor(
            options={
                CompressionParameter.compression_level: level,
                # without workers libzstd takes another path, with other bytes
                CompressionParameter.nb_workers: max(1, threads),
                CompressionParameter.job_size: _ZSTD_JOB_BYTES,
                CompressionParameter.checksum_flag: 1,
            }
        )

    def write(self, data: bytes, /) -> int:
        if piece := self._compressor.compress(data):
            self._raw.write(piece)
        return len(data)

    def finish(self) -> None:
        self._raw.write(self._compressor.flush())


@contextlib.contextmanager
def _zstd(raw: Writer, level: int, threads: int) -> Iterator[Writer]:
    writer = _Zstd(raw, level, threads)
    yield writer
    writer.finish()
