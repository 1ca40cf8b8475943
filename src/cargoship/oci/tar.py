"""Tar archives whose bytes depend on their entries alone (image-spec, layer.md; POSIX.1-2001 ustar and pax).

Entries are sorted, every parent folder is explicit, owners are numbers without names, one time stands for all.
An entry is ustar where it fits; a pax header comes before it only for a name or size that ustar cannot hold.
"""

from __future__ import annotations

import enum
import hashlib
import io
import os
import re
import stat
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from cargoship.errors import ContentInvalid, IncludeInvalid
from cargoship.oci.descriptor import Blob
from cargoship.oci.digest import Digest
from cargoship.oci.files import Writer

_CHUNK_BYTES = 1 << 20
_MODE_MAX = 0o7777
_NO_PATH = re.compile(r"(^|/)\.{0,2}(/|\Z)|\0")  # an empty part, . or ..
_WHITEOUT = re.compile(r"(^|/)\.wh\.")  # image-spec, layer.md, "Whiteouts"

# Folders that have other rights than 0755 wherever they exist. A layer that puts a file into one of them must
# not take those rights away from the layer below.
_WELL_KNOWN = {"tmp": 0o1777, "var/tmp": 0o1777, "root": 0o700}


class EntryKind(enum.Enum):
    """What an entry is in the file system."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"


Source = Path | bytes | Blob


@dataclass(frozen=True)
class Entry:
    """One thing in a layer.

    `path` is relative, with slashes, and never leaves the root. `mode` holds permission bits alone. A file has a
    `source`: a path that is read when the archive is written, bytes, or a blob whose digest is then checked. A
    symlink has a `link`, kept as it is. Raises IncludeInvalid for a path that an image cannot hold.
    """

    path: str
    kind: EntryKind
    mode: int
    source: Source | None = field(default=None, repr=False)
    link: str | None = None
    uid: int = 0
    gid: int = 0

    def __post_init__(self) -> None:
        """Refuse what no image can hold."""
        if _NO_PATH.search(self.path):
            raise IncludeInvalid(f"{self.path!r} is not a path inside an image")
        if _WHITEOUT.search(self.path):
            raise IncludeInvalid(
                f"{self.path!r} cannot be in an image: names that begin with .wh. mean deletion there",
                hint="rename the file",
            )
        try:
            f"{self.path}{self.link or ''}".encode()
        except UnicodeEncodeError as error:
            raise IncludeInvalid(f"{self.path!r} is not UTF-8", hint="rename the file") from error
        if not 0 <= self.mode <= _MODE_MAX or self.uid < 0 or self.gid < 0:
            raise IncludeInvalid(f"{self.path}: mode {self.mode:o} or owner {self.uid}:{self.gid} is out of range")
        if (self.source is not None) != (self.kind is EntryKind.FILE):
            raise IncludeInvalid(f"{self.path}: a file, and nothing else, has a content")
        if (self.link is not None) != (self.kind is EntryKind.SYMLINK) or self.link == "" or "\0" in (self.link or ""):
            raise IncludeInvalid(f"{self.path}: a symlink, and nothing else, has a target")

    @classmethod
    def file(cls, path: str, source: Source, mode: int = 0o644, uid: int = 0, gid: int = 0) -> Entry:
        """A file; a `source` that is a symlink is followed."""
        return cls(path, EntryKind.FILE, mode, source=source, uid=uid, gid=gid)

    @classmethod
    def directory(cls, path: str, mode: int = 0o755, uid: int = 0, gid: int = 0) -> Entry:
        """A folder; its parents need not be given."""
        return cls(path, EntryKind.DIRECTORY, mode, uid=uid, gid=gid)

    @classmethod
    def symlink(cls, path: str, link: str, uid: int = 0, gid: int = 0) -> Entry:
        """A symbolic link to `link`."""
        return cls(path, EntryKind.SYMLINK, 0o777, link=link, uid=uid, gid=gid)

    @property
    def size_bytes(self) -> int:
        """Size of the content now; raises IncludeInvalid when its file cannot be read."""
        match self.source:
            case None:
                return 0
            case bytes():
                return len(self.source)
            case Path():
                return file_status(self.path, self.source).st_size
            case _:
                return self.source.descriptor.size_bytes


def file_status(path: str, source: Path) -> os.stat_result:
    """Status of the regular file behind an entry (symlinks followed); raises IncludeInvalid."""
    try:
        status = source.stat()
    except OSError as error:
        raise IncludeInvalid(f"{source} (for /{path}) cannot be read: {os.strerror(error.errno or 0)}") from error
    if not stat.S_ISREG(status.st_mode):
        raise IncludeInvalid(f"{source} (for /{path}) is not a regular file")
    return status


def arrange(entries: Iterable[Entry], *, below: Iterable[Entry] = ()) -> tuple[Entry, ...]:
    """Sort entries, add the parents that are missing, and drop repetitions.

    A missing parent belongs to root and has the mode 0755, unless `below` has it: folders of the layers below, which
    keep their owners and rights. Raises IncludeInvalid when one path is to be two different things, or lies below
    something that is no folder.
    """
    found: dict[str, Entry] = {}
    for entry in entries:
        other = found.setdefault(entry.path, entry)
        if other is not entry and not _same(other, entry):
            raise IncludeInvalid(
                f"/{entry.path} would be in the image twice, with different contents",
                hint="leave one of them out, or give it another place",
            )
    known = {entry.path: entry for entry in below if entry.kind is EntryKind.DIRECTORY}
    for path in list(found):
        parent, _, _ = path.rpartition("/")
        while parent:
            above = found.get(parent)
            if above is not None and above.kind is not EntryKind.DIRECTORY:
                raise IncludeInvalid(f"/{path} cannot be in the image: /{parent} is a {above.kind.value} there")
            if above is not None:
                break  # its own parents come with it
            found[parent] = known.get(parent) or Entry.directory(parent, _WELL_KNOWN.get(parent, 0o755))
            parent, _, _ = parent.rpartition("/")
    # Code points sort as UTF-8 bytes do, and a parent is a prefix of its children, so it comes first.
    return tuple(found[path] for path in sorted(found))


def _same(one: Entry, other: Entry) -> bool:
    if (one.kind, one.mode, one.link, one.uid, one.gid) != (other.kind, other.mode, other.link, other.uid, other.gid):
        return False
    if one.source == other.source:
        return True
    return one.size_bytes == other.size_bytes and _content_digest(one) == _content_digest(other)


def _content_digest(entry: Entry) -> Digest:
    with _content(entry) as (stream, _):
        return Digest.of_stream(stream)[0]


def write_tar(entries: Iterable[Entry], out: Writer, *, epoch: int) -> None:
    """Write an archive to `out`; `epoch` is every entry's time, in seconds.

    Files are read in pieces. Raises IncludeInvalid for entries that do not go together or cannot be read,
    ContentInvalid for a file that changes meanwhile or a blob that is not what its descriptor says.
    """
    with tarfile.TarFile(fileobj=cast("BinaryIO", _Out(out)), mode="w", copybufsize=_CHUNK_BYTES) as archive:
        for entry in arrange(entries):
            if entry.kind is EntryKind.FILE:
                with _content(entry) as (stream, size_bytes):
                    _add(archive, entry, epoch, size_bytes, stream)
            else:
                _add(archive, entry, epoch, 0, None)


_TYPES = {EntryKind.FILE: tarfile.REGTYPE, EntryKind.DIRECTORY: tarfile.DIRTYPE, EntryKind.SYMLINK: tarfile.SYMTYPE}


def _add(archive: tarfile.TarFile, entry: Entry, epoch: int, size_bytes: int, content: BinaryIO | None) -> None:
    info = tarfile.TarInfo(entry.path)
    info.type = _TYPES[entry.kind]
    info.mode = entry.mode
    info.uid, info.gid = entry.uid, entry.gid
    info.mtime = epoch
    info.size = size_bytes
    info.linkname = entry.link or ""
    archive.format = tarfile.USTAR_FORMAT
    try:
        info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")
    except ValueError:  # too long, too large, or not ASCII
        archive.format = tarfile.PAX_FORMAT
    archive.addfile(info, None if content is None else _Whole(content, entry.path))


@contextmanager
def _content(entry: Entry) -> Iterator[tuple[BinaryIO, int]]:
    """The entry's content and size; when the block ends, the content is known to be what was promised."""
    source = entry.source
    match source:
        case None:
            raise IncludeInvalid(f"/{entry.path} has no content")
        case bytes():
            yield io.BytesIO(source), len(source)
        case Path():
            file_status(entry.path, source)
            try:
                stream = source.open("rb")
            except OSError as error:
                raise IncludeInvalid(f"{source} cannot be read: {os.strerror(error.errno or 0)}") from error
            with stream:
                before = os.fstat(stream.fileno())
                yield stream, before.st_size
                after = os.fstat(stream.fileno())
            if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
                raise ContentInvalid(f"{source} changed while it was read", hint="run the command again")
        case _:
            with source.open() as opened:
                reader = _HashingReader(opened)
                yield cast("BinaryIO", reader), source.descriptor.size_bytes
            if reader.sha256.hexdigest() != source.descriptor.digest.hex:
                raise ContentInvalid(f"blob {source.descriptor.digest} has other contents than its digest says")


class _Whole:
    """Reads as much as it is asked for, whatever pieces the stream comes in."""

    def __init__(self, stream: BinaryIO, path: str) -> None:
        self._stream = stream
        self._path = path

    def read(self, size: int = 0, /) -> bytes:
        data = self._stream.read(size)
        while len(data) < size:
            piece = self._stream.read(size - len(data))
            if not piece:
                raise ContentInvalid(f"the content of /{self._path} is shorter than it was said to be")
            data += piece
        return data


class _HashingReader:
    """Passes a stream on and hashes what was read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.sha256 = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        self.sha256.update(data)
        return data


class _Out:
    """A writer that knows how much it was given, which is all that TarFile asks of a file."""

    def __init__(self, out: Writer) -> None:
        self._out = out
        self._position = 0

    def write(self, data: bytes, /) -> int:
        self._out.write(data)
        self._position += len(data)
        return len(data)

    def tell(self) -> int:
        return self._position
