"""What the in-memory registry holds, and the distribution specification's answers to requests about it.

No network and no authentication: a `Call` goes in, a `Reply` comes out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from urllib.parse import urlencode

from cargoship.testing import uploads
from cargoship.testing.exchange import Call, Reply
from cargoship.testing.holdings import DIGEST, DIGEST_PATTERN, Holdings, Repository, digest_of
from cargoship.testing.referrers import answer_referrers, subject_in

_NAME = r"(?P<name>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
_MANIFEST_BYTES = 4 << 20
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class ContentApi(Holdings):
    """The answers of a registry to requests about what it holds."""

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
            "ETag": f'"{reference}"',
        }
        wanted = _RANGE.fullmatch(call.headers.get("range", ""))
        changed = call.headers.get("if-range", headers["ETag"]) != headers["ETag"]
        if wanted is None or changed or call.method == "HEAD":
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

    def read_manifest(self, call: Call, name: str, reference: str) -> Reply:  # noqa: ARG002 - the same
        """GET or HEAD of a manifest."""
        repository = self.repositories.get(name, Repository())
        digest = repository.tags.get(reference, reference)
        if self.digest_tags and digest.startswith("sha256-"):
            digest = digest.replace("-", ":")
        if digest not in repository.manifests:
            return Reply.error(404, "MANIFEST_UNKNOWN", "manifest unknown")
        media_type, data = repository.manifests[digest]
        headers = {"Content-Type": media_type, "Docker-Content-Digest": digest, "ETag": f'"{digest}"'}
        return Reply(200, headers, data)

    def write_manifest(self, call: Call, name: str, reference: str) -> Reply:
        """PUT of a manifest: everything that it names has to be there."""
        repository = self.repository(name)
        if repository is None:
            return self.no_repository(name)
        digest = digest_of(call.body, reference if DIGEST.fullmatch(reference) else self.algorithm)
        refusal = self._refusal(call.body, digest, reference, repository)
        if refusal is not None:
            return refusal
        if not DIGEST.fullmatch(reference):
            repository.tags[reference] = digest
        repository.manifests[digest] = (call.headers.get("content-type", ""), call.body)
        reply = self.created(f"/v2/{name}/manifests/{digest}", digest)
        subject = subject_in(call.body)
        if subject is None or not self.referrers:
            return reply
        return Reply(reply.status, {**reply.headers, "OCI-Subject": subject})

    def _refusal(self, body: bytes, digest: str, reference: str, repository: Repository) -> Reply | None:
        """Why a manifest is not taken; None where it is."""
        if len(body) > _MANIFEST_BYTES:
            return Reply.error(413, "SIZE_INVALID", "the manifest is too large")
        if DIGEST.fullmatch(reference) and reference != digest:
            return Reply.error(400, "DIGEST_INVALID", "the digest is not that of the content")
        if self.immutable_tags and repository.tags.get(reference, digest) != digest:
            return Reply.error(400, "TAG_INVALID", f"the tag {reference} is immutable")
        return _missing(body, repository)

    def delete_manifest(self, call: Call, name: str, reference: str) -> Reply:  # noqa: ARG002 - the same
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
    (rf"/v2/{_NAME}/tags/list", {"GET": ContentApi.list_tags}),
    (rf"/v2/{_NAME}/referrers/(?P<reference>{DIGEST_PATTERN})", {"GET": answer_referrers}),
    (rf"/v2/{_NAME}/blobs/uploads/?", {"POST": uploads.start_upload}),
    (
        rf"/v2/{_NAME}/blobs/uploads/(?P<upload>[0-9a-f]+)",
        {
            "PATCH": uploads.append_chunk,
            "PUT": uploads.finish_upload,
            "GET": uploads.upload_status,
            "DELETE": uploads.cancel_upload,
        },
    ),
    (
        rf"/v2/{_NAME}/blobs/(?P<reference>{DIGEST_PATTERN})",
        {"GET": ContentApi.read_blob, "HEAD": ContentApi.read_blob, "DELETE": ContentApi.delete_blob},
    ),
    (
        rf"/v2/{_NAME}/manifests/(?P<reference>[A-Za-z0-9_][A-Za-z0-9_.:-]*)",
        {
            "GET": ContentApi.read_manifest,
            "HEAD": ContentApi.read_manifest,
            "PUT": ContentApi.write_manifest,
            "DELETE": ContentApi.delete_manifest,
        },
    ),
)
