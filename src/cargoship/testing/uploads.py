"""Uploads of blobs in the in-memory registry (distribution-spec, "Pushing blobs")."""

from __future__ import annotations

import hashlib
import re
import secrets

from cargoship.testing.exchange import Call, Reply
from cargoship.testing.holdings import Holdings, Mounts, Repository

_CONTENT_RANGE = re.compile(r"(\d+)-(\d+)")


def start_upload(holdings: Holdings, call: Call, name: str) -> Reply:
    """POST: a mount, a whole blob, or the start of an upload."""
    repository = holdings.repository(name)
    if repository is None:
        return holdings.no_repository(name)
    digest = call.query.get("mount")
    source = holdings.repositories.get(call.query.get("from", ""))
    found = source is not None and digest in source.blobs
    if digest is not None and "from" not in call.query:
        if holdings.mounts is Mounts.STRICT:
            return Reply.error(400, "INVALID_REQUEST", "missing `from` repository argument")
        found = holdings.mounts is Mounts.ALL and digest in holdings.blobs
    if digest is not None and found:
        repository.blobs.add(digest)
        return holdings.created(f"/v2/{name}/blobs/{digest}", digest)
    if "digest" in call.query and holdings.single_post:
        return holdings.store(repository, name, call.query["digest"], call.body)
    upload = secrets.token_hex(8)
    repository.uploads[upload] = bytearray()
    reply = _progress(holdings, 202, name, upload, 0)
    if holdings.chunk_bytes_min is None:
        return reply
    return Reply(202, {**reply.headers, "OCI-Chunk-Min-Length": str(holdings.chunk_bytes_min)})


def append_chunk(holdings: Holdings, call: Call, name: str, upload: str) -> Reply:
    """PATCH: the next piece."""
    buffer = _buffer(holdings, name, upload)
    if buffer is None:
        return _unknown()
    if not holdings.chunks:
        return Reply.error(405, "UNSUPPORTED", "chunked uploads are not supported")
    if _misplaced(call, len(buffer)):
        return _progress(holdings, 416, name, upload, len(buffer))
    if len(call.body) < (holdings.chunk_bytes_min or 0):
        return Reply.error(416, "SIZE_INVALID", "the piece is too small")
    buffer += call.body
    return _progress(holdings, 202, name, upload, len(buffer))


def finish_upload(holdings: Holdings, call: Call, name: str, upload: str) -> Reply:
    """PUT: the last piece, or all of it, with the digest."""
    buffer = _buffer(holdings, name, upload)
    if buffer is None or call.query.get("state") != _state(upload):
        return _unknown()
    if _misplaced(call, len(buffer)):
        return _progress(holdings, 416, name, upload, len(buffer))
    repository = holdings.repositories[name]
    reply = holdings.store(repository, name, call.query.get("digest", ""), bytes(buffer) + call.body)
    del repository.uploads[upload]
    return reply


def upload_status(holdings: Holdings, call: Call, name: str, upload: str) -> Reply:  # noqa: ARG001 - every handler's signature
    """GET: how much of an upload has arrived."""
    buffer = _buffer(holdings, name, upload)
    return _unknown() if buffer is None else _progress(holdings, 204, name, upload, len(buffer))


def cancel_upload(holdings: Holdings, call: Call, name: str, upload: str) -> Reply:  # noqa: ARG001 - every handler's signature
    """DELETE: give an upload up."""
    if _buffer(holdings, name, upload) is None:
        return _unknown()
    del holdings.repositories[name].uploads[upload]
    return Reply(204)


def keep_partial(holdings: Holdings, call: Call) -> None:
    """Take what arrived of a piece before its connection was cut."""
    match = re.fullmatch(r"/v2/(.+)/blobs/uploads/([0-9a-f]+)", call.path)
    if match is None or not holdings.keeps_partial or call.method not in {"PATCH", "PUT"}:
        return
    buffer = _buffer(holdings, match[1], match[2])
    if buffer is not None and not _misplaced(call, len(buffer)):
        buffer += call.body


def _misplaced(call: Call, have_bytes: int) -> bool:
    """Whether a piece says that it does not follow what has arrived."""
    said = call.headers.get("content-range")
    if said is None:
        return False
    match = _CONTENT_RANGE.fullmatch(said)
    return match is None or int(match[1]) != have_bytes


def _buffer(holdings: Holdings, name: str, upload: str) -> bytearray | None:
    return holdings.repositories.get(name, Repository()).uploads.get(upload)


def _unknown() -> Reply:
    return Reply.error(404, "BLOB_UPLOAD_UNKNOWN", "upload unknown to registry")


def _progress(holdings: Holdings, code: int, name: str, upload: str, size_bytes: int) -> Reply:
    path = f"/v2/{name}/blobs/uploads/{upload}?state={_state(upload)}"
    headers = {"Location": holdings.location(path), "Docker-Upload-UUID": upload}
    # distribution-spec has no form for "nothing yet"; this one is distribution's
    headers["Range"] = f"0-{max(size_bytes - 1, 0)}"
    return Reply(code, headers)


def _state(upload: str) -> str:
    """What the address of an upload carries besides its name, and has to be sent back as it came."""
    return hashlib.sha256(upload.encode()).hexdigest()[:16]
