"""What the in-memory registry holds, and the distribution specification's answers to requests about it.

No network and no authentication: a `Call` goes in, a `Reply` comes out.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from cargoship.testing.exchange import Call, Reply

_NAME = r"(?P<name>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MANIFEST_BYTES = 4 << 20
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass
class Repository:
    """One repository: the digests of its blobs, its manifests with their media types, its tags."""

    blobs: set[str] = field(default_factory=set)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    uploads: dict[str, bytearray] = field(default_factory=dict)


@dataclass
class Contents:
    """Everything in a registry. Not safe for threads by itself.

    `immutable_tags` refuses to move a tag; `single_post` stores the body of a POST with a digest (else 202: go on
    with PUT, as Debian's registry answers); `location` makes an upload's address from its path (absolute ones, say).
    """

    immutable_tags: bool = False
    single_post: bool = True
    location: Callable[[str], str] = lambda path: path
    blobs: dict[str, bytes] = field(default_factory=dict, repr=False)
    repositories: dict[str, Repository] = field(default_factory=dict)

    def answer(self, call: Call) -> Reply:
        """Do what a request asks for."""
        if call.path in {"/v2/", "/v2"}:
            return Reply(200, {"Content-Type": "application/json"}, b"{}")
        for pattern, methods in _ROUTES:
            match = re.fullmatch(pattern, call.path)
            if match is not None:
                handler = methods.get(call.method)
                if handler is None:
                    return Reply.error(405, "UNSUPPORTED", "the method is not supported here")
                return handler(self, call, **match.groupdict())
        return Reply.error(404, "NAME_INVALID", "no such endpoint")

    def read_blob(self, call: Call, name: str, reference: str) -> Reply:
        """GET or HEAD of a blob, whole or a range."""
        repository = self.repositories.get(name)
        if repository is None or reference not in repository.blobs:
            return Reply.error(404, "BLOB_UNKNOWN", "blob unknown to registry")
        data = self.blobs[reference]
        headers = {
            "Content-Type": "application/octet-stream",
            "Docker-Content-Digest": reference,
            "Accept-Ranges": "bytes",
        }
        wanted = _RANGE.fullmatch(call.headers.get("range", ""))
        if wanted is None or call.method == "HEAD":
            return Reply(200, headers, data)
        first, last = int(wanted[1]), min(int(wanted[2] or len(data) - 1), len(data) - 1)
        if first > last:
            return Reply.error(416, "RANGE_INVALID", "no such bytes")
        headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        return Reply(206, headers, data[first : last + 1])

    def delete_blob(self, call: Call, name: str, reference: str) -> Reply:  # noqa: ARG002 - every handler's signature
        """DELETE of a blob."""
        repository = self.repositories.get(name)
        if repository is None or reference not in repository.blobs:
            return Reply.error(404, "BLOB_UNKNOWN", "blob unknown to registry")
        repository.blobs.discard(reference)
        return Reply(202)

    def start_upload(self, call: Call, name: str) -> Reply:
        """POST: a mount, a whole blob, or the start of an upload."""
        repository = self.repositories.setdefault(name, Repository())
        digest = call.query.get("mount")
        source = self.repositories.get(call.query.get("from", ""))
        if digest is not None and source is not None and digest in source.blobs:
            repository.blobs.add(digest)
            return self._created(f"/v2/{name}/blobs/{digest}", digest)
        if "digest" in call.query and self.single_post:
            return self._store(repository, name, call.query["digest"], call.body)
        upload = secrets.token_hex(8)
        repository.uploads[upload] = bytearray()
        return self._progress(202, name, upload, 0)

    def continue_upload(self, call: Call, name: str, upload: str) -> Reply:
        """PATCH: the next piece."""
        buffer = self._buffer(name, upload)
        if buffer is None:
            return Reply.error(404, "BLOB_UPLOAD_UNKNOWN", "upload unknown to registry")
        start = call.headers.get("content-range", "").partition("-")[0]
        if start and int(start) != len(buffer):
            return Reply.error(416, "BLOB_UPLOAD_INVALID", "the piece does not follow the last one")
        buffer += call.body
        return self._progress(202, name, upload, len(buffer))

    def finish_upload(self, call: Call, name: str, upload: str) -> Reply:
        """PUT: the last piece, or all of it, with the digest."""
        buffer = self._buffer(name, upload)
        if buffer is None or call.query.get("state") != _state(upload):
            return Reply.error(404, "BLOB_UPLOAD_UNKNOWN", "upload unknown to registry")
        repository = self.repositories[name]
        reply = self._store(repository, name, call.query.get("digest", ""), bytes(buffer) + call.body)
        del repository.uploads[upload]
        return reply

    def upload_status(self, call: Call, name: str, upload: str) -> Reply:  # noqa: ARG002 - every handler's signature
        """GET: how much of an upload has arrived."""
        buffer = self._buffer(name, upload)
        if buffer is None:
            return Reply.error(404, "BLOB_UPLOAD_UNKNOWN", "upload unknown to registry")
        return self._progress(204, name, upload, len(buffer))

    def cancel_upload(self, call: Call, name: str, upload: str) -> Reply:  # noqa: ARG002 - every handler's signature
        """DELETE: give an upload up."""
        if self._buffer(name, upload) is None:
            return Reply.error(404, "BLOB_UPLOAD_UNKNOWN", "upload unknown to registry")
        del self.repositories[name].uploads[upload]
        return Reply(204)

    def read_manifest(self, call: Call, name: str, reference: str) -> Reply:  # noqa: ARG002 - likewise
        """GET or HEAD of a manifest."""
        repository = self.repositories.get(name, Repository())
        digest = repository.tags.get(reference, reference)
        if digest not in repository.manifests:
            return Reply.error(404, "MANIFEST_UNKNOWN", "manifest unknown")
        media_type, data = repository.manifests[digest]
        return Reply(200, {"Content-Type": media_type, "Docker-Content-Digest": digest}, data)

    def write_manifest(self, call: Call, name: str, reference: str) -> Reply:
        """PUT of a manifest: everything that it names has to be there."""
        repository = self.repositories.setdefault(name, Repository())
        digest = "sha256:" + hashlib.sha256(call.body).hexdigest()
        if len(call.body) > _MANIFEST_BYTES:
            return Reply.error(413, "SIZE_INVALID", "the manifest is too large")
        if _DIGEST.fullmatch(reference) and reference != digest:
            return Reply.error(400, "DIGEST_INVALID", "the digest is not that of the content")
        missing = _missing(call.body, repository)
        if missing is not None:
            return missing
        if not _DIGEST.fullmatch(reference):
            if self.immutable_tags and repository.tags.get(reference, digest) != digest:
                return Reply.error(400, "TAG_INVALID", f"the tag {reference} is immutable")
            repository.tags[reference] = digest
        repository.manifests[digest] = (call.headers.get("content-type", ""), call.body)
        return self._created(f"/v2/{name}/manifests/{digest}", digest)

    def delete_manifest(self, call: Call, name: str, reference: str) -> Reply:  # noqa: ARG002 - likewise
        """DELETE of a tag, or of a manifest with its tags."""
        repository = self.repositories.get(name, Repository())
        if repository.tags.pop(reference, None) is None and repository.manifests.pop(reference, None) is None:
            return Reply.error(404, "MANIFEST_UNKNOWN", "manifest unknown")
        repository.tags = {tag: digest for tag, digest in repository.tags.items() if digest != reference}
        return Reply(202)

    def list_tags(self, call: Call, name: str) -> Reply:
        """GET of tags, in pages where `n` is given."""
        repository = self.repositories.get(name)
        if repository is None:
            return Reply.error(404, "NAME_UNKNOWN", "repository name not known to registry")
        tags = sorted(tag for tag in repository.tags if tag > call.query.get("last", ""))
        page = tags[: int(call.query.get("n", len(tags)))]
        headers = {"Content-Type": "application/json"}
        if page and len(page) < len(tags):
            query = urlencode({"n": call.query["n"], "last": page[-1]})
            headers["Link"] = f'</v2/{name}/tags/list?{query}>; rel="next"'
        return Reply(200, headers, json.dumps({"name": name, "tags": page}).encode())

    def _buffer(self, name: str, upload: str) -> bytearray | None:
        return self.repositories.get(name, Repository()).uploads.get(upload)

    def _store(self, repository: Repository, name: str, digest: str, data: bytes) -> Reply:
        if digest != "sha256:" + hashlib.sha256(data).hexdigest():
            return Reply.error(400, "DIGEST_INVALID", "the digest is not that of the content")
        self.blobs[digest] = data
        repository.blobs.add(digest)
        return self._created(f"/v2/{name}/blobs/{digest}", digest)

    def _created(self, path: str, digest: str) -> Reply:
        return Reply(201, {"Location": self.location(path), "Docker-Content-Digest": digest})

    def _progress(self, status: int, name: str, upload: str, size_bytes: int) -> Reply:
        path = f"/v2/{name}/blobs/uploads/{upload}?state={_state(upload)}"
        headers = {"Location": self.location(path), "Docker-Upload-UUID": upload}
        # distribution-spec has no form for "nothing yet"; this one is distribution's
        headers["Range"] = f"0-{max(size_bytes - 1, 0)}"
        return Reply(status, headers)


def _state(upload: str) -> str:
    """What the address of an upload carries besides its name, and has to be sent back as it came."""
    return hashlib.sha256(upload.encode()).hexdigest()[:16]


def _missing(body: bytes, repository: Repository) -> Reply | None:
    """The refusal of a manifest that is none, or names what is not there."""
    try:
        document = json.loads(body)
        children = [child["digest"] for child in document.get("manifests", [])]
        blobs = [blob["digest"] for blob in document.get("layers", [])]
        if "config" in document:
            blobs.append(document["config"]["digest"])
    except (ValueError, TypeError, KeyError, AttributeError):
        return Reply.error(400, "MANIFEST_INVALID", "manifest invalid")
    unknown = [digest for digest in blobs if digest not in repository.blobs]
    unknown += [digest for digest in children if digest not in repository.manifests]
    if unknown:
        return Reply.error(404, "MANIFEST_BLOB_UNKNOWN", f"{unknown[0]} is unknown to registry")
    return None


_Handler = Callable[..., Reply]
_ROUTES: tuple[tuple[str, Mapping[str, _Handler]], ...] = (
    (rf"/v2/{_NAME}/tags/list", {"GET": Contents.list_tags}),
    (rf"/v2/{_NAME}/blobs/uploads/?", {"POST": Contents.start_upload}),
    (
        rf"/v2/{_NAME}/blobs/uploads/(?P<upload>[0-9a-f]+)",
        {
            "PATCH": Contents.continue_upload,
            "PUT": Contents.finish_upload,
            "GET": Contents.upload_status,
            "DELETE": Contents.cancel_upload,
        },
    ),
    (
        rf"/v2/{_NAME}/blobs/(?P<reference>sha256:[0-9a-f]{{64}})",
        {"GET": Contents.read_blob, "HEAD": Contents.read_blob, "DELETE": Contents.delete_blob},
    ),
    (
        rf"/v2/{_NAME}/manifests/(?P<reference>[A-Za-z0-9_][A-Za-z0-9_.:-]*)",
        {
            "GET": Contents.read_manifest,
            "HEAD": Contents.read_manifest,
            "PUT": Contents.write_manifest,
            "DELETE": Contents.delete_manifest,
        },
    ),
)
