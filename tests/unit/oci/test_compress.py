from __future__ import annotations

import functools
import gzip
import io
import random
import threading
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargoship.errors import ContentInvalid, UsageError
from cargoship.oci.compress import Codec, Compression
from cargoship.oci.decompress import open_reader

_ALL = [Compression.parse(text) for text in ("gzip", "gzip:1", "gzip:9", "zstd", "zstd:1", "zstd:9", "none")]


@functools.cache
def sample(size_bytes: int = 11_000_000) -> bytes:
    """Half of it compressible, so that a codec's choices of blocks show."""
    source = random.Random(7)  # noqa: S311 - the same sample every time
    words = [source.randbytes(source.randrange(3, 40)) for _ in range(500)]
    out = bytearray()
    while len(out) < size_bytes:
        out += source.choice(words) if source.random() < 0.9 else source.randbytes(20)
    return bytes(out[:size_bytes])


def compressed(compression: Compression, data: bytes, *, threads: int | None = None, piece: int = 1 << 20) -> bytes:
    out = io.BytesIO()
    with compression.open_writer(out, threads=threads) as writer:
        for start in range(0, len(data), piece):
            writer.write(data[start : start + piece])
    return out.getvalue()


def expanded(data: bytes) -> bytes:
    with open_reader(io.BytesIO(data)) as stream:
        return stream.read()


@pytest.mark.parametrize(
    "compression",
    [pytest.param(each, marks=[pytest.mark.thorough] if each.level > 6 else [], id=str(each)) for each in _ALL],
)
def test_bytes_depend_neither_on_threads_nor_on_pieces(compression: Compression) -> None:
    data = sample()
    first = compressed(compression, data, threads=1)
    assert expanded(first) == data
    for threads, piece in ((1, 70_001), (2, 1 << 20), (3, len(data)), (7, 1_500_000), (None, 10_240)):
        assert compressed(compression, data, threads=threads, piece=piece) == first


def test_a_small_layer_starts_no_thread_that_has_to_be_waited_for() -> None:
    before = set(threading.enumerate())
    out = io.BytesIO()
    with Compression.parse("gzip").open_writer(out, threads=4) as writer:
        writer.write(b"small")
        assert set(threading.enumerate()) <= before
    assert set(threading.enumerate()) <= before
    assert gzip.decompress(out.getvalue()) == b"small"


@pytest.mark.parametrize("compression", _ALL, ids=str)
@pytest.mark.parametrize("size_bytes", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_sizes_around_a_block(compression: Compression, size_bytes: int) -> None:
    data = sample()[:size_bytes]
    one = compressed(compression, data, threads=1)
    assert compressed(compression, data, threads=4, piece=999_999) == one
    assert expanded(one) == data


@settings(max_examples=20, deadline=None)
@given(st.lists(st.binary(max_size=5000), max_size=30), st.sampled_from([Compression.parse("gzip"), _ALL[3]]))
def test_any_pieces(pieces: list[bytes], compression: Compression) -> None:
    out = io.BytesIO()
    with compression.open_writer(out, threads=2) as writer:
        for piece in pieces:
            writer.write(piece)
    assert out.getvalue() == compressed(compression, b"".join(pieces), threads=1)


def test_the_gzip_header_says_nothing_of_time_and_place() -> None:
    data = compressed(Compression.parse("gzip"), b"x")
    assert data[:8] == bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0])  # no flags: no name, no comment; no time
    assert gzip.decompress(data) == b"x"
    assert zlib.decompress(data, 31) == b"x"


class _FullError(Exception):
    pass


@pytest.mark.parametrize("compression", _ALL, ids=str)
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("room", [0, 1_000_000])
def test_an_error_of_the_output_reaches_the_caller(compression: Compression, threads: int, room: int) -> None:
    class Full:
        left = room

        def write(self, data: bytes, /) -> None:
            self.left -= len(data)
            if self.left < 0:
                raise _FullError

    def write() -> None:
        with compression.open_writer(Full(), threads=threads) as writer:
            for start in range(0, len(sample()), 1 << 20):
                writer.write(sample()[start : start + (1 << 20)])

    with pytest.raises(_FullError):
        write()


@pytest.mark.parametrize("compression", _ALL, ids=str)
def test_an_error_of_the_caller_is_the_callers(compression: Compression) -> None:
    def write() -> None:
        with compression.open_writer(io.BytesIO()) as writer:
            writer.write(sample())
            raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        write()
    assert threading.active_count() == before


@pytest.mark.parametrize("compression", [Compression.parse("gzip"), Compression.parse("zstd")], ids=str)
def test_damaged_data(compression: Compression) -> None:
    data = bytearray(compressed(compression, sample()[:100_000]))
    for damaged in (data[:-5], data[:50] + b"\0" * 8 + data[58:], data[: len(data) // 2]):
        with pytest.raises(ContentInvalid):
            expanded(bytes(damaged))


@pytest.mark.parametrize(
    "text", ["", "brotli", "gzip:0", "gzip:10", "zstd:20", "gzip:", "gzip:x", "none:3", "GZIP", "zstd:-1"]
)
def test_what_is_no_compression(text: str) -> None:
    with pytest.raises(UsageError):
        Compression.parse(text)


def test_labels_name_codec_level_and_library() -> None:
    assert Compression.parse("gzip").label.startswith("gzip-6 zlib-ng ")
    assert Compression.parse("zstd:9").label.startswith("zstd-9 libzstd 1.")
    assert Compression.parse("none").label == "none"
    assert [Compression.parse(str(each)) for each in _ALL] == _ALL
    assert Compression.of(Codec.ZSTD) == Compression(Codec.ZSTD, 3)
