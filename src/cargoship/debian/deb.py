"""A package's file: an ar archive with two tar archives in it, read without trust (deb(5), ar(5)).

Nothing of it is unpacked into a file system: what it holds are values, whose contents are read from one uncompressed
archive each, where and when they are needed.
"""

from __future__ import annotations

import enum
import hashlib
import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from msgspec import Struct

from cargoship.debian.unpack import SUFFIXES, decompressed
from cargoship.errors import ContentInvalid
from cargoship.oci.descriptor import Descriptor
from cargoship.oci.digest import Digest
from cargoship.oci.files import writing

_MAGIC = b"!<arch>\n"
_HEADER_BYTES = 60
_MEMBERS_MAX = 16
_DATA_BYTES_MAX = 8 << 30
_CONTROL_BYTES_MAX = 16 << 20
_FILES_MAX = 500_000
_CHUNK_BYTES = 1 << 20
# the longest header that tarfile is to read at once: names and pax records of honest packages are far shorter
_HEADERS_BYTES_MAX = 1 << 20
_PATH_BYTES_MAX = 4096
_TAR_FAULTS = (tarfile.TarError, ValueError, OverflowError, EOFError, UnicodeError, IndexError, RecursionError)


class MemberKind(enum.Enum):
    """What a member is."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    SAME = "same"
    """A hard link to an earlier file of the package."""


class Member(Struct, frozen=True):
    """Something that a package holds: `path` is relative, without `.` or `..`."""

    path: str
    kind: MemberKind
    mode: int
    uid: int = 0
    gid: int = 0
    link: str = ""
    content: Slice | None = None


@dataclass(frozen=True)
class Slice:
    """A file's content inside of an uncompressed archive: a blob."""

    descriptor: Descriptor
    archive: Path = field(repr=False)
    offset: int = field(repr=False)

    def open(self) -> BinaryIO:
        """See `Blob.open`; raises OSError."""
        stream = self.archive.open("rb")
        return cast("BinaryIO", io.BufferedReader(_Part(stream, self.offset, self.descriptor.size_bytes), _CHUNK_BYTES))


class Deb(Struct, frozen=True):
    """What a package's file holds: its control files by name, and its members in the archive's order."""

    control: dict[str, bytes]
    members: tuple[Member, ...]


def read_deb(path: Path, *, scratch: Path, what: str) -> Deb:
    """Read a package's file; its data is unpacked into the file `scratch`, which must outlive the answer.

    Raises ContentInvalid for what is no package or leaves its root, OutputError.
    """
    control: dict[str, bytes] | None = None
    with path.open("rb") as stream:
        for name, part in _ar(stream, what):
            stem, _, suffix = name.partition(".tar")
            if stem not in {"control", "data"} or ".tar" not in name or suffix not in SUFFIXES:
                if name == "debian-binary" or name.startswith("_"):
                    continue
                raise ContentInvalid(f"{what} has a part {name[:80]!r}, which is not known")
            if stem == "control":
                limit = _CONTROL_BYTES_MAX
                data = b"".join(decompressed(part, suffix, limit_bytes=limit, what=f"{what}: {name}"))
                control = _control(data, what)
                continue
            if control is None:
                break
            with writing(scratch), scratch.open("wb") as out:
                for piece in decompressed(part, suffix, limit_bytes=_DATA_BYTES_MAX, what=f"{what}: {name}"):
                    out.write(piece)
            return Deb(control, tuple(_members(scratch, what)))
    raise ContentInvalid(f"{what} lacks its control or data archive")


def _ar(stream: BinaryIO, what: str) -> Iterator[tuple[str, _Part]]:
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    if stream.read(len(_MAGIC)) != _MAGIC:
        raise ContentInvalid(f"{what} is not a package's file")
    at = len(_MAGIC)
    for _ in range(_MEMBERS_MAX):
        stream.seek(at)
        header = stream.read(_HEADER_BYTES)
        if not header.strip():
            return
        text = header[48:58].strip()
        if len(header) < _HEADER_BYTES or header[58:] != b"`\n" or not text.isdigit():
            raise ContentInvalid(f"{what} has a damaged header")
        length = int(text)
        at += _HEADER_BYTES
        if at + length > size:
            raise ContentInvalid(f"{what} is shorter than its headers say")
        yield header[:16].decode("ascii", "replace").rstrip().rstrip("/"), _Part(stream, at, length, own=False)
        at += length + length % 2


class _Part(io.RawIOBase):
    """A part of a stream, as a stream; `own`: the stream is closed with it."""

    def __init__(self, stream: BinaryIO, offset: int, size_bytes: int, *, own: bool = True) -> None:
        super().__init__()
        self._stream = stream
        self._left = size_bytes
        self._own = own
        stream.seek(offset)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override] # io passes nothing else
        wanted = min(len(buffer), self._left)
        data = self._stream.read(wanted)
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)

    def close(self) -> None:
        if self._own:
            self._stream.close()
        super().close()


class _Careful:
    """An archive for tarfile, which reads headers of any length into memory; contents are not read through this."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def read(self, size: int = -1, /) -> bytes:
        if not 0 <= size <= _HEADERS_BYTES_MAX:
            raise ValueError("a header is too long")
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()


def _control(data: bytes, what: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for info in archive:
                if info.isreg() and not info.issparse() and 0 <= info.offset_data <= len(data) - info.size:
                    found[info.name.removeprefix("./")] = data[info.offset_data : info.offset_data + info.size]
    except _TAR_FAULTS as error:
        raise ContentInvalid(f"{what}: its control archive is damaged: {error}") from error
    if "control" not in found:
        raise ContentInvalid(f"{what} has no control file")
    return found


def _members(archive_path: Path, what: str) -> Iterator[Member]:
    count = 0
    with archive_path.open("rb") as stream, archive_path.open("rb") as content:
        size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        try:
            with tarfile.open(fileobj=cast("BinaryIO", _Careful(stream)), mode="r:") as archive:
                for info in archive:
                    # tarfile keeps all that it has seen
                    archive.members = []  # type: ignore[attr-defined]  # typeshed hides it
                    count += 1
                    if count > _FILES_MAX:
                        raise ContentInvalid(f"{what} holds more than {_FILES_MAX} files")
                    path = _inside(info.name, what)
                    if path:
                        yield _member(info, path, archive_path, content, size, what)
        except _TAR_FAULTS as error:
            raise ContentInvalid(f"{what}: its data archive is damaged: {error}") from error


def _member(info: tarfile.TarInfo, path: str, archive: Path, content: BinaryIO, size: int, what: str) -> Member:
    mode = info.mode & 0o7777
    if info.uid < 0 or info.gid < 0:
        raise ContentInvalid(f"{what}: {path} has an owner below 0")
    if info.isdir():
        return Member(path, MemberKind.FOLDER, mode, info.uid, info.gid)
    if info.issym():
        if not info.linkname or "\0" in info.linkname:
            raise ContentInvalid(f"{what}: {path} is a link to nothing")
        return Member(path, MemberKind.LINK, 0o777, info.uid, info.gid, info.linkname)
    if info.islnk():
        return Member(path, MemberKind.SAME, mode, info.uid, info.gid, _inside(info.linkname, what))
    if not info.isreg() or info.issparse():
        raise ContentInvalid(f"{what}: {path} is neither a file nor a folder nor a link")
    if info.size < 0 or info.offset_data + info.size > size:
        raise ContentInvalid(f"{what}: {path} ends behind the archive")
    content.seek(info.offset_data)
    sha256 = hashlib.sha256()
    left = info.size
    while left:
        piece = content.read(min(left, _CHUNK_BYTES))
        if not piece:
            raise ContentInvalid(f"{what}: {path} ends behind the archive")
        sha256.update(piece)
        left -= len(piece)
    descriptor = Descriptor("", Digest(sha256.hexdigest()), info.size)
    return Member(path, MemberKind.FILE, mode, info.uid, info.gid, "", Slice(descriptor, archive, info.offset_data))


def _inside(name: str, what: str) -> str:
    """A member's path, relative and confined; empty for the root. Raises ContentInvalid."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if ".." in parts or "\0" in name or len(name) > _PATH_BYTES_MAX:
        raise ContentInvalid(f"{what} has a path that leaves its root: {name[:200]!r}")
    return "/".join(parts)
