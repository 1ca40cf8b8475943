"""Going through a layer's archive once, in bounded memory and time, with both of its digests checked.

Layers come from anybody. tarfile trusts the sizes in headers; it reads here through a stream that does not.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import tarfile
from collections.abc import Iterator
from typing import BinaryIO, Self, cast

from cargoship.errors import ContentInvalid
from cargoship.oci.decompress import open_reader
from cargoship.oci.descriptor import Blob

_PIECE_BYTES = 1 << 20
_ENTRIES_MAX = 2_000_000
_PATH_BYTES_MAX = 4096  # PATH_MAX of Linux
_NAMES_BYTES_MAX = 256 << 20
# deflate makes 1032 bytes of one at most; zstd and its like may claim what they want
_SWELLING_MAX = 1100
_SMALL_BYTES = 64 << 20


class Archive:
    """The entries of a layer, one after the other; after the last one `diff_id` is known.

    A context. Iterating raises ContentInvalid for what is no archive, or has other bytes than its descriptor says.
    """

    def __init__(self, blob: Blob) -> None:
        self._blob = blob
        self._open = contextlib.ExitStack()
        self._name = str(blob.descriptor.digest)

    def __enter__(self) -> Self:
        """Itself, opened."""
        descriptor = self._blob.descriptor
        raw = self._open.enter_context(self._blob.open())
        self._packed = _Hashing(raw, descriptor.size_bytes)
        tar = self._open.enter_context(open_reader(cast("BinaryIO", self._packed), descriptor.media_type))
        self._tar = _Forward(tar, self._name, max(_SMALL_BYTES, descriptor.size_bytes * _SWELLING_MAX))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Close the layer."""
        self._open.__exit__(kind, error, trace)  # type: ignore[arg-type]  # what was given is given on

    def entries(self) -> Iterator[tuple[tarfile.TarInfo, str]]:
        """Each entry with its path: relative and normal, empty for the root itself."""
        names_bytes = 0
        for count, member in enumerate(self._members()):
            names_bytes += len(member.name) + len(member.linkname)
            if count >= _ENTRIES_MAX or names_bytes > _NAMES_BYTES_MAX:
                raise self._damaged("it has more entries than any root file system")
            member.linkname = _printable(member.linkname)
            yield member, self._path(_printable(member.name))

    def pieces(self, member: tarfile.TarInfo) -> Iterator[bytes]:
        """The content of the entry that was yielded last; nothing for what is no plain file."""
        left = member.size if member.isreg() and not member.issparse() else 0
        while left > 0:
            with self._in_words():
                piece = self._tar.read(min(left, _PIECE_BYTES))
            if not piece:
                raise self._damaged("it ends within a file")
            left -= len(piece)
            yield piece

    def content(self, member: tarfile.TarInfo, bytes_max: int) -> bytes | None:
        """The content of the entry that was yielded last; None for what is no plain file, or larger."""
        if not member.isreg() or member.issparse() or member.size > bytes_max:
            return None
        return b"".join(self.pieces(member))

    def finish(self) -> str:
        """Read what comes after the last entry, check the blob's digest, and return the diff_id."""
        with self._in_words():
            if any(self._tar.last) or not self._tar.only_zeros():
                raise self._damaged("an entry of it cannot be read")
        # padding, or a signature, may follow the compressed data
        self._packed.drain()
        descriptor = self._blob.descriptor
        if (self._packed.hex, self._packed.size_bytes) != (descriptor.digest.hex, descriptor.size_bytes):
            raise ContentInvalid(f"layer {self._name} has other contents than its digest says")
        return f"sha256:{self._tar.hex}"

    def _members(self) -> Iterator[tarfile.TarInfo]:
        with self._in_words():
            archive = tarfile.open(fileobj=cast("BinaryIO", self._tar), mode="r:", encoding="utf-8")  # noqa: SIM115
            while True:
                member = archive.next()
                if member is None:
                    return
                archive.members.clear()  # type: ignore[attr-defined]  # of which it would keep all
                yield member

    def _path(self, name: str) -> str:
        parts = [part for part in name.split("/") if part not in {"", "."}]
        path = "/".join(parts)
        if ".." in parts:
            raise self._damaged(f"its entry {name[:200]!r} leads out of the root")
        if len(path) > _PATH_BYTES_MAX or "\0" in path:
            raise self._damaged(f"its entry {name[:200]!r} is no path")
        return path

    @contextlib.contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        # ValueError and its kin: numbers in headers that are none; RecursionError: headers about headers about ...
        except (tarfile.TarError, ValueError, OverflowError, LookupError, TypeError, RecursionError) as error:
            raise self._damaged("an entry of it cannot be read") from error
        except EOFError as error:
            raise self._damaged("it ends too early") from error

    def _damaged(self, why: str) -> ContentInvalid:
        return ContentInvalid(f"layer {self._name} is damaged: {why}")


def _printable(name: str) -> str:
    """A name that is not UTF-8 in a form that can be shown and kept."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


class _Hashing(io.RawIOBase):
    """The compressed bytes, hashed while they are read, and no more of them than were promised."""

    def __init__(self, stream: BinaryIO, promised_bytes: int) -> None:
        super().__init__()
        self._stream = stream
        self._sha256 = hashlib.sha256()
        self._promised_bytes = promised_bytes
        self.size_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # io passes nothing else
        data = self._stream.read(min(len(buffer), _PIECE_BYTES))
        self._sha256.update(data)
        self.size_bytes += len(data)
        if self.size_bytes > self._promised_bytes:
            raise ContentInvalid("a layer has more bytes than its descriptor says")
        buffer[: len(data)] = data
        return len(data)

    def drain(self) -> None:
        while self.read(_PIECE_BYTES):
            pass

    @property
    def hex(self) -> str:
        return self._sha256.hexdigest()


class _Forward(io.RawIOBase):
    """What tarfile reads: forward alone, in pieces that are never larger than a header has reason to be."""

    def __init__(self, stream: BinaryIO, name: str, bytes_max: int) -> None:
        super().__init__()
        self._stream = stream
        self._name = name
        self._left = bytes_max
        self._position = 0
        self._sha256 = hashlib.sha256()
        self.last = b""
        """What was read last: after the end of the archive, its closing block."""

    def read(self, size: int = -1, /) -> bytes:
        if not 0 <= size <= _PIECE_BYTES:
            raise tarfile.ReadError(f"a header of {size} bytes")
        pieces = []
        while size:
            piece = self._stream.read(size)
            if not piece:
                break
            pieces.append(piece)
            size -= len(piece)
        self.last = data = b"".join(pieces)
        self._sha256.update(data)
        self._position += len(data)
        self._left -= len(data)
        if self._left < 0:
            raise ContentInvalid(
                f"layer {self._name} holds far more than its compressed size gives reason to expect",
                hint="it looks as if it were made to fill disks",
            )
        return data

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if whence != io.SEEK_SET or offset < self._position:
            raise tarfile.ReadError("an entry that begins before the one before it")
        while self._position < offset:
            if not self.read(min(offset - self._position, _PIECE_BYTES)):
                raise tarfile.ReadError("it ends within a file")
        return self._position

    def only_zeros(self) -> bool:
        """Read to the end; whether there was nothing but zeros."""
        while data := self.read(_PIECE_BYTES):
            if data.count(0) != len(data):
                return False
        return True

    @property
    def hex(self) -> str:
        return self._sha256.hexdigest()
