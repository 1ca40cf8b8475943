"""Reading an archive that holds images: the same checks as for a folder, nothing is unpacked."""

from __future__ import annotations

import io
import posixpath
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from cargoship.errors import ContentInvalid
from cargoship.oci.layout_reader import LayoutFiles, open_regular

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_MEMBERS_MAX = 10_000
_HEADER_BYTES_MAX = 1 << 20
_LINKS_MAX = 8
_PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}
"""How packed files begin, and what unpacks them."""


class ArchiveFiles(LayoutFiles):
    """The regular files of a plain tar, each opened on a handle of its own.

    Raises ContentInvalid for what is none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[str, tuple[int, int]] = {}
        self._links: dict[str, str] = {}
        self._seen: set[str] = set()
        self._again: set[str] = set()
        try:
            with open_regular(path) as stream:
                _refuse_packed(path, stream)
                with tarfile.open(fileobj=_Bounded.of(stream), mode="r:") as archive:
                    for number, member in enumerate(archive):
                        if number >= _MEMBERS_MAX:
                            raise ContentInvalid(f"{path} has more than {_MEMBERS_MAX} entries")
                        self._take(member)
        except (tarfile.TarError, EOFError, ValueError) as error:
            raise ContentInvalid(f"{path} is not a tar archive: {error}") from error

    def _take(self, member: tarfile.TarInfo) -> None:
        # as engines do before they unpack it: what climbs or begins at the root is the same file
        name = _clean(member.name)
        if not member.isdir():
            (self._again if name in self._seen else self._seen).add(name)
        if member.isreg() and not member.issparse():
            self._places[name] = (member.offset_data, member.size)
        elif member.issym():
            self._links[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
        elif member.islnk():
            self._links[name] = _clean(member.linkname)

    def behind(self, name: str) -> str:
        """The name of the entry that a link in the archive leads to, or the name itself."""
        for _ in range(_LINKS_MAX):
            if name in self._places or name not in self._links:
                break
            name = self._links[name]
        return name

    def refuse_two(self, name: str) -> None:
        """Raise ContentInvalid where readers may take different files for an entry that no digest vouches for.

        Who unpacks the archive has the last of two, who reads it in place often the first.
        """
        for _ in range(_LINKS_MAX):
            if name in self._again:
                raise ContentInvalid(
                    f"{self._path} has {name} twice, of which each reader may take another", hint="save the image again"
                )
            folder = posixpath.dirname(name)
            while folder:
                if folder in self._links or folder in self._places:
                    raise ContentInvalid(f"{self._path} has {name} in what is no folder", hint="save the image again")
                folder = posixpath.dirname(folder)
            if name in self._places or name not in self._links:
                break
            name = self._links[name]

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


def _clean(name: str) -> str:
    """A name in an archive, as the path below the folder that it would be unpacked to."""
    return posixpath.normpath(f"/{name}").lstrip("/")


def _refuse_packed(path: Path, stream: BinaryIO) -> None:
    start = stream.read(8)
    stream.seek(0)
    for magic, program in _PACKED.items():
        if start.startswith(magic):
            raise ContentInvalid(
                f"{path} is packed with {program}, and is read in place", hint=f"unpack it first: {program} -dk {path}"
            )


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
