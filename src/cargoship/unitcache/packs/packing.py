"""Writing packs: units are compressed in threads, frames are put one after the other in the order of the units.

A library holds a copy of its own metadata, which also lies beside it; long distance matching finds such copies as far
as the window reaches. So a unit takes two thirds of what its files take in a compressed archive of everything.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from cargoship.errors import CacheUnavailable, ContentInvalid, NotPackable
from cargoship.oci.digest import Digest
from cargoship.oci.zstd import CompressionParameter, ZstdCompressor
from cargoship.unitcache.packs.frame import (
    CONTENT,
    FRAME_BYTES_MAX,
    UNIT_BYTES_MAX,
    FileKind,
    FileRecord,
    content_size,
    write_head,
)
from cargoship.unitcache.packs.index import UnitEntry
from cargoship.unitcache.packs.memory import MemoryLimit
from cargoship.unitcache.packs.pack import PACK_BYTES, Pack, PackWriter, Placed, UnitFile

_LEVEL = 3
_WINDOW_LOG = 24
"""16 MiB: each thread keeps the memory for the largest window that it has needed. Frames are read with up to 64."""
_MEMORY_BYTES = 32 << 20
"""For the windows of all units that are compressed at a time."""
_CHUNK_BYTES = 1 << 20
_WAITING_MAX = 2
"""Units that may be in memory, compressed or about to be, for each thread."""


@contextlib.contextmanager
def frame_writer(scratch: Path, *, pack_bytes: int = PACK_BYTES) -> Iterator[FrameWriter]:
    """Write frames that exist already into packs, in the folder `scratch`."""
    writer = FrameWriter(scratch, pack_bytes=pack_bytes)
    try:
        yield writer
    finally:
        writer.abandon()


@contextlib.contextmanager
def pack_writer(scratch: Path, *, threads: int = 2, pack_bytes: int = PACK_BYTES) -> Iterator[PackWriter]:
    """Write packs into the folder `scratch`; files that were not finished are gone afterwards."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="pack")
    writer = _Writer(scratch, pool, waiting_max=threads * _WAITING_MAX, pack_bytes=pack_bytes)
    try:
        yield writer
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        writer.abandon()


@dataclass
class _Open:
    """A pack that still grows."""

    path: Path
    stream: BinaryIO
    sha256: hashlib._Hash = field(default_factory=hashlib.sha256)
    size: int = 0
    frames: list[tuple[Digest, _Frame]] = field(default_factory=list)


@dataclass(frozen=True)
class _Frame:
    data: tuple[bytes, ...] = field(repr=False)
    length: int
    digest: Digest
    unpacked: int


class FrameWriter:
    """Puts frames one after the other, and cuts packs."""

    def __init__(self, scratch: Path, *, pack_bytes: int) -> None:
        self._scratch = scratch
        self._pack_bytes = pack_bytes
        self._open: _Open | None = None
        self._packs: list[Pack] = []

    def add_frame(self, entry: UnitEntry, data: bytes) -> None:
        """Take a frame as it is, with what an index says of it. Raises OSError."""
        self._append(entry.key, _Frame((data,), entry.length, entry.frame, entry.unpacked))

    def close(self) -> tuple[Pack, ...]:
        """See PackWriter."""
        if self._open is not None:
            self._complete(self._open)
        return tuple(self._packs)

    def abandon(self) -> None:
        """Remove a pack that was not completed."""
        if self._open is not None:
            self._open.stream.close()
            self._open.path.unlink(missing_ok=True)
            self._open = None

    def _append(self, key: Digest, frame: _Frame) -> None:
        pack = self._open or self._begin()
        for piece in frame.data:
            pack.stream.write(piece)
            pack.sha256.update(piece)
        # what was written need not stay in memory
        pack.frames.append((key, replace(frame, data=())))
        pack.size += frame.length
        if pack.size >= self._pack_bytes:
            self._complete(pack)

    def _begin(self) -> _Open:
        self._scratch.mkdir(parents=True, exist_ok=True)
        path = self._scratch / f"{os.getpid()}-{secrets.token_hex(8)}.pack"
        self._open = _Open(path, path.open("xb"))
        return self._open

    def _complete(self, pack: _Open) -> None:
        pack.stream.close()
        self._open = None
        digest = Digest(pack.sha256.hexdigest())
        placed, offset = [], 0
        for key, frame in pack.frames:
            placed.append(Placed(key, digest, offset, frame.length, frame.digest, frame.unpacked))
            offset += frame.length
        self._packs.append(Pack(pack.path, digest, pack.size, tuple(placed)))


class _Writer(FrameWriter):
    """See PackWriter."""

    def __init__(self, scratch: Path, pool: ThreadPoolExecutor, *, waiting_max: int, pack_bytes: int) -> None:
        super().__init__(scratch, pack_bytes=pack_bytes)
        self._pool = pool
        self._waiting_max = waiting_max
        self._room = MemoryLimit(_MEMORY_BYTES)
        self._waiting: deque[tuple[Digest, Future[_Frame]]] = deque()
        self._keys: set[Digest] = set()
        self._given = 0
        self._refused: dict[Digest, str] = {}

    @property
    def refused(self) -> dict[Digest, str]:
        """See PackWriter."""
        return self._refused

    def add(self, key: Digest, files: Sequence[UnitFile]) -> None:
        """See PackWriter."""
        if key in self._keys:
            return
        self._keys.add(key)
        while len(self._waiting) >= self._waiting_max:
            self._place_next()
        self._waiting.append((key, self._pool.submit(compress_unit, tuple(files), self._room)))

    def done(self) -> tuple[Pack, ...]:
        """See PackWriter."""
        while self._waiting and self._waiting[0][1].done():
            self._place_next()
        given, self._given = self._given, len(self._packs)
        return tuple(self._packs[given:])

    def close(self) -> tuple[Pack, ...]:
        """See PackWriter."""
        while self._waiting:
            self._place_next()
        with self._writing():
            return super().close()

    def _place_next(self) -> None:
        key, future = self._waiting.popleft()
        try:
            frame = future.result()
        except NotPackable as error:
            self._refused[key] = error.message
            return
        with self._writing():
            self._append(key, frame)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise CacheUnavailable(f"cannot write {self._scratch}: {error.strerror or error}") from error


def compress_unit(files: Sequence[UnitFile], room: MemoryLimit) -> _Frame:
    """A unit's frame, made when there is room for its window; raises NotPackable."""
    try:
        rows, sources = _rows(sorted(files, key=_order))
        head = write_head(rows)
        unpacked = len(head) + content_size(rows)
        if unpacked > UNIT_BYTES_MAX:
            raise NotPackable(f"it has {unpacked} bytes, where {UNIT_BYTES_MAX} fit")
        with room.taken(min(unpacked, 1 << _WINDOW_LOG)):
            return _compressed(head, rows, sources, unpacked)
    except ContentInvalid as error:
        raise NotPackable(error.message) from error
    except OSError as error:
        raise NotPackable(f"{error.filename}: {error.strerror or error}") from error


def _order(file: UnitFile) -> tuple[bool, str]:
    """Metadata comes first, for the library that follows begins with the same: so near that any window finds it."""
    return not file.path.endswith(".rmeta"), file.path


def _compressed(head: bytes, rows: Sequence[FileRecord], sources: Sequence[Path | bytes], unpacked: int) -> _Frame:
    compressor = ZstdCompressor(
        options={
            CompressionParameter.compression_level: _LEVEL,
            CompressionParameter.enable_long_distance_matching: 1,
            CompressionParameter.window_log: _WINDOW_LOG,
        }
    )
    # the window need not be larger than the unit then, for the reader either
    compressor.set_pledged_input_size(unpacked)
    sha256, pieces, length = hashlib.sha256(), [], 0

    def keep(piece: bytes) -> None:
        nonlocal length
        if piece:
            sha256.update(piece)
            pieces.append(piece)
            length += len(piece)
            if length > FRAME_BYTES_MAX:
                raise NotPackable(f"it has more than {FRAME_BYTES_MAX} bytes when compressed")

    keep(compressor.compress(head))
    for row, source in zip(rows, sources, strict=True):
        if row.kind in CONTENT:
            for chunk in _content(row, source):
                keep(compressor.compress(chunk))
    keep(compressor.flush(ZstdCompressor.FLUSH_FRAME))
    return _Frame(tuple(pieces), length, Digest(sha256.hexdigest()), unpacked)


def _content(row: FileRecord, source: Path | bytes) -> Iterator[bytes]:
    """Exactly as much as the row says, in pieces that are cut in the same places each time."""
    if isinstance(source, bytes):
        yield source
        return
    left = row.size
    with source.open("rb", buffering=0) as stream:
        while left and (chunk := stream.read(min(left, _CHUNK_BYTES))):
            left -= len(chunk)
            yield chunk
        if left or stream.read(1):
            raise NotPackable(f"{source} changed while it was read")


def _rows(files: Sequence[UnitFile]) -> tuple[list[FileRecord], list[Path | bytes]]:
    rows: list[FileRecord] = []
    seen: dict[tuple[int, int], str] = {}
    for file in files:
        if isinstance(file.source, bytes):
            rows.append(FileRecord(file.path, FileKind.FILE, len(file.source)))
            continue
        status = file.source.lstat()
        if stat.S_ISLNK(status.st_mode):
            rows.append(FileRecord(file.path, FileKind.LINK, target=_link(file.path, file.source)))
        elif stat.S_ISDIR(status.st_mode):
            rows.append(FileRecord(file.path, FileKind.FOLDER))
        elif not stat.S_ISREG(status.st_mode):
            raise NotPackable(f"{file.source} is no file, folder or link")
        elif (first := seen.setdefault((status.st_dev, status.st_ino), file.path)) != file.path:
            rows.append(FileRecord(file.path, FileKind.SAME, target=first))
        else:
            kind = FileKind.PROGRAM if status.st_mode & stat.S_IXUSR else FileKind.FILE
            rows.append(FileRecord(file.path, kind, status.st_size))
    return rows, [file.source for file in files]


def _link(path: str, source: Path) -> str:
    """Where a symbolic link leads, as seen from its own place if it names a file of the build directory in full."""
    target = str(source.readlink())
    place = str(source)
    if target.startswith("/") and place.endswith(f"/{path}"):
        root = place.removesuffix(path)
        if target.startswith(root):
            return os.path.relpath(target.removeprefix(root), os.path.dirname(path) or ".")  # noqa: PTH120 - text only
    return target
