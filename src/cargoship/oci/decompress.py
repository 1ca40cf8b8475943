"""Reading back what is compressed, in pieces."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import BinaryIO, cast

from cargoship.errors import ContentInvalid

_GZIP = b"\x1f\x8b"
_ZSTD = (b"\x28\xb5\x2f\xfd", *(bytes([0x50 + number]) + b"\x2a\x4d\x18" for number in range(16)))
"""Its frames, and those that may be passed over (RFC 8878, 3.1.2)."""


@contextlib.contextmanager
def open_reader(raw: BinaryIO) -> Iterator[BinaryIO]:
    """What is inside a layer, which its first bytes say: engines do not trust its media type either.

    A plain archive is passed on as it is. Damaged data raises ContentInvalid while the block runs.
    """
    start = raw.read(4)
    while len(start) < 4 and (more := raw.read(4 - len(start))):  # noqa: PLR2004 - bytes of the longest sign
        start += more
    whole = cast("BinaryIO", io.BufferedReader(_Rejoined(start, raw)))
    if start.startswith(_GZIP):
        from zlib_ng import gzip_ng, zlib_ng  # noqa: PLC0415 - loaded when used

        failures: tuple[type[Exception], ...] = (OSError, EOFError, cast("type[Exception]", zlib_ng.error))
        stream = cast("BinaryIO", gzip_ng.open(whole, "rb"))  # type: ignore[no-untyped-call]
    elif start.startswith(_ZSTD):
        from cargoship.oci.zstd import ZstdError, ZstdFile  # noqa: PLC0415 - loaded when used

        failures = (ZstdError, EOFError)
        stream = cast("BinaryIO", ZstdFile(whole))
    else:
        yield whole
        return
    try:
        with stream:
            yield stream
    except failures as error:
        raise ContentInvalid(f"a layer cannot be decompressed: {error}") from error


class _Rejoined(io.RawIOBase):
    """A stream whose beginning was read already; closing it leaves the stream open."""

    def __init__(self, start: bytes, rest: BinaryIO) -> None:
        super().__init__()
        self._start = start
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override] # io passes nothing else
        data = self._start[: len(buffer)] or self._rest.read(len(buffer))
        self._start = self._start[len(data) :]
        buffer[: len(data)] = data
        return len(data)
