"""Reading a blob while it arrives: verified against its digest, and taken up again where a connection broke.

distribution-spec, "Pulling blobs"; ranges are those of RFC 9110 section 14.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import BinaryIO, cast

from msgspec import Struct

from cargoship.errors import CargoshipError, ContentInvalid, RegistryError
from cargoship.http.encoding import is_packed, unpacking
from cargoship.http.exchange import ConnectionBroken, Response
from cargoship.http.retry import Transient, with_retries
from cargoship.oci.descriptor import Descriptor
from cargoship.oci.digest import Hashing
from cargoship.registry.auth.challenge import Scope
from cargoship.registry.http_client import NamedRequest
from cargoship.registry.session import RegistrySession

_OK = 200
_PARTIAL = 206
_NOT_SATISFIABLE = 416
_BUFFER_BYTES = 256 * 1024


class BlobSource(Struct, frozen=True):
    """A place where a content is read: what is asked there, and what that takes."""

    session: RegistrySession
    ask: NamedRequest
    scopes: tuple[Scope, ...]


PassedOver = Callable[[str, CargoshipError], None]
"""Hears which registry did not help, and why."""


def _nobody(registry: str, error: CargoshipError) -> None:
    """Nobody listens."""


def open_stream(
    sources: Sequence[BlobSource], descriptor: Descriptor, *, passed_over: PassedOver = _nobody
) -> BinaryIO:
    """A content, to be read once from start to end; nothing is sent before the first read.

    Where the first source fails the next one goes on, at the same place of the content. Reading raises RegistryError's
    family, and ContentInvalid before the end is reached when the content is not what the descriptor says: who reads to
    the end has read what was promised.
    """
    return cast("BinaryIO", io.BufferedReader(_Arriving(sources, descriptor, passed_over), _BUFFER_BYTES))


class _Arriving(io.RawIOBase):
    def __init__(self, sources: Sequence[BlobSource], descriptor: Descriptor, passed_over: PassedOver) -> None:
        super().__init__()
        self._source, *self._others = sources
        self._passed_over = passed_over
        self._given = False
        self._descriptor = descriptor
        self._hashing = Hashing(descriptor.digest.algorithm)
        self._piece = memoryview(b"")
        self._chunks: Iterator[bytes] | None = None
        self._connection = contextlib.ExitStack()
        self._ended = False
        self._version: str | None = None
        """The strong ETag of what is read (RFC 9110 section 8.8.3): a range of another version is of no use."""
        self._ranges = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override] # io passes nothing else
        while not self._piece and not self._ended:
            self._piece = memoryview(self._more())
            self._given = True
        count = min(len(buffer), len(self._piece))
        buffer[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count

    def close(self) -> None:
        self._connection.close()
        super().close()

    def _more(self) -> bytes:
        """The next piece, from the first source that gives one."""
        while True:
            session = self._source.session
            try:
                return with_retries(self._next, budget=session.budget, retry_policy=session.retry_policy)
            except RegistryError as error:
                if not self._others:
                    raise
                self._move(error)
            except ContentInvalid as error:
                # what was handed on cannot be called back
                if not self._others or self._given:
                    raise
                self._hashing, self._ended = Hashing(self._descriptor.digest.algorithm), False
                self._move(error)

    def _move(self, error: CargoshipError) -> None:
        """Go on elsewhere."""
        self._passed_over(self._source.session.registry, error)
        self._connection.close()
        self._source, *self._others = self._others
        self._chunks, self._version, self._ranges = None, None, True

    def _next(self) -> bytes:
        self._source.session.budget.check()
        try:
            chunks = self._chunks or self._connect()
            piece = next(chunks, b"")
        except ConnectionBroken as broken:
            self._chunks = None
            self._connection.close()
            raise self._source.session.broken(broken, self._source.ask) from broken
        self._hashing.update(piece)
        here = self._hashing.size_bytes
        promised, registry = self._descriptor, self._source.session.registry
        if not piece and here < promised.size_bytes:
            # where nobody says how long an answer is, one that was cut looks whole: the size of the blob tells
            self._chunks = None
            self._connection.close()
            had = f"{here} of {promised.size_bytes} bytes"
            raise Transient(ContentInvalid(f"{registry} gave {had} of {promised.digest} for {self._source.ask.what}"))
        self._ended = not piece
        wrong = here > promised.size_bytes
        # known with the last piece, not after it: nobody gets all of a content that is not the right one
        if self._ended or here == promised.size_bytes:
            wrong = wrong or (here, self._hashing.digest) != (promised.size_bytes, promised.digest)
        if wrong:
            raise ContentInvalid(f"{registry} gave other content than {promised.digest} for {self._source.ask.what}")
        return piece

    def _expected(self, start: int) -> tuple[int, ...]:
        return (_OK, _PARTIAL, _NOT_SATISFIABLE) if start and self._ranges else (_OK, _PARTIAL)

    def _connect(self) -> Iterator[bytes]:
        session, ask, start = self._source.session, self._source.ask, self._hashing.size_bytes
        if start and self._ranges:
            same = {} if self._version is None else {"If-Range": self._version}
            ask = replace(ask, headers={**ask.headers, "Range": f"bytes={start}-", **same})
        response = self._connection.enter_context(session.once(ask, self._source.scopes, ok=self._expected(start)))
        if response.status == _NOT_SATISFIABLE:
            # the whole is asked for, and what is known already is passed over
            self._connection.close()
            self._ranges = False
            return self._connect()
        if packed := self._is_packed(response, start):
            # a range would be one of what is on the wire
            self._ranges = False
            if response.status == _PARTIAL:
                self._connection.close()
                return self._connect()
        version = response.headers.get("etag", "")
        self._version = version if version.startswith('"') else None
        self._chunks = unpacking(response.chunks(), what=ask.what) if packed else response.chunks()
        if response.status == _PARTIAL:
            if not response.headers.get("content-range", "").startswith(f"bytes {start}-"):
                raise ContentInvalid(f"{session.registry} gave other bytes than were asked for: {ask.what}")
        elif start:
            self._chunks = _without(self._chunks, start)
        return self._chunks

    def _is_packed(self, response: Response, start: int) -> bool:
        """Whether a content was compressed for its way; storages say so of layers that are compressed themselves."""
        if not is_packed(response.headers):
            return False
        left_bytes = self._descriptor.size_bytes - (start if response.status == _PARTIAL else 0)
        return response.headers.get("content-length") != str(left_bytes)


def _without(chunks: Iterator[bytes], count_bytes: int) -> Iterator[bytes]:
    """What follows the first bytes, for a registry that knows no ranges."""
    for chunk in chunks:
        skipped = min(count_bytes, len(chunk))
        count_bytes -= skipped
        if skipped < len(chunk):
            yield chunk[skipped:]
