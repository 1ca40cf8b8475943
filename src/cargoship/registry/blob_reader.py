"""Reading a blob while it arrives: verified against its digest, and taken up again where a connection broke.

distribution-spec, "Pulling blobs"; ranges are those of RFC 9110 section 14.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO, cast

from cargoship.errors import CargoshipError, ContentInvalid, RegistryError
from cargoship.oci.descriptor import Descriptor
from cargoship.registry.challenge import Scope
from cargoship.registry.exchange import ConnectionBroken
from cargoship.registry.retry import Transient, persist
from cargoship.registry.session import Session
from cargoship.registry.wire import Ask

_OK = 200
_PARTIAL = 206
_NOT_SATISFIABLE = 416
_BUFFER_BYTES = 256 * 1024


@dataclass(frozen=True)
class Source:
    """A place where a content is read: what is asked there, and what that takes."""

    session: Session
    ask: Ask
    scopes: tuple[Scope, ...]


PassedOver = Callable[[str, CargoshipError], None]
"""Hears which registry did not help, and why."""


def _nobody(registry: str, error: CargoshipError) -> None:
    """Nobody listens."""


def open_stream(sources: Sequence[Source], descriptor: Descriptor, *, passed_over: PassedOver = _nobody) -> BinaryIO:
    """A content, to be read once from start to end; nothing is sent before the first read.

    Where the first source fails the next one goes on, at the same place of the content. Reading raises RegistryError's
    family, and ContentInvalid before the end is reached when the content is not what the descriptor says: who reads to
    the end has read what was promised.
    """
    return cast("BinaryIO", io.BufferedReader(_Arriving(sources, descriptor, passed_over), _BUFFER_BYTES))


class _Arriving(io.RawIOBase):
    def __init__(self, sources: Sequence[Source], descriptor: Descriptor, passed_over: PassedOver) -> None:
        super().__init__()
        self._source, *self._others = sources
        self._passed_over = passed_over
        self._given = False
        self._descriptor = descriptor
        self._sha256 = hashlib.sha256()
        self._position_bytes = 0
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
                return persist(self._next, budget=session.budget, patience=session.patience)
            except RegistryError as error:
                if not self._others:
                    raise
                self._move(error)
            except ContentInvalid as error:
                # what was handed on cannot be called back
                if not self._others or self._given:
                    raise
                self._sha256, self._position_bytes, self._ended = hashlib.sha256(), 0, False
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
        self._sha256.update(piece)
        self._position_bytes += len(piece)
        promised, registry = self._descriptor, self._source.session.registry
        if not piece and self._position_bytes < promised.size_bytes:
            # where nobody says how long an answer is, one that was cut looks whole: the size of the blob tells
            self._chunks = None
            self._connection.close()
            had = f"{self._position_bytes} of {promised.size_bytes} bytes"
            raise Transient(ContentInvalid(f"{registry} gave {had} of {promised.digest} for {self._source.ask.what}"))
        self._ended = not piece
        wrong = self._position_bytes > promised.size_bytes
        # known with the last piece, not after it: nobody gets all of a content that is not the right one
        if self._ended or self._position_bytes == promised.size_bytes:
            found = (self._position_bytes, self._sha256.hexdigest())
            wrong = wrong or found != (promised.size_bytes, promised.digest.hex)
        if wrong:
            raise ContentInvalid(f"{registry} gave other content than {promised.digest} for {self._source.ask.what}")
        return piece

    def _expected(self, start: int) -> tuple[int, ...]:
        return (_OK, _PARTIAL, _NOT_SATISFIABLE) if start and self._ranges else (_OK, _PARTIAL)

    def _connect(self) -> Iterator[bytes]:
        session, ask, start = self._source.session, self._source.ask, self._position_bytes
        if start and self._ranges:
            same = {} if self._version is None else {"If-Range": self._version}
            ask = replace(ask, headers={**ask.headers, "Range": f"bytes={start}-", **same})
        response = self._connection.enter_context(session.once(ask, self._source.scopes, ok=self._expected(start)))
        if response.status == _NOT_SATISFIABLE:
            # the whole is asked for, and what is known already is passed over
            self._connection.close()
            self._ranges = False
            return self._connect()
        version = response.headers.get("etag", "")
        self._version = version if version.startswith('"') else None
        self._chunks = response.chunks()
        if response.status == _PARTIAL:
            if not response.headers.get("content-range", "").startswith(f"bytes {start}-"):
                raise ContentInvalid(f"{session.registry} gave other bytes than were asked for: {ask.what}")
        elif start:
            self._chunks = _without(self._chunks, start)
        return self._chunks


def _without(chunks: Iterator[bytes], count_bytes: int) -> Iterator[bytes]:
    """What follows the first bytes, for a registry that knows no ranges."""
    for chunk in chunks:
        skipped = min(count_bytes, len(chunk))
        count_bytes -= skipped
        if skipped < len(chunk):
            yield chunk[skipped:]
