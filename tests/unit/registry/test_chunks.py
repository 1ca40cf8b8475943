"""Uploads in pieces: what is sent, and what a cut costs."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass, replace
from typing import BinaryIO

import pytest

from cargoship.errors import CargoshipError, ContentInvalid, Forbidden, RegistryRefused
from cargoship.oci.descriptor import BytesBlob, Descriptor
from cargoship.registry.auth.credentials import FixedCredentials
from cargoship.registry.auth.entries import Login
from cargoship.registry.chunks import Chunks, takes_chunks
from cargoship.registry.upload import BlobOutcome
from cargoship.testing import Call, Fault, InMemoryRegistry, InMemoryTransport, TokenAuth
from cargoship.testing.content_api import ContentApi
from support.pushing import REPOSITORY, client_of
from support.virtual import VirtualBudget

_ADDRESS = "https://registry.example"
_HOST = "registry.example"
_CHUNKS = Chunks(whole_bytes=99, chunk_bytes=100)
_DATA = bytes(range(256)) + b"the last piece is a shorter one"
_BLOB = BytesBlob.of("application/octet-stream", _DATA)


def _upload(registry: InMemoryRegistry, blob: BytesBlob = _BLOB, **options: object) -> BlobOutcome:
    transport = InMemoryTransport(registry)
    with client_of(registry.host, transport=transport, chunks=_CHUNKS, **options) as client:  # type: ignore[arg-type]
        return client.upload(REPOSITORY, blob)


def _registry(*faults: Fault, **contents: object) -> InMemoryRegistry:
    held = ContentApi(**contents)  # type: ignore[arg-type]
    return InMemoryRegistry(address=_ADDRESS, contents=held, faults=[replace(fault) for fault in faults])


def _sent(registry: InMemoryRegistry) -> list[tuple[str, str | None, int]]:
    """Method, place and length of every piece that arrived whole."""
    return [
        (call.method, call.headers.get("content-range"), len(call.body))
        for call in registry.calls
        if call.method in {"PATCH", "PUT"} and call.status in {202, 201}
    ]


_LAST = len(_DATA) - 200
_PIECES = [("PATCH", "0-99", 100), ("PATCH", "100-199", 100), ("PUT", f"200-{len(_DATA) - 1}", _LAST)]
_WHOLE = [("PUT", None, len(_DATA))]


@pytest.mark.parametrize(
    ("size_bytes", "sent"),
    [
        (0, [("PUT", None, 0)]),
        (99, [("PUT", None, 99)]),
        (100, [("PUT", None, 100)]),
        (101, [("PATCH", "0-99", 100), ("PUT", "100-100", 1)]),
        (200, [("PATCH", "0-99", 100), ("PUT", "100-199", 100)]),
        (len(_DATA), _PIECES),
    ],
)
def test_a_large_blob_goes_in_pieces(size_bytes: int, sent: list[tuple[str, str | None, int]]) -> None:
    registry = _registry()
    blob = BytesBlob.of("application/octet-stream", _DATA[:size_bytes])
    assert _upload(registry, blob) is BlobOutcome.PUSHED
    assert _sent(registry) == sent
    assert registry.contents.blobs[str(blob.descriptor.digest)] == _DATA[:size_bytes]


@dataclass
class _Watched:
    """A blob that knows from where to where it was read."""

    blob: BytesBlob
    read: list[tuple[int, int]]

    @property
    def descriptor(self) -> Descriptor:
        return self.blob.descriptor

    def open(self) -> BinaryIO:
        stream = io.BytesIO(self.blob.data)
        whole_read = stream.read

        def read(size: int | None = -1, /) -> bytes:
            start = stream.tell()
            data = whole_read(size)
            if data:
                self.read.append((start, start + len(data)))
            return data

        stream.read = read  # type: ignore[method-assign]
        return stream


def test_what_goes_in_pieces_is_read_once() -> None:
    registry = _registry()
    watched = _Watched(_BLOB, [])
    _upload(registry, watched)  # type: ignore[arg-type]
    assert _sent(registry) == _PIECES
    assert watched.read == [(0, 100), (100, 200), (200, len(_DATA))]


def test_a_cut_has_only_the_piece_read_again_that_it_has_cost() -> None:
    registry = _registry(Fault("PATCH", "", cut_request=40, skip=1))
    watched = _Watched(_BLOB, [])
    _upload(registry, watched)  # type: ignore[arg-type]
    again = [start for start, _ in watched.read]
    assert again[0] == 0
    assert again.count(0) == 1
    assert sum(end - start for start, end in watched.read) <= len(_DATA) + 100


def test_pieces_are_as_large_as_the_registry_wants_them() -> None:
    registry = _registry(chunk_bytes_min=250)
    _upload(registry)
    assert [length for _, _, length in _sent(registry)] == [250, len(_DATA) - 250]


@pytest.mark.parametrize(
    ("size_bytes", "seconds", "after"),
    [
        (100, 0.0, 400),
        (100, 2.5, 200),
        (400, 0.1, 1000),
        (1000, 5.0, 1000),
        (1000, 50.0, 100),
        (1000, 0.5, 1000),
        (0, 9.0, 100),
    ],
)
def test_pieces_are_what_goes_through_in_some_seconds(size_bytes: int, seconds: float, after: int) -> None:
    assert Chunks(99, 100, grown_bytes=1000).after(size_bytes, seconds) == after
    assert Chunks(99, 100).after(size_bytes, seconds) == 100


def test_pieces_grow_on_a_fast_line() -> None:
    registry = _registry()
    blob = BytesBlob.of("application/octet-stream", bytes(1200))
    transport = InMemoryTransport(registry)
    with client_of(_HOST, transport=transport, chunks=Chunks(99, 100, grown_bytes=500)) as client:
        assert client.upload(REPOSITORY, blob) is BlobOutcome.PUSHED
    assert [length for _, _, length in _sent(registry)] == [100, 400, 500, 200]


def test_pieces_shrink_on_a_slow_line() -> None:
    budget = VirtualBudget(600.0)
    registry = InMemoryRegistry(
        address=_ADDRESS, sleep=budget.pass_by, faults=[Fault("PATCH", "", delay_s=20.0, skip=1, times=None)]
    )
    blob = BytesBlob.of("application/octet-stream", bytes(800))
    transport = InMemoryTransport(registry, sleep=budget.pass_by)
    with client_of(_HOST, transport=transport, budget=budget, chunks=Chunks(99, 100, grown_bytes=500)) as client:
        assert client.upload(REPOSITORY, blob) is BlobOutcome.PUSHED
    assert [length for _, _, length in _sent(registry)] == [100, 400, 100, 100, 100]


@pytest.mark.parametrize("words", ["", "x", "-5", "1e3", "9" * 30])
def test_a_smallest_piece_that_is_no_number_is_not_believed(words: str) -> None:
    registry = _registry()
    location = {"Location": "/v2/me/app/blobs/uploads/1", "OCI-Chunk-Min-Length": words}
    registry.faults.append(Fault("POST", "", status=202, headers=location))
    _upload(registry)
    assert registry.contents.blobs


@pytest.mark.parametrize(
    ("fault", "again_bytes"),
    [
        # how much of the blob is sent a second time
        (Fault("PATCH", "", cut_request=40, skip=1), 0),
        (Fault("PATCH", "", cut_response=0), 0),
        (Fault("PATCH", "", status=503, skip=1), 0),
        (Fault("PATCH", "", status=429, times=3), 0),
        (Fault("PUT", "/uploads/", cut_request=10), 0),
        (Fault("PUT", "/uploads/", status=502, times=3), 0),
    ],
)
def test_what_has_arrived_is_not_sent_again(fault: Fault, again_bytes: int) -> None:
    registry = _registry(fault)
    assert _upload(registry) is BlobOutcome.PUSHED
    arrived = sum(len(call.body) for call in registry.calls if call.method in {"PATCH", "PUT"} and call.status != 503)
    assert arrived - len(_DATA) in {again_bytes, *([100, 300, _LAST * 3] if fault.status else [])}
    assert [call.method for call in registry.calls].count("POST") == 1
    assert registry.contents.blobs[str(_BLOB.descriptor.digest)] == _DATA


def test_a_request_for_what_has_arrived_whole_has_no_range() -> None:
    registry = _registry(Fault("PUT", "/uploads/", cut_request=_LAST))
    assert _upload(registry) is BlobOutcome.PUSHED
    assert _sent(registry) == [*_PIECES[:2], ("PUT", None, 0)]


def test_each_piece_has_a_patience_of_its_own() -> None:
    registry = _registry(*(Fault("PATCH", "", status=503, skip=0, times=5) for _ in range(2)))
    registry.faults[1].skip = 1
    assert _upload(registry) is BlobOutcome.PUSHED


@pytest.mark.parametrize(
    "fault",
    [
        # a registry that gives up an upload whose connection broke, as distribution does
        Fault("PATCH", "", cut_request=40, skip=1),
        Fault("GET", "/uploads/", status=404),
        Fault("GET", "/uploads/", status=416),
        Fault("GET", "/uploads/", status=204),
        Fault("GET", "/uploads/", status=204, headers={"Range": "0-999999"}),
    ],
)
def test_an_upload_that_is_lost_begins_anew(fault: Fault) -> None:
    registry = _registry(fault, *(Fault("PATCH", "", cut_response=0),) if fault.method == "GET" else ())
    if fault.method == "PATCH":
        registry.faults.append(Fault("GET", "/uploads/", status=404))
    assert _upload(registry) is BlobOutcome.PUSHED
    assert [call.method for call in registry.calls].count("POST") == 2
    assert registry.contents.blobs[str(_BLOB.descriptor.digest)] == _DATA


@pytest.mark.parametrize("status", [400, 404, 405, 411, 415, 416, 501])
def test_a_registry_without_pieces_gets_the_whole(status: int) -> None:
    registry = _registry(Fault("PATCH", "", status=status, times=None))
    with client_of(_HOST, transport=InMemoryTransport(registry), chunks=_CHUNKS) as client:
        client.upload(REPOSITORY, _BLOB)
        assert _sent(registry) == _WHOLE
        registry.calls.clear()
        client.upload("me/other", _BLOB)
    # and is not tried again
    assert [call.method for call in registry.calls] == ["HEAD", "POST", "PUT"]


def test_a_registry_that_spoils_pieces_gets_the_whole() -> None:
    registry = _registry(Fault("PUT", "/uploads/", status=400, body=b'{"errors":[{"code":"DIGEST_INVALID"}]}'))
    assert _upload(registry) is BlobOutcome.PUSHED
    assert _sent(registry)[-1:] == _WHOLE


@pytest.mark.parametrize(
    ("registry", "expected"),
    [
        ("europe-docker.pkg.dev", False),
        ("gcr.io", False),
        ("eu.gcr.io", False),
        ("ghcr.io", False),
        ("notghcr.io", True),
        ("docker.io", True),
        ("notgcr.io", True),
        ("localhost:5000", True),
    ],
)
def test_google_and_github_take_no_pieces(registry: str, *, expected: bool) -> None:
    assert takes_chunks(registry) is expected


def test_a_registrys_own_count_is_believed() -> None:
    registry = _registry()
    location = {"Location": "/v2/me/app/blobs/uploads/1", "Range": "0-49"}
    # it has taken half of a piece only
    registry.faults.append(Fault("PATCH", "", status=202, headers=location))
    seen: list[str | None] = []
    _upload_until_refused(registry, seen)
    assert seen[:2] == ["0-99", "50-149"]


def test_a_registry_that_puts_the_count_right_is_followed() -> None:
    registry = _registry(Fault("PATCH", "", status=416, headers={"Range": "0-29"}))
    seen: list[str | None] = []
    _upload_until_refused(registry, seen)
    assert seen[:2] == ["0-99", "30-129"]


def _upload_until_refused(registry: InMemoryRegistry, seen: list[str | None]) -> None:
    registry.faults.append(Fault("PATCH", "", status=403, times=None))
    with pytest.raises(Forbidden):
        _upload(registry)
    seen += [call.headers.get("content-range") for call in registry.calls if call.method == "PATCH"]


@pytest.mark.parametrize(
    "reply",
    [
        Fault("PATCH", "", status=202, headers={"Range": "0-5000"}, times=None),
        Fault("PATCH", "", status=416, headers={"Range": "0-5000"}, times=None),
        Fault("PATCH", "", status=416, headers={"Range": "0-0"}, times=None),
        Fault("PATCH", "", status=416, times=None),
        Fault("PATCH", "", status=202, headers={"Range": "0-0"}, times=None),
    ],
)
def test_a_registry_that_cannot_count_does_not_hold_anybody_up(reply: Fault) -> None:
    registry = _registry(reply)
    with contextlib.suppress(CargoshipError):
        assert _upload(registry) is BlobOutcome.PUSHED
    assert len(registry.calls) < 150


def test_a_token_that_expires_between_pieces_costs_no_piece() -> None:
    auth = TokenAuth("u", "p")
    registry = _registry()
    registry.auth = auth

    class Expiring(InMemoryTransport):
        def send(self, request: object) -> object:  # type: ignore[override]
            if request.method == "PATCH":  # type: ignore[attr-defined]
                auth.revoke() if not any(call.method == "PATCH" for call in registry.calls) else None
            return super().send(request)  # type: ignore[arg-type]

    credentials = FixedCredentials(_HOST, Login("u", "p"))
    with client_of(_HOST, transport=Expiring(registry), chunks=_CHUNKS, credentials=credentials) as client:  # type: ignore[arg-type]
        assert client.upload(REPOSITORY, _BLOB) is BlobOutcome.PUSHED
    assert _sent(registry) == _PIECES
    assert [call.method for call in registry.calls].count("POST") == 1


@dataclass(frozen=True)
class _Stream:
    """A blob that arrives from elsewhere."""

    data: bytes
    opened: list[int]

    @property
    def descriptor(self) -> Descriptor:
        return BytesBlob.of("application/octet-stream", self.data).descriptor

    def open(self) -> BinaryIO:
        self.opened.append(1)
        stream = io.BytesIO(self.data)
        stream.seekable = lambda: False  # type: ignore[method-assign]
        return stream


def test_what_cannot_be_read_from_the_middle_goes_whole_and_is_read_again_after_a_cut() -> None:
    registry = _registry(Fault("PUT", "/uploads/", cut_request=70))
    blob = _Stream(_DATA, [])
    with client_of(_HOST, transport=InMemoryTransport(registry), chunks=_CHUNKS) as client:
        assert client.upload(REPOSITORY, blob) is BlobOutcome.PUSHED
    assert _sent(registry) == [("PUT", f"70-{len(_DATA) - 1}", len(_DATA) - 70)]


def test_a_file_that_shrinks_is_reported(tmp_path: object) -> None:
    del tmp_path
    registry = _registry()
    blob = BytesBlob(replace(_BLOB.descriptor, size_bytes=len(_DATA) + 100), _DATA)
    with pytest.raises(ContentInvalid, match="is not the"):
        _upload(registry, blob)


def test_a_quota_in_the_middle_is_reported() -> None:
    body = b'{"errors":[{"code":"DENIED","message":"storage quota exceeded"}]}'
    registry = _registry(Fault("PATCH|PUT", "/uploads/", status=403, body=body, times=None))
    with pytest.raises(RegistryRefused, match="quota exceeded") as raised:
        _upload(registry)
    assert "storage is used up" in (raised.value.hint or "")


def test_calls_are_those_of_the_specification() -> None:
    registry = _registry()
    _upload(registry)
    calls: list[Call] = registry.calls
    assert [call.method for call in calls] == ["HEAD", "POST", "PATCH", "PATCH", "PUT"]
    assert all("state" in call.query for call in calls[2:])
    assert calls[-1].query["digest"] == str(_BLOB.descriptor.digest)
