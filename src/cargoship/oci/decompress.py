"""Reading back what is compressed, in pieces."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, cast

from cargoship.errors import ContentInvalid

_GZIP = b"\x1f\x8b"
_GZIP_WINDOW = 16 + 15
_IN_BYTES = 64 * 1024
_OUT_BYTES = 256 * 1024
_FOREIGN = {b"\xfd7zX": "xz", b"BZh": "bzip2"}
_ZSTD = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = tuple(bytes([0x50 + number]) + b"\x2a\x4d\x18" for number in range(16))
"""How frames of zstd begin that hold nothing (RFC 8878, 3.1.2)."""


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
        from zlib_ng import zlib_ng  # noqa: PLC0415 - loaded when used

        failures: tuple[type[Exception], ...] = (OSError, EOFError, cast("type[Exception]", zlib_ng.error))
        stream = cast(
            "BinaryIO", io.BufferedReader(_Members(whole, lambda: zlib_ng.decompressobj(_GZIP_WINDOW)), _OUT_BYTES)
        )
    elif start.startswith(_ZSTD):
        from cargoship.oci.zstd import ZstdError, ZstdFile  # noqa: PLC0415 - loaded when used

        failures = (ZstdError, EOFError)
        stream = cast("BinaryIO", ZstdFile(whole))
    elif start.startswith(_SKIPPABLE):
        raise ContentInvalid(
            "a layer begins with a frame of zstd that holds nothing, as pzstd writes it: podman does not unpack it",
            hint="push the image again with a tool that packs layers by gzip, or by zstd itself",
        )
    else:
        for sign, name in _FOREIGN.items():
            if start.startswith(sign):
                raise ContentInvalid(
                    f"a layer is packed by {name}, as no layer should be: containerd does not unpack it",
                    hint="push the image again with a tool that packs layers by gzip or zstd",
                )
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


class _Members(io.RawIOBase):
    """What is inside the members of gzip (RFC 1952, 2.2), one after the other.

    Nothing else may follow them: engines read by Go's rules, which take no padding of zeros as gzip itself does.
    """

    def __init__(self, packed: BinaryIO, inflater: Callable[[], Any]) -> None:
        super().__init__()
        self._packed = packed
        self._make = inflater
        self._inflater = inflater()
        self._is_begun = False
        self._data = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override] # io passes nothing else
        while True:
            self._data = self._data or self._packed.read(_IN_BYTES)
            if not self._data:
                if self._is_begun:
                    raise EOFError("it ends too early")
                return 0
            if not self._is_begun and not self._data.startswith(_GZIP[: len(self._data)]):
                raise OSError("something else follows what is compressed")
            self._is_begun = True
            out: bytes = self._inflater.decompress(self._data, len(buffer))
            if self._inflater.eof:
                self._data = self._inflater.unused_data
                self._inflater, self._is_begun = self._make(), False
            else:
                self._data = self._inflater.unconsumed_tail
            if out:
                buffer[: len(out)] = out
                return len(out)
