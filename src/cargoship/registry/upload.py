"""One blob into one repository (distribution-spec, "Pushing blobs"): asked for, mounted, or sent in one piece."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

from cargoship.errors import ContentInvalid, RegistryError
from cargoship.oci.descriptor import Blob, Descriptor
from cargoship.registry.challenge import Scope
from cargoship.registry.retry import Transient, persist
from cargoship.registry.session import Session
from cargoship.registry.wire import Ask

_OK = 200
_CREATED = 201
_ACCEPTED = 202
_NO_CONTENT = 204
_NOT_FOUND = 404
_PIECE_BYTES = 256 * 1024


class BlobOutcome(enum.StrEnum):
    """What it took for a registry to have a blob."""

    PUSHED = "pushed"
    MOUNTED = "mounted"
    EXISTS = "exists"


@dataclass(frozen=True)
class Upload:
    """A blob on its way to `repository`; `mount_from` names a repository of the same registry that may have it."""

    session: Session
    repository: str
    blob: Blob
    mount_from: str | None = None

    def run(self) -> BlobOutcome:
        """Make the registry have the blob; raises RegistryError's family, ContentInvalid.

        Trouble in the middle leads to a new upload from the start, after a look at whether the blob arrived all
        the same.
        """
        return persist(self._attempt, budget=self.session.budget, patience=self.session.patience)

    def probe(self) -> None:
        """Find out whether an upload would be let in, by starting one and giving it up; raises as `run` does."""
        location = persist(self._start, budget=self.session.budget, patience=self.session.patience)
        if location is None:
            return
        # what is not given up ends by itself after some time, and some registries cannot give up
        with contextlib.suppress(RegistryError, Transient):
            ask = Ask("DELETE", location, f"the end of an unused upload to {self.repository}")
            with self.session.once(ask, self._scopes, ok=(_OK, _ACCEPTED, _NO_CONTENT)):
                pass

    @property
    def _descriptor(self) -> Descriptor:
        return self.blob.descriptor

    @property
    def _what(self) -> str:
        return f"the upload of sha256:{self._descriptor.digest.short} to {self.repository}"

    @property
    def _scopes(self) -> tuple[Scope, ...]:
        source = (Scope.pull(self.mount_from),) if self.mount_from else ()
        return (Scope.push(self.repository), *source)

    def _attempt(self) -> BlobOutcome:
        if self._exists():
            return BlobOutcome.EXISTS
        location = self._start()
        if location is None:
            return BlobOutcome.MOUNTED
        self._send(location)
        return BlobOutcome.PUSHED

    def _exists(self) -> bool:
        digest = self._descriptor.digest
        what = f"whether {self.repository} has sha256:{digest.short}"
        ask = Ask("HEAD", f"/v2/{self.repository}/blobs/{digest}", what)
        with self.session.once(ask, (Scope.push(self.repository),), ok=(_OK, _NOT_FOUND)) as response:
            return response.status == _OK

    def _start(self) -> str | None:
        """Begin an upload: where to send it, or None when the blob was mounted."""
        url = f"/v2/{self.repository}/blobs/uploads/"
        if self.mount_from:
            url += "?" + urlencode({"mount": str(self._descriptor.digest), "from": self.mount_from})
        ask = Ask("POST", url, self._what)
        with self.session.once(ask, self._scopes, ok=(_CREATED, _ACCEPTED)) as response:
            if response.status == _CREATED and self.mount_from:
                return None
            location = response.headers.get("location")
        if location is None:
            raise RegistryError(f"{self.session.registry} started {self._what} but did not say where to send it")
        return self.session.resolve(location)

    def _send(self, location: str) -> None:
        # the location's query holds the upload's state and is kept as it is
        joint = "&" if urlsplit(location).query else "?"
        url = f"{location}{joint}digest={quote(str(self._descriptor.digest), safe='')}"
        headers = {"Content-Type": "application/octet-stream"}
        ask = Ask("PUT", url, self._what, headers, self._pieces, self._descriptor.size_bytes)
        with self.session.once(ask, self._scopes, ok=(_OK, _CREATED, _NO_CONTENT)) as response:
            said = response.headers.get("docker-content-digest")
        if said is not None and said != str(self._descriptor.digest):
            raise ContentInvalid(f"{self.session.registry} stored {said} for {self._what}")

    def _pieces(self) -> Iterator[bytes]:
        """The content in bounded pieces; a file that has changed its size since it was described is refused."""
        left_bytes = self._descriptor.size_bytes
        try:
            with self.blob.open() as stream:
                while piece := stream.read(_PIECE_BYTES):
                    left_bytes -= len(piece)
                    if left_bytes < 0:
                        break
                    yield piece
        except OSError as error:
            raise ContentInvalid(f"cannot read {self._descriptor.digest}: {error.strerror}") from error
        if left_bytes:
            size_bytes = self._descriptor.size_bytes
            raise ContentInvalid(f"{self._descriptor.digest} is not the {size_bytes} bytes it should be")
