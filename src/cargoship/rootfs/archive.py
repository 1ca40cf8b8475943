"""Going through a layer's archive once, in bounded memory and time, with both of its digests checked.

Layers come from anybody: no size that a header gives is trusted.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import BinaryIO, Self, cast

from cargoship.errors import ContentInvalid
from cargoship.oci.decompress import open_reader
from cargoship.oci.descriptor import Blob, Descriptor
from cargoship.oci.digest import Algorithm, Digest, Hashing
from cargoship.rootfs.headers import BLOCK_BYTES, Header, HeaderInvalid, headers

_PIECE_BYTES = 1 << 20
_ENTRIES_MAX = 2_000_000
_PATH_BYTES_MAX = 4096  # PATH_MAX of Linux
_NAMES_BYTES_MAX = 256 << 20
# deflate makes 1032 bytes of one at most; zstd and its like may claim what they want
_SWELLING_MAX = 1100
_SMALL_BYTES = 64 << 20
_USUAL_BYTES = 512
_ODD_STARTS = ("", "/", ".")


class LayerArchive:
    """The entries of a layer, one after the other; after the last one its diff_id is known, by `algorithm` if any.

    A context. Iterating raises ContentInvalid for what is no archive, or has other bytes than its descriptor says.
    """

    def __init__(self, blob: Blob, algorithm: Algorithm | None = None) -> None:
        self._blob = blob
        self._algorithm = algorithm
        self._open = contextlib.ExitStack()
        self._name = str(blob.descriptor.digest)
        self._left = 0

    def __enter__(self) -> Self:
        """Itself, opened."""
        descriptor = self._blob.descriptor
        raw = self._open.enter_context(self._blob.open())
        self._packed = _Packed(raw, descriptor)
        tar = self._open.enter_context(open_reader(cast("BinaryIO", self._packed)))
        bytes_max = max(_SMALL_BYTES, descriptor.size_bytes * _SWELLING_MAX)
        self._tar = _Forward(tar, self._name, bytes_max, self._algorithm)
        self._holes_left = bytes_max
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Close the layer."""
        self._open.__exit__(kind, error, trace)  # type: ignore[arg-type]  # what was given is given on

    def entries(self, *, only: str | None = None) -> Iterator[tuple[Header, str]]:
        """Each entry with its path: relative and normal, empty for the root itself.

        Where `only` one path is of interest, others may be left out.
        """
        wanted = None if only is None or not only.isascii() else only.rpartition("/")[2].encode()
        names_bytes = 0
        tar = self._tar
        with self._in_words():
            for count, member in enumerate(headers(tar.read, tar.skip, only=wanted)):
                names_bytes += len(member.name) + len(member.linkname) + member.said_bytes
                if count >= _ENTRIES_MAX or names_bytes > _NAMES_BYTES_MAX:
                    raise self._damaged("it has more entries, or more is said of them, than in any root file system")
                if not member.name.isascii() or not member.linkname.isascii():
                    member.name, member.linkname = _printable(member.name), _printable(member.linkname)
                if member.size < 0:
                    raise self._damaged("an entry of it cannot be read")
                self._left = stored_bytes = member.stored_bytes
                if member.stretches is not None:
                    self._bound(member)
                yield member, self._path(member.name)
                if stored_bytes:
                    tar.skip(self._left + -stored_bytes % BLOCK_BYTES)
                    self._left = 0

    def pieces(self, member: Header) -> Iterator[bytes]:
        """The content of the entry that was yielded last, holes as zeros; nothing for what is no file."""
        if not member.is_file:
            return
        if member.stretches is None:
            yield from self._stored(self._left)
            return
        end = 0
        for start, length in member.stretches:
            yield from _zeros(start - end)
            yield from self._stored(length)
            end = start + length
        yield from _zeros(member.size - end)

    def stored(self, member: Header) -> Iterator[bytes]:
        """What the layer has of the entry that was yielded last, as it has it: without its holes."""
        yield from self._stored(member.stored_bytes)

    def _stored(self, size: int) -> Iterator[bytes]:
        size = min(size, self._left)
        while size > 0:
            piece = self._tar.read(min(size, _PIECE_BYTES))
            if not piece:
                raise self._damaged("it ends within a file")
            self._left -= len(piece)
            size -= len(piece)
            yield piece

    def _bound(self, member: Header) -> None:
        """Holes cost nothing to write down: those of a layer are read up to what it could be without any."""
        holes_bytes = member.size - member.stored_bytes
        if holes_bytes > self._holes_left:
            member.beyond = True
        else:
            self._holes_left -= holes_bytes

    def content(self, member: Header, bytes_max: int) -> bytes | None:
        """The content of the entry that was yielded last; None for what is no plain file, or larger."""
        if not member.is_file or member.size > bytes_max:
            return None
        return b"".join(self.pieces(member))

    def finish(self) -> Digest | None:
        """Read what comes after the last entry, check the blob's digest, and return the diff_id."""
        with self._in_words():
            if not self._tar.ends():
                raise self._damaged("an entry of it cannot be read")
        # padding, or a signature, may follow the compressed data
        self._packed.drain()
        descriptor = self._blob.descriptor
        packed = self._packed.hashing
        if (packed.digest, packed.size_bytes) != (descriptor.digest, descriptor.size_bytes):
            raise ContentInvalid(f"layer {self._name} has other contents than its digest says")
        return None if self._tar.hashing is None else self._tar.hashing.digest

    def _path(self, name: str) -> str:
        if (
            len(name) < _USUAL_BYTES
            and name[:1] not in _ODD_STARTS
            and not ("/." in name or "//" in name or "\0" in name)
        ):
            return name.removesuffix("/")
        path = entry_path(name)
        if path is None:
            raise self._damaged(f"its entry {name[:200]!r} leads out of the root")
        if len(path) > _PATH_BYTES_MAX or "\0" in path:
            raise self._damaged(f"its entry {name[:200]!r} is no path")
        return path

    @contextlib.contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except HeaderInvalid as error:
            raise self._damaged(error.message) from error
        except EOFError as error:
            raise self._damaged("it ends too early") from error

    def _damaged(self, why: str) -> ContentInvalid:
        return ContentInvalid(f"layer {self._name} is damaged: {why}")


def _zeros(size: int) -> Iterator[bytes]:
    while size > 0:
        yield bytes(min(size, _PIECE_BYTES))
        size -= _PIECE_BYTES


def entry_path(name: str) -> str | None:
    """A name as a relative path without `.` and `..`; None for one that leads above the root."""
    if ".." not in name:
        return "/".join(part for part in name.split("/") if part and part != ".")
    parts: list[str] = []
    for part in name.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part and part != ".":
            parts.append(part)
    return "/".join(parts)


def _printable(name: str) -> str:
    """A name that is not UTF-8 in a form that can be shown and kept."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


class _Packed(io.RawIOBase):
    """The compressed bytes, hashed while they are read, and no more of them than were promised."""

    def __init__(self, stream: BinaryIO, promised: Descriptor) -> None:
        super().__init__()
        self._stream = stream
        self._promised_bytes = promised.size_bytes
        self.hashing = Hashing(promised.digest.algorithm)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # io passes nothing else
        data = self._stream.read(min(len(buffer), _PIECE_BYTES))
        self.hashing.update(data)
        if self.hashing.size_bytes > self._promised_bytes:
            raise ContentInvalid("a layer has more bytes than its descriptor says")
        buffer[: len(data)] = data
        return len(data)

    def drain(self) -> None:
        while self.read(_PIECE_BYTES):
            pass


class _Forward:
    """What is in a layer, forward alone, hashed; no more of it than its compressed size gives reason to expect."""

    def __init__(self, stream: BinaryIO, name: str, bytes_max: int, algorithm: Algorithm | None) -> None:
        self._stream = stream
        self._name = name
        self._left = bytes_max
        self.hashing = None if algorithm is None else Hashing(algorithm)
        self._piece = b""
        self._at = 0

    def read(self, size: int) -> bytes:
        """So many bytes, fewer only at the end."""
        end = self._at + size
        if end <= len(self._piece):
            data = self._piece[self._at : end]
            self._at = end
            return data
        pieces = [self._piece[self._at :]]
        size -= len(pieces[0])
        self._at = len(self._piece)
        while size and self._more():
            data = self._piece[:size]
            self._at = len(data)
            size -= len(data)
            pieces.append(data)
        return b"".join(pieces)

    def skip(self, size: int) -> None:
        """Pass over so many bytes; raises HeaderInvalid where there are fewer."""
        self._at += size
        while self._at > len(self._piece):
            beyond = self._at - len(self._piece)
            if not self._more():
                raise HeaderInvalid("it ends within a file")
            self._at = beyond

    def ends(self) -> bool:
        """Read to the end; whether the archive is over: nothing follows, or a second block of zeros and whatever."""
        over = not self.read(BLOCK_BYTES).strip(b"\0")
        while over and self._more():
            pass
        return over

    def _more(self) -> bool:
        """Take the next piece; False at the end."""
        self._piece = self._stream.read(_PIECE_BYTES)
        self._at = 0
        if self.hashing is not None:
            self.hashing.update(self._piece)
        self._left -= len(self._piece)
        if self._left < 0:
            raise ContentInvalid(
                f"layer {self._name} holds far more than its compressed size gives reason to expect",
                hint="it looks as if it were made to fill disks",
            )
        return bool(self._piece)
