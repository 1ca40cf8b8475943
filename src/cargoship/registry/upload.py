"""One blob into one repository (distribution-spec, "Pushing blobs"): asked for, mounted, or sent."""

from __future__ import annotations

import contextlib
import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from cargoship.errors import RegistryError, RegistryRefused
from cargoship.oci.descriptor import Blob, Descriptor
from cargoship.registry.challenge import Scope
from cargoship.registry.retry import Transient, persist
from cargoship.registry.sending import Lost, Sending
from cargoship.registry.session import Session
from cargoship.registry.wire import Ask

_OK = 200
_CREATED = 201
_ACCEPTED = 202
_NO_CONTENT = 204
_NOT_FOUND = 404
_SERVER_ERROR = 500


class BlobOutcome(enum.StrEnum):
    """What it took for a registry to have a blob."""

    PUSHED = "pushed"
    MOUNTED = "mounted"
    EXISTS = "exists"


@dataclass(frozen=True)
class _Started:
    """An upload that was begun: where it is continued, and the smallest chunk that is taken there."""

    location: str
    chunk_bytes_min: int


@dataclass(frozen=True)
class Upload:
    """A blob on its way to `repository`; `mount_from` names a repository of the same registry that may have it."""

    session: Session
    repository: str
    blob: Blob
    mount_from: str | None = None

    def run(self) -> BlobOutcome:
        """Make the registry have the blob; raises RegistryError's family, ContentInvalid.

        An upload goes on from where it was cut, as far as the registry allows; else there is a new one, after a look
        at whether the blob arrived all the same.
        """
        return persist(self._attempt, budget=self.session.budget, patience=self.session.patience)

    def probe(self) -> None:
        """Find out whether an upload would be let in, by starting one and giving it up; raises as `run` does."""
        started = persist(lambda: self._post({}), budget=self.session.budget, patience=self.session.patience)
        if started is None:
            return
        # what is not given up ends by itself after some time, and some registries cannot give up
        with contextlib.suppress(RegistryError, Transient):
            ask = Ask("DELETE", started.location, f"the end of an unused upload to {self.repository}")
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
        started = self._start()
        if started is None:
            return BlobOutcome.MOUNTED
        sending = Sending(
            self.session,
            self._scopes,
            self.blob,
            what=self._what,
            location=started.location,
            chunk_bytes=self._chunk_bytes(started),
            least_bytes=started.chunk_bytes_min,
        )
        try:
            sending.run()
        except Lost as lost:
            if lost.whole:
                self.session.whole_uploads = True
            raise Transient(lost.error) from lost.__cause__
        return BlobOutcome.PUSHED

    def _chunk_bytes(self, started: _Started) -> int | None:
        """The size of the first chunk, None for an upload in one piece."""
        chunks = self.session.chunks
        if self.session.whole_uploads or self._descriptor.size_bytes <= chunks.whole_bytes:
            return None
        # one that arrives from elsewhere would have to come again for each chunk
        with contextlib.suppress(OSError), self.blob.open() as stream:
            if not stream.seekable():
                return None
        return max(chunks.chunk_bytes, started.chunk_bytes_min)

    def _exists(self) -> bool:
        digest = self._descriptor.digest
        what = f"whether {self.repository} has sha256:{digest.short}"
        ask = Ask("HEAD", f"/v2/{self.repository}/blobs/{digest}", what)
        with self.session.once(ask, (Scope.push(self.repository),), ok=(_OK, _NOT_FOUND)) as response:
            return response.status == _OK

    def _start(self) -> _Started | None:
        """Begin an upload; None when the blob was mounted.

        Where no other repository is known to have it, the registry is left to find one (distribution-spec, "Mounting a
        blob from another repository"): it mounts the blob, or begins an upload as if nothing had been said.
        """
        digest = str(self._descriptor.digest)
        if self.mount_from:
            return self._post({"mount": digest, "from": self.mount_from})
        if not self.session.automatic_mounts:
            return self._post({})
        try:
            started = self._post({"mount": digest})
            # what nobody has named a source for is looked at before it is believed
            if started is not None or self._exists():
                return started
        except RegistryRefused:
            pass
        except Transient as failure:
            # a limit that is reached, or a registry that is down, is no answer to the question
            if failure.status != _SERVER_ERROR:
                raise
        # some know mounts from a named repository alone
        started = self._post({})
        self.session.automatic_mounts = False
        return started

    def _post(self, query: Mapping[str, str]) -> _Started | None:
        url = f"/v2/{self.repository}/blobs/uploads/" + (f"?{urlencode(query)}" if query else "")
        ask = Ask("POST", url, self._what)
        with self.session.once(ask, self._scopes, ok=(_CREATED, _ACCEPTED)) as response:
            if response.status == _CREATED and query:
                return None
            location = response.headers.get("location")
            chunk_bytes_min = _least(response.headers)
        if location is None:
            raise RegistryError(f"{self.session.registry} started {self._what} but did not say where to send it")
        return _Started(self.session.resolve(location, asked=url), chunk_bytes_min)


def _least(headers: Mapping[str, str]) -> int:
    """OCI-Chunk-Min-Length; 0 where it is not given or no number."""
    match = re.fullmatch(r"\d{1,15}", headers.get("oci-chunk-min-length", "").strip(), re.ASCII)
    return int(match[0]) if match else 0
