"""A client of one registry (distribution-spec 1.1): manifests, blobs, tags. Every byte that it gives is verified."""

from __future__ import annotations

import enum
import json
import shutil
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Required, Self, TypedDict

from cargoship.errors import ContentInvalid, RegistryError
from cargoship.events import Emit, ignore
from cargoship.oci.descriptor import INDEX_TYPES, MANIFEST_TYPES, Blob, BytesBlob, Descriptor
from cargoship.oci.digest import Digest
from cargoship.oci.files import atomic_file
from cargoship.oci.manifest import MANIFEST_BYTES_MAX
from cargoship.registry.budget import Budget
from cargoship.registry.challenge import Scope
from cargoship.registry.chunks import Chunks
from cargoship.registry.credentials import Credentials
from cargoship.registry.exchange import Transport
from cargoship.registry.links import next_page
from cargoship.registry.retry import Patience
from cargoship.registry.session import Session
from cargoship.registry.stream import Source, open_stream
from cargoship.registry.upload import BlobOutcome, Upload
from cargoship.registry.wire import Ask

_OK = 200
_CREATED = 201
_ACCEPTED = 202
_PARTIAL = 206
_NO_CONTENT = 204
_NOT_FOUND = 404
_KNOWN_TYPES = INDEX_TYPES | MANIFEST_TYPES
_ACCEPT = ", ".join(sorted(_KNOWN_TYPES))
_TAGS_BYTES = 8 << 20
_PAGES_MAX = 10_000
_COPY_BYTES = 1 << 20


class Access(enum.Enum):
    """What a client asks for; a token for PUSH also reads, so that a push needs a single one."""

    PULL = "pull"
    PUSH = "push"


class ClientParts(TypedDict, total=False):
    """What a client is made of; see `RegistryClient`."""

    credentials: Required[Credentials]
    transport: Required[Transport]
    emit: Emit
    access: Access
    insecure: Collection[str]
    budget: Budget | None
    patience: Patience | None
    chunks: Chunks | None
    secure: bool


class RegistryClient:
    """Reads and writes one registry; safe to share between threads; a context that closes its connections.

    `registry` is host[:port], `docker.io` for Docker Hub. Plain http is spoken to loopback addresses and to the
    hosts in `insecure`, unless they turn out to speak TLS; `secure` says that a loopback one does. `budget` bounds
    the time that all requests together may take, `chunks` is how large blobs are cut for their upload. The methods
    raise RegistryError's family, and ContentInvalid for bytes that are not what was promised.
    """

    def __init__(
        self,
        registry: str,
        *,
        credentials: Credentials,
        transport: Transport,
        emit: Emit = ignore,
        access: Access = Access.PULL,
        insecure: Collection[str] = (),
        budget: Budget | None = None,
        patience: Patience | None = None,
        chunks: Chunks | None = None,
        secure: bool = False,
    ) -> None:
        self.registry = registry
        self.emit = emit
        self._access = access
        self._transport = transport
        self._session = Session(
            registry,
            credentials=credentials,
            transport=transport,
            emit=emit,
            insecure=insecure,
            budget=budget,
            patience=patience,
            chunks=chunks,
            secure=secure,
        )

    @property
    def session(self) -> Session:
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

    def find_manifest(self, repository: str, reference: Digest | str) -> Digest | None:
        """The digest that a tag (or digest) stands for, without fetching the manifest where possible; None: absent."""
        ask = self._manifest_ask("HEAD", repository, reference)
        with self._session.send(ask, self._scopes(repository), ok=(_OK, _NOT_FOUND)) as response:
            if response.status == _NOT_FOUND:
                return None
            said = response.headers.get("docker-content-digest")
        if said is not None:
            return _digest_of(said, self.registry)
        return self.manifest(repository, reference).descriptor.digest

    def manifest(self, repository: str, reference: Digest | str) -> BytesBlob:
        """A manifest or index, verified against its digest or against what the registry says it is."""
        ask = self._manifest_ask("GET", repository, reference)
        response, data = self._session.content(ask, self._scopes(repository), limit_bytes=MANIFEST_BYTES_MAX)
        said = response.headers.get("docker-content-digest")
        actual = Digest.of(data)
        expected = reference if isinstance(reference, Digest) else _digest_of(said, self.registry) if said else actual
        if actual != expected:
            raise ContentInvalid(f"{self.registry} gave {actual} for {repository} {reference}, which is {expected}")
        media_type = _media_type(response.headers.get("content-type", ""), data, f"{repository} {reference}")
        return BytesBlob(Descriptor(media_type, actual, len(data)), data)

    def check_login(self) -> None:
        """Return if the registry answers this user, which is all that can be asked without a repository."""
        with self._session.send(Ask("GET", "/v2/", "a sign that it is a registry"), (), ok=(_OK,)):
            pass

    def put_manifest(self, repository: str, reference: Digest | str, manifest: BytesBlob) -> Digest | None:
        """Store a manifest or index by its digest, or move a tag to it.

        Returns the subject that the registry has noted (OCI-Subject); None also from one without the referrers API:
        `referrers.attach` sees to that.
        """
        what = f"the push of {repository}{'@' if isinstance(reference, Digest) else ':'}{reference}"
        data = manifest.data
        ask = Ask(
            "PUT",
            f"/v2/{repository}/manifests/{reference}",
            what,
            {"Content-Type": manifest.descriptor.media_type},
            lambda: (data,),
            len(data),
        )
        ok = (_OK, _CREATED, _ACCEPTED, _NO_CONTENT)
        with self._session.send(ask, (Scope.push(repository),), ok=ok) as response:
            said = response.headers.get("docker-content-digest")
            subject = response.headers.get("oci-subject")
        if said is not None and said != str(manifest.descriptor.digest):
            raise ContentInvalid(f"{self.registry} stored {said} for {what} of {manifest.descriptor.digest}")
        return None if subject is None else _digest_of(subject, self.registry)

    def delete_manifest(self, repository: str, reference: Digest | str) -> bool:
        """Delete a manifest, or a tag alone; False where there was none. Many registries refuse, some for tags only.

        What refers to another manifest is deleted by `referrers.detach`, which keeps the list of that one right.
        """
        joint = "@" if isinstance(reference, Digest) else ":"
        return self._delete(repository, f"manifests/{reference}", f"{repository}{joint}{reference}")

    def delete_blob(self, repository: str, digest: Digest) -> bool:
        """Delete a blob; False where there was none. Manifests that need it are not looked for."""
        return self._delete(repository, f"blobs/{digest}", f"the blob sha256:{digest.short} of {repository}")

    def upload(self, repository: str, blob: Blob, *, mount_from: str | None = None) -> BlobOutcome:
        """Make the repository have a blob: not at all where it exists, by mounting where that works, else sent."""
        return Upload(self._session, repository, blob, mount_from).run()

    def check_push(self, repository: str) -> None:
        """Return if this user may push there, as far as a registry can tell before there is anything to push."""
        Upload(self._session, repository, BytesBlob.of("application/octet-stream", b"")).probe()

    def blob_bytes(self, repository: str, descriptor: Descriptor, *, limit_bytes: int = MANIFEST_BYTES_MAX) -> bytes:
        """A small blob, such as a config, verified."""
        if descriptor.size_bytes > limit_bytes:
            raise ContentInvalid(f"{descriptor.digest} has {descriptor.size_bytes} bytes; the limit is {limit_bytes}")
        ask = self._blob_ask(repository, descriptor.digest)
        _, data = self._session.content(ask, self._scopes(repository), limit_bytes=descriptor.size_bytes)
        if len(data) != descriptor.size_bytes or Digest.of(data) != descriptor.digest:
            raise ContentInvalid(f"{self.registry} gave other content than {descriptor.digest} for {repository}")
        return data

    def open_blob(self, repository: str, descriptor: Descriptor) -> BinaryIO:
        """A blob of any size as it arrives; see `open_stream`."""
        return open_stream([self.blob_source(repository, descriptor.digest)], descriptor)

    def blob_source(self, repository: str, digest: Digest) -> Source:
        """Where a blob is read."""
        return Source(self._session, self._blob_ask(repository, digest), self._scopes(repository))

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
        url = f"/v2/{repository}/tags/list"
        for _ in range(_PAGES_MAX):
            ask = Ask("GET", url, f"the tags of {repository}")
            response, data = self._session.content(
                ask, self._scopes(repository), limit_bytes=_TAGS_BYTES, ok=(_OK, _NOT_FOUND)
            )
            if response.status == _NOT_FOUND:
                return
            try:
                page = json.loads(data)["tags"] or []
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise ContentInvalid(f"{self.registry} gave no list of tags for {repository}") from error
            yield from (tag for tag in page if isinstance(tag, str))
            following = next_page(response.headers.get("link", ""))
            if following is None:
                return
            url = self._session.resolve(following, asked=url)
        raise RegistryError(f"{self.registry} gives the tags of {repository} in too many pages")

    def _delete(self, repository: str, path: str, what: str) -> bool:
        ask = Ask("DELETE", f"/v2/{repository}/{path}", f"the deletion of {what}")
        ok = (_OK, _ACCEPTED, _NO_CONTENT, _NOT_FOUND)
        with self._session.send(ask, (Scope.delete(repository),), ok=ok) as response:
            return response.status != _NOT_FOUND

    def _scopes(self, repository: str) -> tuple[Scope, ...]:
        return (Scope.push(repository) if self._access is Access.PUSH else Scope.pull(repository),)

    def _manifest_ask(self, method: str, repository: str, reference: Digest | str) -> Ask:
        joint = "@" if isinstance(reference, Digest) else ":"
        url = f"/v2/{repository}/manifests/{reference}"
        return Ask(method, url, f"{repository}{joint}{reference}", {"Accept": _ACCEPT})

    def _blob_ask(self, repository: str, digest: Digest) -> Ask:
        return Ask("GET", f"/v2/{repository}/blobs/{digest}", f"the blob sha256:{digest.short} of {repository}")


def _digest_of(text: str, registry: str) -> Digest:
    try:
        return Digest.parse(text)
    except ContentInvalid as error:
        raise ContentInvalid(f"{registry} names content by {text!r}, which is not a sha256 digest") from error


def _media_type(header: str, data: bytes, what: str) -> str:
    """The type of a manifest: header and content must not contradict (image-spec's guard against confusion)."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ContentInvalid(f"{what} is not a manifest: it is not JSON") from error
    if not isinstance(document, dict):
        raise ContentInvalid(f"{what} is not a manifest")
    sent, inside = header.partition(";")[0].strip().lower(), document.get("mediaType")
    if not isinstance(inside, str):
        return sent
    if sent in _KNOWN_TYPES and sent != inside:
        raise ContentInvalid(f"{what} was sent as {sent} but says that it is {inside}")
    return inside
