"""Tar archives whose bytes depend on their entries alone (image-spec, layer.md; POSIX.1-2001 ustar and pax).

Entries are sorted, every parent folder is explicit, owners are numbers without names, one time stands for all.
An entry is ustar where it fits; a pax header comes before it only for a name or size that ustar cannot hold.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from cargoship.errors import ContentInvalid, IncludeInvalid
from cargoship.oci.digest import Algorithm, Digest, Hashing
from cargoship.oci.entry import EntryKind, LayerEntry, file_status
from cargoship.oci.files import Writer

__all__ = ["EntryKind", "LayerEntry", "arrange", "write_tar"]

_CHUNK_BYTES = 1 << 20

# Folders that have other rights than 0755 wherever they exist. A layer that puts a file into one of them must
# not take those rights away from the layer below.
_WELL_KNOWN = {"tmp": 0o1777, "var/tmp": 0o1777, "root": 0o700}


def arrange(entries: Iterable[LayerEntry], *, below: Iterable[LayerEntry] = ()) -> tuple[LayerEntry, ...]:
    """Sort entries, add the parents that are missing, and drop repetitions.

    A missing parent belongs to root and has the mode 0755, unless `below` has it: folders of the layers below, which
    keep their owners and rights. Raises IncludeInvalid when one path is to be two different things, or lies below
    something that is no folder.
    """
    found: dict[str, LayerEntry] = {}
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
            found[parent] = known.get(parent) or LayerEntry.directory(parent, _WELL_KNOWN.get(parent, 0o755))
            parent, _, _ = parent.rpartition("/")
    # Code points sort as UTF-8 bytes do, and a parent is a prefix of its children, so it comes first.
    return tuple(found[path] for path in sorted(found))


def _same(one: LayerEntry, other: LayerEntry) -> bool:
    if (one.kind, one.mode, one.link, one.uid, one.gid) != (other.kind, other.mode, other.link, other.uid, other.gid):
        return False
    if one.source == other.source:
        return True
    return one.size_bytes == other.size_bytes and _content_digest(one) == _content_digest(other)


def _content_digest(entry: LayerEntry) -> Digest:
    with _content(entry) as (stream, _):
        return Digest.of_stream(stream)[0]


def write_tar(entries: Iterable[LayerEntry], out: Writer, *, epoch: int) -> None:
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


def _add(archive: tarfile.TarFile, entry: LayerEntry, epoch: int, size_bytes: int, content: BinaryIO | None) -> None:
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
def _content(entry: LayerEntry) -> Iterator[tuple[BinaryIO, int]]:
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
                reader = _HashingReader(opened, source.descriptor.digest.algorithm)
                yield cast("BinaryIO", reader), source.descriptor.size_bytes
            if reader.hashing.digest != source.descriptor.digest:
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

    def __init__(self, stream: BinaryIO, algorithm: Algorithm) -> None:
        self._stream = stream
        self.hashing = Hashing(algorithm)

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        self.hashing.update(data)
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
