"""Kinds of quirks: what many registries do, each with another request, status or header. `quirks` names them."""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from weakref import WeakKeyDictionary

from cargoship.testing.exchange import Call, Reply
from cargoship.testing.quirk import Answer, Quirk, QuirkyRegistry

_BAD = 400
_NOT_FOUND = 404
UPLOADS = "/blobs/uploads/"


def refusing(method: str, path: str, status: int, query: str = "") -> Quirk:
    """Such requests are refused, always."""

    def quirk(registry: QuirkyRegistry, call: Call, answer: Answer) -> Reply:
        del registry
        if _concerns(call, method, path) and (not query or query in call.query):
            return Reply.error(status, "UNSUPPORTED", "this registry does not do that")
        return answer(call)

    return quirk


def refusing_without(method: str, path: str, status: int, *, query: str, unless: str) -> Quirk:
    """Such requests are refused if they ask for `query` and say nothing of `unless`."""

    def quirk(registry: QuirkyRegistry, call: Call, answer: Answer) -> Reply:
        del registry
        if _concerns(call, method, path) and query in call.query and unless not in call.query:
            return Reply.error(status, "UNSUPPORTED", "this registry does not do that")
        return answer(call)

    return quirk


def restating(method: str, path: str, status: int) -> Quirk:
    """Success is answered with another status."""

    def quirk(registry: QuirkyRegistry, call: Call, answer: Answer) -> Reply:
        del registry
        reply = answer(call)
        good = _concerns(call, method, path) and reply.status < _BAD and "mount" not in call.query
        return replace(reply, status=status) if good else reply

    return quirk


def changing_header(
    method: str, path: str, name: str, change: Callable[[QuirkyRegistry, Call, str], str | None]
) -> Quirk:
    """A header of a good answer is another one, or missing."""

    def quirk(registry: QuirkyRegistry, call: Call, answer: Answer) -> Reply:
        reply = answer(call)
        if not _concerns(call, method, path) or name not in reply.headers:
            return reply
        changed = change(registry, call, reply.headers[name])
        others = {key: text for key, text in reply.headers.items() if key != name}
        return replace(reply, headers=others if changed is None else {**others, name: changed})

    return quirk


def adding_headers(method: str, path: str, headers: Mapping[str, str]) -> Quirk:
    """Answers say more than they have to."""

    def quirk(registry: QuirkyRegistry, call: Call, answer: Answer) -> Reply:
        del registry
        reply = answer(call)
        return replace(reply, headers={**reply.headers, **headers}) if _concerns(call, method, path) else reply

    return quirk


def packing(path: str, encoding: str = "gzip") -> Quirk:
    """Answers come compressed, whatever was asked for."""

    def quirk(registry: QuirkyRegistry, call: Call, answer: Answer) -> Reply:
        del registry
        reply = answer(call)
        if call.method != "GET" or not re.search(path, call.path) or reply.status != 200:  # noqa: PLR2004
            return reply
        return replace(
            reply, headers={**reply.headers, "Content-Encoding": encoding}, body=gzip.compress(reply.body, mtime=0)
        )

    return quirk


def mislabelling(registry: QuirkyRegistry, call: Call, answer: Answer) -> Reply:
    """An object store that takes a compressed layer for a compressed transfer of something else."""
    del registry
    reply = answer(call)
    if call.method != "GET" or "/blobs/sha" not in call.path or not reply.body.startswith(b"\x1f\x8b"):
        return reply
    return replace(reply, headers={**reply.headers, "Content-Encoding": "gzip"})


def patched_first(status: int) -> Quirk:
    """Blobs begin with a PATCH: an upload in one PUT is not known."""

    def quirk(registry: QuirkyRegistry, call: Call, answer: Answer) -> Reply:
        del registry
        if _concerns(call, "PUT", "/blobs/uploads/") and call.body and "content-range" not in call.headers:
            return Reply.error(status, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        return answer(call)

    return quirk


def raced(registry: QuirkyRegistry, call: Call, answer: Answer) -> Reply:
    """Another push has just brought the same blob, and it may not be stored again (sonatype/nexus-public#967)."""
    del registry
    reply = answer(call)
    if not _concerns(call, "PUT", "/blobs/uploads/") or reply.status >= _BAD:
        return reply
    detail = f"docker-hosted/v2/-/blobs/{call.query.get('digest')} cannot be updated"
    error = {"code": "BLOB_UPLOAD_INVALID", "message": "blob upload invalid", "detail": detail}
    return Reply(_BAD, {"Content-Type": "application/json"}, json.dumps({"errors": [error]}).encode())


class OnlyOnce:
    """Another quirk for the first request that it concerns, in each registry."""

    def __init__(
        self,
        method: str,
        path: str,
        status: int,
        *,
        skip: int = 0,
        headers: Mapping[str, str] | None = None,
        code: str | None = None,
    ) -> None:
        self._method = method
        self._path = path
        self._reply = Reply(status, headers or {}) if code is None else Reply.error(status, code, "nobody knows it")
        self._skip = skip
        self._counts: WeakKeyDictionary[QuirkyRegistry, int] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def __call__(self, registry: QuirkyRegistry, call: Call, answer: Answer) -> Reply:
        """See `Quirk`."""
        if not _concerns(call, self._method, self._path):
            return answer(call)
        with self._lock:
            count = self._counts[registry] = self._counts.get(registry, -1) + 1
        return self._reply if count == self._skip else answer(call)


def remembering(registry: QuirkyRegistry, call: Call, answer: Answer) -> Reply:
    """HEAD answers from a memory of what a clean-up has removed since (distribution/distribution#4702)."""
    del registry
    reply = answer(call)
    if _concerns(call, "HEAD", "/blobs/sha") and reply.status == _NOT_FOUND:
        return Reply(200, {"Docker-Content-Digest": call.path.rpartition("/")[2]})
    return reply


def mounting_in_words(registry: QuirkyRegistry, call: Call, answer: Answer) -> Reply:
    """A mount is answered as if it had been done."""
    del registry
    if _concerns(call, "POST", UPLOADS) and "mount" in call.query:
        path = call.path.removesuffix("/").removesuffix("/uploads")
        return Reply(201, {"Location": f"{path}/{call.query['mount']}"})
    return answer(call)


def sending_to_storage(registry: QuirkyRegistry, call: Call, answer: Answer) -> Reply:
    """Questions for a blob are sent to an object store, whose signature is for reading alone."""
    reply = answer(call)
    if _concerns(call, "HEAD", "/blobs/sha") and reply.status < _BAD:
        return Reply(307, {"Location": f"{registry.storage_url}{call.path}?signature=for-reading"})
    return reply


def typed_as(change: Callable[[str], str | None]) -> Quirk:
    """Manifests come as something else."""
    return changing_header("GET|HEAD", "/manifests/", "Content-Type", lambda _registry, _call, text: change(text))


def linking(change: Callable[[Call], str]) -> Quirk:
    """The list of tags names a next page, as `change` has it."""

    def quirk(registry: QuirkyRegistry, call: Call, answer: Answer) -> Reply:
        del registry
        reply = answer(call)
        if not call.path.endswith("/tags/list") or "last" in call.query:
            return reply
        return replace(reply, headers={**reply.headers, "Link": change(call)})

    return quirk


def _concerns(call: Call, method: str, path: str) -> bool:
    """Whether a call is such a request; `method` and `path` are regular expressions."""
    return re.fullmatch(method, call.method) is not None and re.search(path, call.path) is not None
