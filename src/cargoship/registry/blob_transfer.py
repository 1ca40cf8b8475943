"""The bytes of one blob on their way into an upload: in one request or in chunks, and on from where a cut left them.

distribution-spec, "Pushing a blob monolithically" and "Pushing a blob in chunks".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO
from urllib.parse import quote, urlsplit

from cargoship.errors import ContentInvalid, Forbidden, RegistryError, RegistryRefused
from cargoship.http.exchange import Response
from cargoship.http.retry import Transient, with_retries
from cargoship.oci.descriptor import Blob
from cargoship.oci.digest import contradicts
from cargoship.registry.addresses import AddressRefused
from cargoship.registry.auth.challenge import Scope
from cargoship.registry.http_client import NamedRequest
from cargoship.registry.session import RegistrySession

_TAKEN = range(200, 300)
_UNKNOWN = 404
_NOT_SO = 405
_OUT_OF_ORDER = 416
_PATIENCE_WANTED = frozenset({408, 429, 503})
_FIRST_TRIES = 3
_PIECE_BYTES = 256 * 1024
_RANGE = re.compile(r"(?:bytes=)?0-(\d{1,18})")


class UploadLost(Exception):
    """This upload cannot be finished: `error` says why. A new one may.

    In one piece where `whole` is set, and by PATCH to its last byte where `patched` is.
    """

    def __init__(self, error: RegistryError, *, whole: bool, patched: bool = False) -> None:
        super().__init__(error.message)
        self.error = error
        self.whole = whole
        self.patched = patched


class BlobTransfer:
    """One upload session at `location`; `chunk_bytes` is the size of its first piece, None: in one piece.

    `least_bytes` is the smallest piece that the registry takes. `patches_all` leaves nothing for the last request.
    """

    def __init__(
        self,
        session: RegistrySession,
        scopes: tuple[Scope, ...],
        blob: Blob,
        *,
        what: str,
        location: str,
        chunk_bytes: int | None,
        least_bytes: int = 0,
        patches_all: bool = False,
    ) -> None:
        self._session = session
        self._scopes = scopes
        self._blob = blob
        self._what = what
        self._location = location
        self._chunk_bytes = chunk_bytes
        self._least_bytes = least_bytes
        self._patches_all = patches_all
        self._offset = 0
        self._certain = True
        """Whether `_offset` is what the registry has: not after trouble in the middle of a request."""

    def run(self) -> None:
        """Send everything; raises UploadLost, RegistryError's family, ContentInvalid.

        Each chunk is tried with a patience of its own: what has arrived is not sent again.
        """
        size_bytes = self._blob.descriptor.size_bytes
        while self._chunk_bytes is not None and size_bytes - self._offset > self._last_bytes():
            self._chunk_bytes = self._persist_chunk(self._chunk_bytes)
        with_retries(self._finish, budget=self._session.budget, retry_policy=self._session.retry_policy)

    def _last_bytes(self) -> int:
        """How much the request may have in it that ends the upload."""
        return 0 if self._patches_all else self._chunk_bytes or 0

    def _persist_chunk(self, chunk_bytes: int) -> int:
        """Send a piece; how large the next one is to be."""
        budget, before = self._session.budget, self._offset
        began = budget.clock()
        failed = 0

        def attempt() -> None:
            nonlocal failed
            try:
                self._chunk(chunk_bytes)
            except Transient as failure:
                # a registry that has never taken a chunk may take none: there is another way to be tried before long
                failed += failure.status not in _PATIENCE_WANTED
                if failed >= _FIRST_TRIES and not self._session.takes_chunks:
                    raise UploadLost(_error_of(failure), whole=True) from failure
                raise

        with_retries(attempt, budget=budget, retry_policy=self._session.retry_policy)
        grown = self._session.chunks.after(max(self._offset - before, 0), budget.clock() - began)
        return max(grown, self._least_bytes)

    def _chunk(self, chunk_bytes: int) -> None:
        self._make_certain()
        end = min(self._offset + chunk_bytes, self._blob.descriptor.size_bytes)
        with self._send("PATCH", self._location, end) as response:
            if response.status not in _TAKEN:
                # unknown before anything was sent: not the upload is, but this way of sending
                raise self._lost(response, whole=self._offset == 0)
            # some say nothing of what they have got, and then it is all of it
            reached = _reached(response)
            reached = end if reached is None else self._bounded(reached, end)
            if reached <= self._offset:
                # believed for ever it would be sent for ever
                raise UploadLost(RegistryError(f"{self._session.registry} takes nothing of {self._what}"), whole=True)
            self._offset = reached
            self._location = self._followed(response)
            self._certain = self._session.takes_chunks = True

    def _finish(self) -> None:
        self._make_certain()
        digest = self._blob.descriptor.digest
        # the location's query holds the upload's state and is kept as it is
        joint = "&" if urlsplit(self._location).query else "?"
        url = f"{self._location}{joint}digest={quote(str(digest), safe='')}"
        with self._send("PUT", url, self._blob.descriptor.size_bytes) as response:
            if response.status not in _TAKEN:
                # Artifactory has known uploads only in which something was patched (docker/buildx#196)
                untried = self._offset == 0 and not self._session.takes_whole and self._session.patches_all is None
                raise self._lost(response, whole=False, patched=untried)
            said = response.headers.get("docker-content-digest")
            self._session.takes_whole = self._session.takes_whole or self._offset == 0
        if contradicts(said, digest):
            raise ContentInvalid(f"{self._session.registry} stored {said} for {self._what}")

    def _send(self, method: str, url: str, end: int) -> Response:
        start = self._offset
        headers = {"Content-Type": "application/octet-stream"}
        # a last request that only names the digest has no range: there is none for no bytes
        if end > start and (method == "PATCH" or start):
            headers["Content-Range"] = f"{start}-{end - 1}"
        ask = NamedRequest(method, url, self._what, headers, lambda: pieces(self._blob, start, end), end - start)
        ok = (*_TAKEN, _UNKNOWN, _OUT_OF_ORDER, *([_NOT_SO] if method == "PUT" and not start else []))
        self._certain = False
        try:
            response = self._session.once(ask, self._scopes, ok=ok)
        except AddressRefused:
            raise
        except (Forbidden, RegistryRefused) as error:
            # a registry that does not go on from where it was may still take the whole
            chunk = method == "PATCH" or start > 0
            if chunk and not (isinstance(error, Forbidden) and self._session.takes_chunks):
                raise UploadLost(error, whole=True) from error
            raise
        if response.status == _OUT_OF_ORDER:
            self._put_right(response, ask)
        return response

    def _put_right(self, response: Response, ask: NamedRequest) -> None:
        """416: the registry has another count of what it got, and says which."""
        reached, before = _reached(response), self._offset
        error = self._session.refused(response, ask)
        if reached is None or reached == before:
            raise UploadLost(error, whole=True)
        self._offset = self._bounded(reached, self._blob.descriptor.size_bytes)
        self._location = self._followed(response)
        self._certain = self._session.takes_chunks = True
        raise Transient(error, wait_s=0.0)

    def _make_certain(self) -> None:
        """Ask how much has arrived, after trouble."""
        if self._certain:
            return
        ask = NamedRequest("GET", self._location, f"how far {self._what} is")
        try:
            with self._session.once(ask, self._scopes, ok=_TAKEN) as response:
                reached, location = _reached(response), self._followed(response)
        except RegistryRefused as error:
            raise UploadLost(error, whole=False) from error
        if reached is None or reached > self._blob.descriptor.size_bytes:
            silent = RegistryError(f"{self._session.registry} does not say how far {self._what} is")
            raise UploadLost(silent, whole=False)
        self._offset, self._location, self._certain = reached, location, True

    def _lost(self, response: Response, *, whole: bool, patched: bool = False) -> UploadLost:
        error = self._session.refused(response, NamedRequest("PUT", self._location, self._what))
        return UploadLost(error, whole=whole, patched=patched)

    def _bounded(self, reached: int, most: int) -> int:
        if reached > most:
            raise UploadLost(
                RegistryError(f"{self._session.registry} counts more bytes than {self._what} has"), whole=True
            )
        return reached

    def _followed(self, response: Response) -> str:
        location = response.headers.get("location")
        return (
            self._location
            if location is None
            else self._session.follow(location, asked=self._location, what=self._what, sends=True)
        )


def _error_of(failure: Transient) -> RegistryError:
    return failure.error if isinstance(failure.error, RegistryError) else RegistryError(failure.error.message)


def _reached(response: Response) -> int | None:
    """How many bytes have arrived; None where the registry does not say.

    `0-0` is one byte by the specification's letter; distribution and its kin mean none with it, and no chunk has one.
    """
    match = _RANGE.fullmatch(response.headers.get("range", ""))
    if match is None:
        return None
    last = int(match[1])
    return last + 1 if last else 0


def pieces(blob: Blob, start: int, end: int) -> Iterator[bytes]:
    """The content from `start` to `end` in bounded pieces; a file that has changed its size is refused."""
    size_bytes = blob.descriptor.size_bytes
    left_bytes = end - start
    try:
        with blob.open() as stream:
            _skip(stream, start)
            # a byte more than there should be is looked for before the last of them leaves
            beyond = end == size_bytes
            while left_bytes > 0 and (piece := stream.read(min(_PIECE_BYTES, left_bytes + beyond))):
                left_bytes -= len(piece)
                if left_bytes >= 0:
                    yield piece
    except OSError as error:
        raise ContentInvalid(f"cannot read {blob.descriptor.digest}: {error.strerror}") from error
    if left_bytes:
        raise ContentInvalid(f"{blob.descriptor.digest} is not the {size_bytes} bytes it should be")


def _skip(stream: BinaryIO, count_bytes: int) -> None:
    """Go to a place in a stream, by reading where it is one that arrives from elsewhere."""
    if count_bytes and stream.seekable():
        stream.seek(count_bytes)
        return
    while count_bytes and (piece := stream.read(min(_PIECE_BYTES, count_bytes))):
        count_bytes -= len(piece)
