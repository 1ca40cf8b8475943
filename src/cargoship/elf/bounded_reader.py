"""A file that can be read only so much: what a damaged or hostile one makes its reader do stays bounded."""

from __future__ import annotations

import io
from typing import BinaryIO


class ReadLimitExceeded(Exception):
    """More was read than a file of this kind gives reason to."""


class BoundedReader(io.RawIOBase):
    """Passes reads on until `bytes_max` bytes or `reads_max` reads are used up; then raises ReadLimitExceeded.

    A seek to where no file can be, and a read of more than the file has, raise it too: the numbers come from the
    file itself.
    """

    def __init__(self, stream: BinaryIO, *, bytes_max: int = 32 << 20, reads_max: int = 100_000) -> None:
        super().__init__()
        self._stream = stream
        self._bytes_left = bytes_max
        self._reads_left = reads_max
        self._size_bytes = stream.seek(0, io.SEEK_END)
        self._stream.seek(0)

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """See `io.IOBase.seek`; raises ReadLimitExceeded."""
        if whence == io.SEEK_SET and not 0 <= offset <= self._size_bytes:
            raise ReadLimitExceeded(f"it points to byte {offset}, and has {self._size_bytes}")
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """See `io.IOBase.tell`."""
        return self._stream.tell()

    def read(self, size: int = -1, /) -> bytes:
        """See `io.RawIOBase.read`; raises ReadLimitExceeded."""
        if size < 0 or size > self._size_bytes:
            raise ReadLimitExceeded(f"it wants {size} bytes read, and has {self._size_bytes}")
        data = self._stream.read(size)
        self._bytes_left -= len(data)
        self._reads_left -= 1
        if self._bytes_left < 0 or self._reads_left < 0:
            raise ReadLimitExceeded("its tables are larger than those of any program")
        return data
