from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Iterator

import pytest

from cargoship.errors import ContentInvalid, RegistryRefused, RegistryUnreachable
from cargoship.oci.descriptor import BytesBlob, Descriptor
from cargoship.oci.digest import Digest
from cargoship.registry.client import RegistryClient
from cargoship.testing import Fault, InMemoryRegistry
from support.pushing import REPOSITORY, client_of

_DATA = b"".join(hashlib.sha256(bytes([number % 256, number // 256])).digest() for number in range(20_000))
_BLOB = BytesBlob.of("application/octet-stream", _DATA)


@pytest.fixture
def client(registry: InMemoryRegistry) -> Iterator[RegistryClient]:
    with client_of(registry.host) as client:
        client.upload(REPOSITORY, _BLOB)
        registry.calls.clear()
        yield client


def read(client: RegistryClient, descriptor: Descriptor = _BLOB.descriptor, piece_bytes: int = 10_000) -> bytes:
    with client.open_blob(REPOSITORY, descriptor) as stream:
        return b"".join(iter(lambda: stream.read(piece_bytes), b""))


@pytest.mark.parametrize("piece_bytes", [1000, 70_000, 1 << 20])
def test_a_blob_is_read_as_it_arrives(client: RegistryClient, registry: InMemoryRegistry, piece_bytes: int) -> None:
    stream = client.open_blob(REPOSITORY, _BLOB.descriptor)
    assert registry.calls == []
    assert stream.read(5) == _DATA[:5]
    stream.close()
    assert read(client, piece_bytes=piece_bytes) == _DATA


def test_nothing_is_a_content_too(client: RegistryClient) -> None:
    empty = BytesBlob.of("x", b"")
    client.upload(REPOSITORY, empty)
    assert read(client, empty.descriptor) == b""


@pytest.mark.parametrize("cut", [0, 1, 100_000, len(_DATA) - 1])
def test_a_cut_connection_is_taken_up_where_it_broke(
    client: RegistryClient, registry: InMemoryRegistry, cut: int
) -> None:
    registry.faults.append(Fault("GET", "/blobs/", cut_response=cut, times=2))
    assert read(client) == _DATA
    ranges = [call.headers.get("range") for call in registry.calls]
    assert ranges[0] is None
    if cut == 1:
        assert ranges == [None, "bytes=1-", "bytes=2-"]
    if cut == len(_DATA) - 1:
        assert ranges == [None, f"bytes={cut}-"]


def test_an_answer_that_ends_early_and_looks_whole_is_taken_up_too(
    client: RegistryClient, registry: InMemoryRegistry
) -> None:
    registry.faults.append(Fault("GET", "/blobs/", status=200, body=_DATA[:1000], times=2))
    assert read(client) == _DATA
    assert [call.headers.get("range") for call in registry.calls] == [None, "bytes=1000-", "bytes=1000-"]


def test_a_registry_without_ranges_gives_all_of_it_again(client: RegistryClient, registry: InMemoryRegistry) -> None:
    registry.faults += [
        Fault("GET", "/blobs/", cut_response=100_000),
        Fault("GET", "/blobs/", status=200, body=_DATA),
    ]
    assert read(client) == _DATA


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("GET", "", corrupt=True), ContentInvalid),
        (Fault("GET", "", status=200, body=_DATA + b"x"), ContentInvalid),
        (Fault("GET", "", status=200, body=_DATA[:-1], times=None), ContentInvalid),
        (Fault("GET", "", status=200, body=b"x" * 10_000_000), ContentInvalid),
        (Fault("GET", "", status=404), RegistryRefused),
        (Fault("GET", "", cut_response=0, times=None), RegistryUnreachable),
    ],
)
def test_what_is_not_the_content_never_ends_well(
    client: RegistryClient, registry: InMemoryRegistry, fault: Fault, error: type[Exception]
) -> None:
    registry.faults.append(fault)
    out = io.BytesIO()
    with client.open_blob(REPOSITORY, _BLOB.descriptor) as stream, pytest.raises(error):
        shutil.copyfileobj(stream, out)
    assert len(out.getvalue()) < len(_DATA)


def test_other_bytes_than_those_asked_for_are_refused(client: RegistryClient, registry: InMemoryRegistry) -> None:
    registry.faults += [
        Fault("GET", "/blobs/", cut_response=100_000),
        Fault("GET", "/blobs/", status=206, headers={"Content-Range": "bytes 0-9/10"}, body=_DATA[:10]),
    ]
    with pytest.raises(ContentInvalid, match="other bytes"):
        read(client)


def test_a_blob_that_is_not_there(client: RegistryClient) -> None:
    with pytest.raises(RegistryRefused):
        read(client, Descriptor("x", Digest.of(b"nothing"), 7))


def test_a_rest_is_asked_for_of_the_same_version(client: RegistryClient, registry: InMemoryRegistry) -> None:
    registry.faults.append(Fault("GET", "/blobs/", cut_response=100_000))
    assert read(client) == _DATA
    first, rest = registry.calls
    assert "if-range" not in first.headers
    assert rest.headers["if-range"] == f'"{_BLOB.descriptor.digest}"'
    assert (rest.headers["range"].partition("-")[2], rest.status) == ("", 206)


def test_a_storage_that_cannot_give_the_rest_is_asked_for_the_whole(
    client: RegistryClient, registry: InMemoryRegistry
) -> None:
    registry.faults += [
        Fault("GET", "/blobs/", cut_response=100_000),
        Fault("GET", "/blobs/", status=416),
    ]
    assert read(client) == _DATA
    assert "range" not in registry.calls[-1].headers
