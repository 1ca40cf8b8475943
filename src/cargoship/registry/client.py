"""A client of one registry (distribution-spec 1.1): manifests, blobs, tags. Every byte that it gives is verified."""

from __future__ import annotations

import enum
import functools
import shutil
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Self

from msgspec import structs

from cargoship.errors import ContentInvalid, Forbidden, RegistryError, RegistryRefused
from cargoship.events import Level, Note
from cargoship.http.budget import Budget
from cargoship.http.exchange import Response
from cargoship.http.retry import Transient, with_retries
from cargoship.oci.descriptor import INDEX_TYPES, MANIFEST_TYPES, Blob, BytesBlob, Descriptor
from cargoship.oci.digest import SHA256, Algorithm, Digest
from cargoship.oci.files import atomic_file
from cargoship.oci.manifest import MANIFEST_BYTES_MAX, kind_of
from cargoship.registry.addresses import AddressRefused
from cargoship.registry.auth.challenge import Scope
from cargoship.registry.blob_reader import BlobSource, open_stream
from cargoship.registry.http_client import NamedRequest
from cargoship.registry.options import Access, ClientOptions
from cargoship.registry.refusals import ContentUnknown
from cargoship.registry.session import RegistrySession
from cargoship.registry.tag_lists import read_tags
from cargoship.registry.upload import BlobOutcome, Upload

_OK = 200
_CREATED = 201
_ACCEPTED = 202
_PARTIAL = 206
_NO_CONTENT = 204
_NOT_FOUND = 404
_FAULTS = frozenset({500, 502, 504})
_ACCEPT = ", ".join(sorted(INDEX_TYPES | MANIFEST_TYPES))
_WARNING = Level.WARNING
_WEB_PAGES = frozenset({"text/html", "application/xhtml+xml"})
_COPY_BYTES = 1 << 20
_SETTLING_TRIES = 4
"""Of a manifest whose parts the registry does not know yet: with the usual waits, two seconds or so."""


class _Head(enum.Enum):
    """What a registry may say to HEAD besides a digest."""

    ABSENT = "it is not there"
    NO_ANSWER = "nothing"


class RegistryClient:
    """Reads and writes one registry; safe to share between threads; a context that closes its connections.

    `registry` is host[:port], `docker.io` for Docker Hub. The methods raise RegistryError's family, and ContentInvalid
    for bytes that are not what was promised.
    """

    def __init__(self, registry: str, options: ClientOptions) -> None:
        self.registry = registry
        self.emit = options.emit
        self._access = options.access
        self._transport = options.transport
        self._session = RegistrySession(registry, options)
        self._taken_on_trust: dict[tuple[str, Digest], Blob] = {}

    @property
    def session(self) -> RegistrySession:
        """Requests to the registry, for what this class has no method for."""
        return self._session

    @property
    def budget(self) -> Budget:
        """The time that is left, and the way to stop from another thread."""
        return self._session.budget

    def close(self) -> None:
        """Close the transport's connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """See `close`."""
        self.close()

    def find_manifest(
        self, repository: str, reference: Digest | str, *, surely: bool = False, algorithm: Algorithm | None = None
    ) -> Digest | None:
        """The digest that a tag (or digest) stands for, without fetching the manifest where possible; None: absent.

        It is by `algorithm` where that is given, else as `manifest` has it.
        Some registries do not answer this question, and some say no to it (Nexus): the manifest is fetched where there
        is no answer, and with `surely` before it is said to be absent.
        """
        retried = functools.partial(with_retries, budget=self.budget, retry_policy=self._session.retry_policy)
        wanted = reference.algorithm if isinstance(reference, Digest) else algorithm
        head = retried(lambda: self._head(repository, reference, surely=surely))
        if head is _Head.ABSENT:
            return None
        if isinstance(head, Digest) and head.algorithm == (wanted or SHA256):
            return head
        try:
            found = self._read_manifest(repository, reference, ok=(_OK, _NOT_FOUND))
        except RegistryRefused:
            # what does not know an algorithm has nothing that is named by it
            if not isinstance(reference, Digest) or reference.algorithm == SHA256:
                raise
            return None
        if found is None:
            return None
        return found.descriptor.digest if wanted is None else Digest.of(found.data, wanted)

    def _head(self, repository: str, reference: Digest | str, *, surely: bool) -> Digest | _Head:
        """What HEAD says of a manifest."""
        ask = self._manifest_ask("HEAD", repository, reference)
        try:
            ok = (_OK,) if surely else (_OK, _NOT_FOUND)
            with self._session.once(ask, self._scopes(repository), ok=ok) as response:
                if response.status == _NOT_FOUND:
                    return _Head.ABSENT
                said = response.headers.get("docker-content-digest", "")
        except AddressRefused:
            raise
        except (Forbidden, RegistryRefused):
            return _Head.NO_ANSWER
        except Transient as failure:
            if failure.status in _FAULTS:
                return _Head.NO_ANSWER
            raise
        return _digest_of(said) or _Head.NO_ANSWER

    def manifest(self, repository: str, reference: Digest | str) -> BytesBlob:
        """A manifest or index, verified against its digest or against what the registry says it is.

        What a tag stands for is named by sha256, unless the registry names it by another algorithm and does not know it
        by that.
        """
        found = self._read_manifest(repository, reference, ok=(_OK,))
        if found is None:
            mark = "@" if isinstance(reference, Digest) else ":"
            raise RegistryError(f"{self.registry} has no {repository}{mark}{reference}")
        return found

    def manifest_if_there(self, repository: str, reference: Digest | str) -> BytesBlob | None:
        """`manifest` where its absence is no failure: None, for one request in either case."""
        return self._read_manifest(repository, reference, ok=(_OK, _NOT_FOUND))

    def _read_manifest(self, repository: str, reference: Digest | str, *, ok: Collection[int]) -> BytesBlob | None:
        ask = self._manifest_ask("GET", repository, reference)
        response, data = self._session.content(ask, self._scopes(repository), limit_bytes=MANIFEST_BYTES_MAX, ok=ok)
        if response.status == _NOT_FOUND:
            return None
        said_type = response.headers.get("content-type", "")
        # a manifest that is sent under such a type says itself what it is
        if not data or (data.lstrip()[:1] == b"<" and said_type.partition(";")[0].strip().lower() in _WEB_PAGES):
            raise ContentInvalid(
                f"{self.registry} gave {'a web page' if data else 'nothing'} for the manifest {repository} {reference}",
                hint="a proxy, a login page or something else than a registry answers there",
            )
        said = _digest_of(response.headers.get("docker-content-digest", ""))
        expected = reference if isinstance(reference, Digest) else said or Digest.of(data)
        actual = Digest.of(data, expected.algorithm)
        if actual != expected:
            raise ContentInvalid(f"{self.registry} gave {actual} for {repository} {reference}, which is {expected}")
        if not isinstance(reference, Digest) and actual.algorithm != SHA256:
            usual = Digest.of(data)
            actual = usual if self.find_manifest(repository, usual) is not None else actual
        media_type = kind_of(data, said_type, f"{repository} {reference}")
        return BytesBlob(Descriptor(media_type, actual, len(data)), data)

    def check_login(self) -> None:
        """Return if the registry answers this user, which is all that can be asked without a repository."""
        ask = NamedRequest("GET", "/v2/", "the login")
        with self._session.send(ask, (), ok=(_OK, _NOT_FOUND)) as response:
            if response.status == _NOT_FOUND:
                raise RegistryRefused(
                    f"{self.registry} has no registry at /v2/ (HTTP 404)",
                    hint="check the host's name and its port: something else answers there",
                )

    def put_manifest(self, repository: str, reference: Digest | str, manifest: BytesBlob) -> Digest | None:
        """Store a manifest or index by its digest, or move a tag to it.

        Blobs that it names, and that the registry does not find after it has said it has them, are sent.
        Returns the subject that the registry has noted (OCI-Subject); None also from one without the referrers API:
        `referrers.attach` sees to that.
        """
        what = f"the push of {repository}{'@' if isinstance(reference, Digest) else ':'}{reference}"
        data = manifest.data
        ask = NamedRequest(
            "PUT",
            f"/v2/{repository}/manifests/{reference}",
            what,
            {"Content-Type": manifest.descriptor.media_type},
            lambda: (data,),
            len(data),
        )
        ok = (_OK, _CREATED, _ACCEPTED, _NO_CONTENT)

        def attempt() -> Response:
            try:
                return self._session.send(ask, (Scope.push(repository),), ok=ok)
            except ContentUnknown as unknown:
                raise Transient(unknown) from unknown

        # storage behind a registry may show what it has taken only after a moment (openshift/image-registry#220)
        policy = structs.replace(
            self._session.retry_policy, tries=min(_SETTLING_TRIES, self._session.retry_policy.tries)
        )
        try:
            response = with_retries(attempt, budget=self.budget, retry_policy=policy)
        except ContentUnknown:
            if not self._send_what_is_not_there(repository, data):
                raise
            response = with_retries(attempt, budget=self.budget, retry_policy=policy)
        with response:
            said = _digest_of(response.headers.get("docker-content-digest", ""))
            subject = response.headers.get("oci-subject")
        if said is not None and not said.names(data):
            raise ContentInvalid(f"{self.registry} stored {said} for {what} of {manifest.descriptor.digest}")
        return _digest_of(subject or "")

    def delete_manifest(self, repository: str, reference: Digest | str) -> bool:
        """Delete a manifest, or a tag alone; False where there was none. Many registries refuse, some for tags only.

        What refers to another manifest is deleted by `referrers.detach`, which keeps the list of that one right.
        """
        joint = "@" if isinstance(reference, Digest) else ":"
        return self._delete(repository, f"manifests/{reference}", f"{repository}{joint}{reference}")

    def delete_blob(self, repository: str, digest: Digest) -> bool:
        """Delete a blob; False where there was none. Manifests that need it are not looked for."""
        return self._delete(repository, f"blobs/{digest}", f"the blob {digest.brief} of {repository}")

    def upload(
        self, repository: str, blob: Blob, *, mount_from: str | None = None, hearsay: bool = False
    ) -> BlobOutcome:
        """Make the repository have a blob: not at all where it exists, by mounting where that works, else sent.

        `hearsay` is of a size that somebody's manifest gives: one that the registry contradicts is ContentInvalid.
        """
        outcome = Upload(self._session, repository, blob, mount_from, hearsay=hearsay).run()
        if outcome is not BlobOutcome.PUSHED:
            self.take_on_trust(repository, [blob])
        return outcome

    def take_on_trust(self, repository: str, blobs: Iterable[Blob]) -> None:
        """Remember what the registry says it has, to send it where a manifest shows that this is not so."""
        self._taken_on_trust.update({(repository, blob.descriptor.digest): blob for blob in blobs})

    def _send_what_is_not_there(self, repository: str, manifest: bytes) -> bool:
        """Send each blob that was taken on trust and that a manifest names; False where there is none.

        A registry may answer from what it remembers of the time before a clean-up (distribution/distribution#4702).
        """
        doubted = [
            (where, blob)
            for where, blob in list(self._taken_on_trust.items())
            if where[0] == repository and str(where[1]).encode() in manifest
        ]
        for where, blob in doubted:
            text = f"{self.registry} does not find {where[1].brief} of {repository}, which it said it has: it is sent"
            self.emit(Note(text, _WARNING))
            Upload(self._session, repository, blob, anew=True).run()
            self._taken_on_trust.pop(where, None)
        return bool(doubted)

    def check_push(self, repository: str) -> None:
        """Return if this user may push there, as far as a registry can tell before there is anything to push."""
        Upload(self._session, repository, BytesBlob.of("application/octet-stream", b"")).probe()

    def blob_bytes(self, repository: str, descriptor: Descriptor, *, limit_bytes: int = MANIFEST_BYTES_MAX) -> bytes:
        """A small blob, such as a config, verified."""
        if descriptor.size_bytes > limit_bytes:
            raise ContentInvalid(f"{descriptor.digest} has {descriptor.size_bytes} bytes; the limit is {limit_bytes}")
        ask = self._blob_ask(repository, descriptor.digest)

        def right(data: bytes) -> bool:
            return len(data) == descriptor.size_bytes and descriptor.digest.names(data)

        limit_bytes = descriptor.size_bytes
        _, data = self._session.content(ask, self._scopes(repository), limit_bytes=limit_bytes, right=right)
        if not right(data):
            raise ContentInvalid(f"{self.registry} gave other content than {descriptor.digest} for {repository}")
        return data

    def open_blob(self, repository: str, descriptor: Descriptor) -> BinaryIO:
        """A blob of any size as it arrives; see `open_stream`."""
        return open_stream([self.blob_source(repository, descriptor.digest)], descriptor)

    def blob_source(self, repository: str, digest: Digest) -> BlobSource:
        """Where a blob is read."""
        return BlobSource(self._session, self._blob_ask(repository, digest), self._scopes(repository))

    def blob_range(self, repository: str, descriptor: Descriptor, offset_bytes: int, length_bytes: int) -> bytes:
        """A part of a blob, in memory. Not verified, for the digest is that of the whole.

        Also raises ContentInvalid where the registry gives something else than was asked for, such as all of it.
        """
        last = offset_bytes + length_bytes - 1
        ask = self._blob_ask(repository, descriptor.digest)
        ask = replace(ask, headers={**ask.headers, "Range": f"bytes={offset_bytes}-{last}"})
        response, data = self._session.content(
            ask, self._scopes(repository), limit_bytes=length_bytes, ok=(_OK, _PARTIAL)
        )
        whole = response.status == _OK and offset_bytes == 0 and length_bytes == descriptor.size_bytes
        right = response.headers.get("content-range", "").startswith(f"bytes {offset_bytes}-{last}/")
        if len(data) != length_bytes or not (whole or right):
            raise ContentInvalid(f"{self.registry} gave other bytes than were asked for: {ask.what}")
        return data

    def download(self, repository: str, descriptor: Descriptor, path: Path) -> None:
        """A blob of any size into a file, which appears once all of it is verified; also raises OutputError."""
        with self.open_blob(repository, descriptor) as stream, atomic_file(path) as file:
            shutil.copyfileobj(stream, file, _COPY_BYTES)

    def tags(self, repository: str) -> Iterator[str]:
        """All tags, page by page as the registry gives them; none for a repository that has none, or does not exist.

        Some registries do not know a repository without a tag, and answer 404 for both.
        """
        return read_tags(self._session, repository, self._scopes(repository), self.emit)

    def _delete(self, repository: str, path: str, what: str) -> bool:
        ask = NamedRequest("DELETE", f"/v2/{repository}/{path}", f"the deletion of {what}")
        ok = (_OK, _ACCEPTED, _NO_CONTENT, _NOT_FOUND)
        with self._session.send(ask, (Scope.delete(repository),), ok=ok) as response:
            return response.status != _NOT_FOUND

    def _scopes(self, repository: str) -> tuple[Scope, ...]:
        return (Scope.push(repository) if self._access is Access.PUSH else Scope.pull(repository),)

    def _manifest_ask(self, method: str, repository: str, reference: Digest | str) -> NamedRequest:
        joint = "@" if isinstance(reference, Digest) else ":"
        url = f"/v2/{repository}/manifests/{reference}"
        return NamedRequest(method, url, f"{repository}{joint}{reference}", {"Accept": _ACCEPT})

    def _blob_ask(self, repository: str, digest: Digest) -> NamedRequest:
        return NamedRequest("GET", f"/v2/{repository}/blobs/{digest}", f"the blob {digest.brief} of {repository}")


def _digest_of(text: str) -> Digest | None:
    """A digest in a header; None where there is none that is known here: what is said is then known by its content."""
    try:
        return Digest.parse(text)
    except ContentInvalid:
        return None
