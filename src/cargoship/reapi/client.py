"""Content by its digest, and results of actions, at one server. Every byte that is read is checked.

Only servers that go by SHA-256 are spoken to. Blobs of a few bytes travel together, others in streams. A server may
forget any of them at any time: what is not there is None, or missing, and never an error.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cargoship.errors import ContentInvalid, RemoteFailed
from cargoship.http import parallel
from cargoship.http.metered import Meter
from cargoship.http.retry import with_retries
from cargoship.oci.descriptor import Blob, Descriptor
from cargoship.oci.digest import Digest
from cargoship.reapi.channel import FIRST_CONTACT, GrpcChannel, NotThere, check_status
from cargoship.reapi.schema import SHA256, message_class

OCTETS = "application/octet-stream"
"""The media type of blobs that are known by their digest alone."""
_BATCH_BYTES = 4 << 20
"""What gRPC takes where nobody says otherwise; some of it is for the frame."""
_BATCH_ROOM = 64 << 10
_BLOB_ROOM = 200
_ASKED_MAX = 5_000
"""Digests in one question."""
_CHUNK_BYTES = 512 << 10
_STREAMS = 4
_CAPABILITIES_S = 10.0
OUTPUTS_MAX = 1_000


@dataclass(frozen=True)
class Capabilities:
    """What a server says that it can do."""

    batch_bytes: int
    blob_bytes_max: int | None
    updates_results: bool


@dataclass
class _Known:
    lock: threading.Lock = field(default_factory=threading.Lock)
    capabilities: Capabilities | None = None


@dataclass(frozen=True)
class ReapiClient:
    """A client of one instance of a server. Its methods raise RemoteFailed, ContentInvalid, Stopped, ToolMissing."""

    channel: GrpcChannel
    instance: str = ""
    meter: Meter | None = field(default=None, repr=False)
    known: _Known = field(default_factory=_Known, repr=False)

    def capabilities(self) -> Capabilities:
        """What the server can do; it is asked once. Raises RemoteFailed for one that does not know SHA-256."""
        with self.known.lock:
            if self.known.capabilities is None:
                request = message_class("GetCapabilitiesRequest")(instance_name=self.instance)
                try:
                    answer = self.channel.unary(
                        "GetCapabilities", request, timeout_s=_CAPABILITIES_S, policy=FIRST_CONTACT
                    )
                except NotThere as error:
                    raise RemoteFailed(f"{self.channel.name} has no instance {self.instance!r}") from error
                self.known.capabilities = self._read_capabilities(answer)
            return self.known.capabilities

    def missing(self, wanted: Iterable[Descriptor]) -> set[Digest]:
        """Which of these blobs are not there. Those that are will be kept for a while."""
        self.capabilities()
        unique = list({each.digest: each for each in wanted}.values())
        found: set[Digest] = set()
        for start in range(0, len(unique), _ASKED_MAX):
            asked = unique[start : start + _ASKED_MAX]
            request = message_class("FindMissingBlobsRequest")(instance_name=self.instance, digest_function=SHA256)
            request.blob_digests.extend(message_digest(each) for each in asked)
            try:
                answer = self.channel.unary("FindMissingBlobs", request, size_bytes=len(asked) * _BLOB_ROOM)
            except NotThere as error:
                raise RemoteFailed(f"{self.channel.name} has no instance {self.instance!r}") from error
            names = {each.digest.hex: each.digest for each in asked}
            found |= {names[each.hash] for each in answer.missing_blob_digests if each.hash in names}
        return found

    def upload(self, blobs: Sequence[Blob]) -> list[Blob]:
        """Send those of the blobs that are not there; which ones these were. Also raises OSError."""
        lacking = self.missing(blob.descriptor for blob in blobs)
        wanted = {blob.descriptor.digest: blob for blob in blobs if blob.descriptor.digest in lacking}
        can = self.capabilities()
        if can.blob_bytes_max is not None:
            for blob in wanted.values():
                if blob.descriptor.size_bytes > can.blob_bytes_max:
                    raise RemoteFailed(
                        f"{self.channel.name} takes no blob of {blob.descriptor.size_bytes} bytes:"
                        f" {can.blob_bytes_max} at most"
                    )
        small = [blob for blob in wanted.values() if blob.descriptor.size_bytes <= can.batch_bytes // 4]
        work: list[Callable[[], None]] = [
            lambda batch=batch: self._send_batch(batch)  # type: ignore[misc]
            for batch in _batches(small, can.batch_bytes)
        ]
        large = [blob for blob in wanted.values() if blob.descriptor.size_bytes > can.batch_bytes // 4]
        work += [
            lambda blob=blob: self._send_stream(blob)  # type: ignore[misc]
            for blob in sorted(large, key=lambda blob: -blob.descriptor.size_bytes)
        ]
        if work:
            for _ in parallel.each(lambda send: send(), work, jobs=_STREAMS, budget=self.channel.budget):
                pass
        return list(wanted.values())

    def read(self, wanted: Descriptor) -> bytes | None:
        """A whole blob, which is what its digest says; None where it is not there."""
        data = self.read_range(wanted, 0, wanted.size_bytes)
        if data is not None and not wanted.digest.names(data):
            raise ContentInvalid(f"{self.channel.name} has another content than {wanted.digest.brief}")
        return data

    def read_range(self, wanted: Descriptor, offset: int, length: int) -> bytes | None:
        """Some bytes of a blob, which nobody has checked; None where it is not there."""
        if length == 0:
            return b""
        self.capabilities()
        request = message_class("ReadRequest")(
            resource_name=self._resource(f"blobs/{wanted.digest.hex}/{wanted.size_bytes}"),
            read_offset=offset,
            read_limit=0 if offset + length == wanted.size_bytes else length,
        )
        try:
            data = self.channel.received("Read", request, lambda found: self._joined(found, length), size_bytes=length)
        except NotThere:
            return None
        if len(data) != length:
            raise ContentInvalid(f"{self.channel.name} has {wanted.digest.brief} with another length")
        return data

    def result(self, action: Descriptor) -> Mapping[str, Descriptor] | None:
        """The files that an action has made, by path, as the action cache has them; None where it has nothing."""
        self.capabilities()
        request = message_class("GetActionResultRequest")(
            instance_name=self.instance, action_digest=message_digest(action), digest_function=SHA256
        )
        try:
            answer = self.channel.unary("GetActionResult", request)
        except NotThere:
            return None
        if len(answer.output_files) > OUTPUTS_MAX:
            raise ContentInvalid(f"{self.channel.name} has a result with {len(answer.output_files)} files")
        return {file.path: read_digest(file.digest) for file in answer.output_files}

    def put_result(self, action: Descriptor, outputs: Mapping[str, Descriptor]) -> None:
        """Write down what an action has made; its files have to be there."""
        if not self.capabilities().updates_results:
            raise RemoteFailed(f"{self.channel.name} lets nobody write its action cache")
        request = message_class("UpdateActionResultRequest")(
            instance_name=self.instance, action_digest=message_digest(action), digest_function=SHA256
        )
        for path, output in sorted(outputs.items()):
            request.action_result.output_files.add(path=path, digest=message_digest(output))
        try:
            self.channel.unary("UpdateActionResult", request)
        except NotThere as error:
            raise RemoteFailed(f"{self.channel.name} has lost what was just sent to it") from error

    def close(self) -> None:
        """Let go of connections, and end what other threads wait for."""
        self.channel.close()

    def _read_capabilities(self, answer: Any) -> Capabilities:  # noqa: ANN401
        cache = answer.cache_capabilities
        if cache.digest_functions and SHA256 not in cache.digest_functions:
            raise RemoteFailed(f"{self.channel.name} does not name content by SHA-256")
        # a limit of 0 is none, but then gRPC's own holds
        batch = min(cache.max_batch_total_size_bytes or _BATCH_BYTES, _BATCH_BYTES) - _BATCH_ROOM
        return Capabilities(
            batch_bytes=max(batch, 0),
            blob_bytes_max=cache.max_cas_blob_size_bytes or None,
            updates_results=cache.action_cache_update_capabilities.update_enabled,
        )

    def _send_batch(self, blobs: Sequence[Blob]) -> None:
        request = message_class("BatchUpdateBlobsRequest")(instance_name=self.instance, digest_function=SHA256)
        for blob in blobs:
            with blob.open() as stream:
                # a file that has grown meanwhile is another one: the server will say so
                data = stream.read(blob.descriptor.size_bytes + 1)
            request.requests.add(digest=message_digest(blob.descriptor), data=data)
        left = {each.digest.hash for each in request.requests}

        def attempt() -> None:
            for done in [blob for blob in request.requests if blob.digest.hash not in left]:
                request.requests.remove(done)
            size = request.ByteSize()
            answer = self.channel.unary("BatchUpdateBlobs", request, size_bytes=size)
            for response in answer.responses:
                if not response.status.code:
                    left.discard(response.digest.hash)
            for response in answer.responses:
                check_status(response.status, self.channel.name)
            if left:
                raise RemoteFailed(f"{self.channel.name} did not say what became of {len(left)} blobs")

        sent = sum(len(each.data) for each in request.requests)
        try:
            with_retries(attempt, budget=self.channel.budget, retry_policy=self.channel.policy)
        except NotThere as error:
            raise RemoteFailed(f"{self.channel.name} has no instance {self.instance!r}") from error
        self._moved(sent_bytes=sent)

    def _send_stream(self, blob: Blob) -> None:
        wanted = blob.descriptor
        failed: list[OSError] = []

        def begin() -> Iterable[object]:
            # grpcio reads in a thread of its own, and does not tell why that went wrong
            if failed:
                raise failed[0]
            return pieces()

        def pieces() -> Iterator[object]:
            try:
                yield from written()
            except OSError as error:
                failed.append(error)
                raise

        def written() -> Iterator[object]:
            name = self._resource(f"uploads/{uuid.uuid4()}/blobs/{wanted.digest.hex}/{wanted.size_bytes}")
            write, offset = message_class("WriteRequest"), 0
            with blob.open() as stream:
                while True:
                    data = stream.read(_CHUNK_BYTES)
                    last = len(data) < _CHUNK_BYTES or offset + len(data) >= wanted.size_bytes
                    yield write(resource_name="" if offset else name, write_offset=offset, data=data, finish_write=last)
                    offset += len(data)
                    self._moved(sent_bytes=len(data))
                    if last:
                        return

        try:
            answer = self.channel.sent("Write", begin, size_bytes=wanted.size_bytes)
        except NotThere as error:
            raise RemoteFailed(f"{self.channel.name} has no instance {self.instance!r}") from error
        if answer.committed_size not in {wanted.size_bytes, -1}:
            raise RemoteFailed(f"{self.channel.name} took {answer.committed_size} of {wanted.size_bytes} bytes")

    def _joined(self, found: Iterator[Any], length: int) -> bytes:
        pieces: list[bytes] = []
        size = 0
        for piece in found:
            size += len(piece.data)
            if size > length:
                raise ContentInvalid(f"{self.channel.name} sends more than was asked for")
            pieces.append(piece.data)
            self._moved(received_bytes=len(piece.data))
        return b"".join(pieces)

    def _resource(self, name: str) -> str:
        return f"{self.instance}/{name}" if self.instance else name

    def _moved(self, *, sent_bytes: int = 0, received_bytes: int = 0) -> None:
        if self.meter is not None:
            self.meter.add(sent_bytes=sent_bytes, received_bytes=received_bytes)


def read_digest(found: Any) -> Descriptor:  # noqa: ANN401
    """A digest that a server has sent; raises ContentInvalid."""
    if found.size_bytes < 0:
        raise ContentInvalid(f"a server names {found.size_bytes} bytes")
    return Descriptor(OCTETS, Digest.parse(f"sha256:{found.hash}"), found.size_bytes)


def message_digest(of: Descriptor) -> Any:  # noqa: ANN401
    """A digest as a message."""
    return message_class("Digest")(hash=of.digest.hex, size_bytes=of.size_bytes)


def _batches(blobs: Sequence[Blob], batch_bytes: int) -> Iterator[list[Blob]]:
    batch: list[Blob] = []
    size = 0
    for blob in blobs:
        needs = blob.descriptor.size_bytes + _BLOB_ROOM
        if batch and size + needs > batch_bytes:
            yield batch
            batch, size = [], 0
        batch.append(blob)
        size += needs
    if batch:
        yield batch
