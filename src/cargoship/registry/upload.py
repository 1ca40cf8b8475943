"""One blob into one repository (distribution-spec, "Pushing blobs"): asked for, mounted, or sent."""

from __future__ import annotations

import contextlib
import enum
import re
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlencode

from msgspec import Struct

from cargoship.errors import ContentInvalid, Forbidden, RegistryError, RegistryRefused, RegistryUnreachable
from cargoship.http.exchange import Response
from cargoship.http.retry import Transient, with_retries
from cargoship.oci.descriptor import Blob, Descriptor
from cargoship.oci.digest import SHA256
from cargoship.registry.addresses import AddressRefused
from cargoship.registry.auth.challenge import Scope
from cargoship.registry.blob_transfer import BlobTransfer, UploadLost
from cargoship.registry.http_client import NamedRequest
from cargoship.registry.session import RegistrySession

_OK = 200
_CREATED = 201
_NOT_FOUND = 404
_LIMITED = 429
_FAULTS = frozenset({500, 502, 504})
"""What gateways answer HEAD with too; one that is truly down answers GET so, which is waited for."""
_GOOD = range(200, 300)
"""What begins and ends an upload: registries do not agree on which."""


class BlobOutcome(enum.StrEnum):
    """What it took for a registry to have a blob."""

    PUSHED = "pushed"
    MOUNTED = "mounted"
    EXISTS = "exists"


class _Started(Struct, frozen=True):
    """An upload that was begun: where it is continued, and the smallest chunk that is taken there."""

    location: str
    chunk_bytes_min: int


class Upload(Struct, frozen=True):
    """A blob on its way to `repository`; `mount_from` names a repository of the same registry that may have it.

    `anew` sends it whether the registry says that it has the blob or not. `hearsay` says that its size is known from
    somebody's manifest alone: what is sent is counted, and of what is not the registry is asked.
    """

    session: RegistrySession
    repository: str
    blob: Blob
    mount_from: str | None = None
    anew: bool = False
    hearsay: bool = False

    def run(self) -> BlobOutcome:
        """Make the registry have the blob; raises RegistryError's family, ContentInvalid.

        An upload goes on from where it was cut, as far as the registry allows; else there is a new one, after a look
        at whether the blob arrived all the same.
        """
        return with_retries(self._attempt, budget=self.session.budget, retry_policy=self.session.retry_policy)

    def probe(self) -> None:
        """Find out whether an upload would be let in, by starting one and giving it up; raises as `run` does."""
        started = with_retries(
            lambda: self._post({}), budget=self.session.budget, retry_policy=self.session.retry_policy
        )
        if started is None:
            return
        # what is not given up ends by itself after some time, and some registries cannot give up
        with contextlib.suppress(RegistryError, Transient):
            ask = NamedRequest("DELETE", started.location, f"the end of an unused upload to {self.repository}")
            with self.session.once(ask, self._scopes, ok=_GOOD):
                pass

    @property
    def _descriptor(self) -> Descriptor:
        return self.blob.descriptor

    @property
    def _named(self) -> Mapping[str, str]:
        """What is sent to a registry that has to hash by another algorithm than its own ("digest-algorithm")."""
        algorithm = self._descriptor.digest.algorithm
        return {} if algorithm == SHA256 else {"digest-algorithm": algorithm}

    @property
    def _what(self) -> str:
        return f"the upload of {self._descriptor.digest.brief} to {self.repository}"

    @property
    def _scopes(self) -> tuple[Scope, ...]:
        return (Scope.push(self.repository),)

    def _attempt(self) -> BlobOutcome:
        if not self.anew and self._exists():
            return BlobOutcome.EXISTS
        started = self._start()
        if started is None:
            if self.hearsay:
                self._exists()
            return BlobOutcome.MOUNTED
        sending = BlobTransfer(
            self.session,
            self._scopes,
            self.blob,
            what=self._what,
            location=started.location,
            chunk_bytes=self._chunk_bytes(started),
            least_bytes=started.chunk_bytes_min,
            patches_all=self._patches_all,
        )
        try:
            sending.run()
        except UploadLost as lost:
            self._learn(lost)
            raise Transient(lost.error) from lost.__cause__
        except RegistryRefused as refused:
            # another push may have brought the same, and what is there may not be sent again (nexus-public#967)
            if self.anew or isinstance(refused, AddressRefused) or not self._arrived():
                raise
            return BlobOutcome.EXISTS
        return BlobOutcome.PUSHED

    def _learn(self, lost: UploadLost) -> None:
        """How this registry is sent blobs from now on, after an upload that was lost."""
        if lost.patched:
            self.session.patches_all = True
        elif lost.whole and self._patches_all:
            self.session.patches_all = False
        elif lost.whole:
            self.session.whole_uploads = True

    @property
    def _patches_all(self) -> bool:
        return bool(self.session.patches_all) and self._descriptor.size_bytes > 0

    def _arrived(self) -> bool:
        """Whether a blob whose upload was refused is there all the same."""
        try:
            return self._exists()
        except (RegistryError, Transient):
            return False

    def _chunk_bytes(self, started: _Started) -> int | None:
        """The size of the first chunk, None for an upload in one piece."""
        chunks = self.session.chunks
        if self._patches_all:
            return self._descriptor.size_bytes
        if self.session.whole_uploads or self._descriptor.size_bytes <= chunks.whole_bytes:
            return None
        # one that arrives from elsewhere would have to come again for each chunk
        with contextlib.suppress(OSError), self.blob.open() as stream:
            if not stream.seekable():
                return None
        return max(chunks.chunk_bytes, started.chunk_bytes_min)

    def _exists(self) -> bool:
        """Whether the blob is there; what a registry does not say is taken for no, and then it is sent."""
        digest = self._descriptor.digest
        what = f"whether {self.repository} has {digest.brief}"
        ask = NamedRequest("HEAD", f"/v2/{self.repository}/blobs/{digest}", what)
        if self.session.answers_heads:
            try:
                with self.session.once(ask, self._scopes, ok=(_OK, _NOT_FOUND)) as response:
                    return self._is_there(response)
            except AddressRefused:
                raise
            except (Forbidden, RegistryRefused):
                pass
            except Transient as failure:
                if failure.status not in _FAULTS:
                    raise
        # some do not answer this question, or send it to a storage that takes it for a forgery: it is asked by GET,
        # of whose answer nothing is read
        try:
            with self.session.once(replace(ask, method="GET"), self._scopes, ok=(_OK, _NOT_FOUND)) as response:
                self.session.answers_heads = False
                return self._is_there(response)
        except (Forbidden, RegistryRefused):
            return False

    def _is_there(self, response: Response) -> bool:
        """What an answer says; raises ContentInvalid where a blob has another size than its manifest gives it.

        Engines refuse such an image when they pull it, and the digests of the blobs are right all the same.
        """
        if response.status != _OK:
            return False
        said = response.headers.get("content-length", "")
        size_bytes = self._descriptor.size_bytes
        # some say 0 of everything, and what is packed for its way has another length there
        known = re.fullmatch(r"[1-9]\d{0,18}", said.strip(), re.ASCII) and not response.headers.get("content-encoding")
        if self.hearsay and known and int(said) != size_bytes:
            raise ContentInvalid(
                f"{self._descriptor.digest} has {int(said)} bytes in {self.session.registry}/{self.repository}, and "
                f"its manifest says {size_bytes}: engines do not pull such an image",
                hint="the image has to be made again: no copy of it can be right",
            )
        return True

    def _start(self) -> _Started | None:
        """Begin an upload; None when the blob was mounted.

        Where no other repository is known to have it, the registry is left to find one (distribution-spec, "Mounting a
        blob from another repository"): it mounts the blob, or begins an upload as if nothing had been said.
        """
        digest = str(self._descriptor.digest)
        if not self.mount_from and not self.session.automatic_mounts:
            return self._post(self._named)
        query = {"mount": digest, **({"from": self.mount_from} if self.mount_from else {}), **self._named}
        try:
            started = self._post(query)
            # what nobody has named a source for is looked at before it is believed
            if started is not None or self.mount_from or self._exists():
                return started
        except (AddressRefused, RegistryUnreachable):
            raise
        except RegistryError:
            # a mount is a favour, and refused in many ways: for the other repository, for the question, by a proxy
            pass
        except Transient as failure:
            # a limit that is reached, a registry that is gone or that asks for patience: no answer to the question
            if failure.status in {None, _LIMITED} or failure.wait_s:
                raise
        started = self._post(self._named)
        # some know mounts from a named repository alone
        self.session.automatic_mounts = self.session.automatic_mounts and self.mount_from is not None
        return started

    def _post(self, query: Mapping[str, str]) -> _Started | None:
        url = f"/v2/{self.repository}/blobs/uploads/" + (f"?{urlencode(query)}" if query else "")
        ask = NamedRequest("POST", url, self._what)
        source = (Scope.pull(query["from"]),) if "from" in query else ()
        with self.session.once(ask, (*self._scopes, *source), ok=_GOOD) as response:
            if response.status == _CREATED and "mount" in query:
                return None
            location = response.headers.get("location")
            chunk_bytes_min = _least(response.headers)
        if location is None:
            raise RegistryError(f"{self.session.registry} started {self._what} but did not say where to send it")
        where = self.session.follow(location, asked=url, what=self._what, sends=True)
        return _Started(where, chunk_bytes_min)


def _least(headers: Mapping[str, str]) -> int:
    """OCI-Chunk-Min-Length; 0 where it is not given or no number."""
    match = re.fullmatch(r"\d{1,15}", headers.get("oci-chunk-min-length", "").strip(), re.ASCII)
    return int(match[0]) if match else 0
