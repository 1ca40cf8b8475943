"""A content-addressed folder of blobs, and a memo of which inputs led to which blob.

    <root>/sha256/<hex>     blobs; a file here is whole, for it got its name when it was complete
    <root>/sha512/<hex>     the same, for blobs of others that are named so
    <root>/memo/<hex>       one small JSON file for each remembered input
    <root>/tmp/             unfinished files

Several processes may use one store at once, and any of them may be killed at any time.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec
from msgspec import Struct

from cargoship.decoding import Undecodable, decode_json
from cargoship.errors import ContentInvalid
from cargoship.oci.descriptor import Descriptor, FileBlob
from cargoship.oci.digest import ALGORITHMS, SHA256, Algorithm, Digest, Hashing
from cargoship.oci.files import sweep, writing

_CHUNK_BYTES = 1 << 20
# A writer touches its unfinished file all the time; one that is older than this has lost its process.
_SECOND_NS = 1_000_000_000
_MEMO_BYTES_MAX = 4096

_DigestText = Annotated[str, msgspec.Meta(pattern="^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$", max_length=135)]


class Memo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an input led to: the blob's digest and size, and the digest of its uncompressed content."""

    digest: _DigestText
    size_bytes: int
    diff_id: _DigestText


class BlobWriter:
    """An unfinished blob: hashes what is written to it."""

    def __init__(self, stream: BinaryIO, path: Path, algorithm: Algorithm) -> None:
        self._stream = stream
        self._hashing = Hashing(algorithm)
        self.path = path

    def write(self, data: bytes, /) -> int:
        """Append; raises OutputError."""
        with writing(self.path):
            self._stream.write(data)
        self._hashing.update(data)
        return len(data)

    @property
    def digest(self) -> Digest:
        """Digest of what was written so far."""
        return self._hashing.digest

    @property
    def size_bytes(self) -> int:
        """How much was written so far."""
        return self._hashing.size_bytes

    @property
    def started_ns(self) -> int:
        """When this blob was begun or last written to, by the file system's clock, in nanoseconds."""
        return os.fstat(self._stream.fileno()).st_mtime_ns

    def flush(self) -> None:
        """Hand everything to the operating system; raises OutputError."""
        with writing(self.path):
            self._stream.flush()


class BlobStore(Struct, frozen=True):
    """The folder `root`; it is made when something is put into it.

    One that `is_shared` serves all projects of a machine: of its blobs a layout gets copies, which are checked. With a
    name of its own for the same file, who changes it in one project's layout would change the images of all.
    """

    root: Path
    is_shared: bool = False

    def path(self, digest: Digest) -> Path:
        """Where the blob is, or would be."""
        return self.root / digest.algorithm / digest.hex

    def find(self, descriptor: Descriptor) -> FileBlob | None:
        """The blob, if the store has it with the right size; it counts as used now."""
        path = self.path(descriptor.digest)
        try:
            size_bytes = path.stat().st_size
        except OSError:
            return None
        if size_bytes != descriptor.size_bytes:
            return None
        with contextlib.suppress(OSError):  # somebody else's store, which is not pruned here either
            os.utime(path)
        return FileBlob(descriptor, path, self.is_shared)

    @contextlib.contextmanager
    def writer(self, algorithm: Algorithm = SHA256) -> Iterator[BlobWriter]:
        """An unfinished blob for `commit`; it is removed when the block ends without one. Raises OutputError."""
        folder = self.root / "tmp"
        path = folder / f"{os.getpid()}-{secrets.token_hex(8)}"
        with writing(self.root):
            folder.mkdir(parents=True, exist_ok=True)
            stream = path.open("xb")
        try:
            writer = BlobWriter(stream, path, algorithm)
            sweep(folder, writer.started_ns)
            yield writer
        finally:
            try:
                with writing(path):
                    stream.close()  # writes what was not written yet, once more where that has failed
            finally:
                with contextlib.suppress(OSError):
                    path.unlink()

    def commit(self, writer: BlobWriter, media_type: str) -> FileBlob:
        """Give a finished blob its name; raises OutputError."""
        descriptor = Descriptor(media_type, writer.digest, writer.size_bytes)
        return FileBlob(descriptor, self._place(writer, self.path(descriptor.digest)), self.is_shared)

    @staticmethod
    def _place(writer: BlobWriter, path: Path) -> Path:
        writer.flush()
        with writing(path, temporary=writer.path):
            path.parent.mkdir(parents=True, exist_ok=True)
            writer.path.replace(path)
        return path

    def add_stream(self, descriptor: Descriptor, stream: BinaryIO) -> FileBlob:
        """Store what a stream holds, if it is what the descriptor says.

        Never reads further than one piece past the promised size. Raises ContentInvalid, OutputError.
        """
        if (found := self.find(descriptor)) is not None:
            return found
        with self.writer(descriptor.digest.algorithm) as writer:
            while chunk := stream.read(_CHUNK_BYTES):
                writer.write(chunk)
                if writer.size_bytes > descriptor.size_bytes:
                    break
            if (writer.digest, writer.size_bytes) != (descriptor.digest, descriptor.size_bytes):
                raise ContentInvalid(
                    f"blob {descriptor.digest} is not what was promised: "
                    f"{writer.size_bytes} bytes of {descriptor.size_bytes}, digest {writer.digest}"
                )
            return FileBlob(descriptor, self.commit(writer, descriptor.media_type).path, self.is_shared)

    def add_bytes(self, media_type: str, data: bytes, algorithm: Algorithm = SHA256) -> FileBlob:
        """Store a small blob; raises OutputError."""
        with self.writer(algorithm) as writer:
            writer.write(data)
            return self.commit(writer, media_type)

    def recall(self, key: str) -> Memo | None:
        """What an input led to, if that is known; a damaged memo is none."""
        try:
            with (self.root / "memo" / key).open("rb") as stream:
                return decode_json(stream.read(_MEMO_BYTES_MAX), Memo)
        except (OSError, Undecodable):
            return None

    def remember(self, key: str, memo: Memo) -> None:
        """Keep what an input led to; raises OutputError."""
        with self.writer() as writer:
            writer.write(msgspec.json.encode(memo))
            self._place(writer, self.root / "memo" / key)

    def prune(self, *, idle_s: int = 7 * 24 * 3600) -> int:
        """Remove blobs that nobody has made or found for `idle_s` seconds, and memos that lead to none.

        Returns how many bytes went; raises OutputError.
        """
        if not self.root.is_dir():
            return 0
        freed_bytes = 0
        with self.writer() as clock, writing(self.root):
            for path in self.idle(clock.started_ns - idle_s * _SECOND_NS):
                with contextlib.suppress(FileNotFoundError):  # another run prunes too
                    size_bytes = path.stat().st_size
                    path.unlink()
                    freed_bytes += size_bytes if path.parent.name in ALGORITHMS else 0
        return freed_bytes

    def idle(self, since_ns: int) -> list[Path]:
        """Blobs that nobody has made or found since then, nanoseconds since 1970, and memos that lead to none but them.

        Raises OSError.
        """
        blobs: list[Path] = []
        kept = set()
        for file in (file for algorithm in ALGORITHMS for file in _files(self.root / algorithm)):
            with contextlib.suppress(FileNotFoundError):
                if file.stat().st_mtime_ns < since_ns:
                    blobs.append(Path(file.path))
                else:
                    kept.add(file.name)
        memos = []
        for file in _files(self.root / "memo") if blobs else ():
            memo = self.recall(file.name)
            if memo is None or memo.digest.partition(":")[2] not in kept:
                memos.append(Path(file.path))
        return [*blobs, *memos]


def _files(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return [entry for entry in found if entry.is_file(follow_symlinks=False)]
    except FileNotFoundError:
        return []
