"""Reading an archive that holds an image layout: the same checks as for a folder, nothing is unpacked."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from cargoship.errors import ContentInvalid
from cargoship.oci.layout_reader import LayoutFiles, open_regular

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_MEMBERS_MAX = 10_000
_HEADER_BYTES_MAX = 1 << 20


class ArchiveFiles(LayoutFiles):
    """The regular files of a plain tar that holds an image layout, each opened on a handle of its own.

    Raises ContentInvalid for what is none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[str, tuple[int, int]] = {}
        try:
            with open_regular(path) as stream, tarfile.open(fileobj=_Bounded.of(stream), mode="r:") as archive:
                for number, member in enumerate(archive):
                    if number >= _MEMBERS_MAX:
                        raise ContentInvalid(f"{path} has more than {_MEMBERS_MAX} entries")
                    if member.isreg() and not member.issparse():
                        self._places[member.name.removeprefix("./")] = (member.offset_data, member.size)
        except (tarfile.TarError, EOFError, ValueError) as error:
            raise ContentInvalid(f"{path} is not a tar archive: {error}") from error
        if "oci-layout" not in self._places:
            raise ContentInvalid(
                f"{path} holds no image layout", hint="skopeo copy docker-archive:FILE oci-archive:NEW makes one of it"
            )

    def __str__(self) -> str:
        """The archive's path."""
        return str(self._path)

    def has(self, name: str) -> bool:
        """See `LayoutFiles.has`."""
        return name in self._places

    def open(self, name: str) -> BinaryIO:
        """See `LayoutFiles.open`."""
        place = self._places.get(name)
        if place is None:
            raise ContentInvalid(f"{self._path} has no {name}")
        return cast("BinaryIO", io.BufferedReader(_Section(open_regular(self._path), *place)))


class _Bounded:
    """A stream that refuses to read much at once: a tar's header may claim any length for itself."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.seek = stream.seek
        self.tell = stream.tell

    @classmethod
    def of(cls, stream: BinaryIO) -> BinaryIO:
        """The part of a stream that tarfile uses."""
        return cast("BinaryIO", cls(stream))

    def read(self, size: int = -1, /) -> bytes:
        if not 0 <= size <= _HEADER_BYTES_MAX:
            raise ContentInvalid(f"a header of the archive has {size} bytes")
        return self._stream.read(size)


class _Section(io.RawIOBase):
    """A part of a file as a stream of its own; closing it closes the file."""

    def __init__(self, file: BinaryIO, start: int, size_bytes: int) -> None:
        self._file = file
        self._start = start
        self._size_bytes = size_bytes
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size_bytes}[whence]
        self._position = max(0, origin + offset)
        return self._position

    def readinto(self, target: WriteableBuffer) -> int:
        buffer = memoryview(target).cast("B")
        wanted = max(0, min(len(buffer), self._size_bytes - self._position))
        self._file.seek(self._start + self._position)
        data = self._file.read(wanted)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
