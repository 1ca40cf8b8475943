from __future__ import annotations

import json
from pathlib import Path

import pytest

from cargoship.errors import ContentInvalid, OutputError, RegistryRefused, RegistryUnreachable, Unauthorized
from cargoship.oci.descriptor import BytesBlob, Descriptor, MediaType
from cargoship.oci.digest import Digest
from cargoship.oci.index import Index
from cargoship.oci.reference import Reference
from cargoship.registry.auth.credentials import FixedCredentials
from cargoship.registry.auth.entries import Login
from cargoship.registry.client import RegistryClient
from cargoship.registry.pull import fetch_index
from cargoship.testing import BasicAuth, Fault, InMemoryRegistry
from support.images import small_index
from support.pushing import REPOSITORY, client_of, push


def _fetch(client: RegistryClient, index: Index | None = None) -> object:
    tag = None if index else "1"
    return fetch_index(client, Reference(client.registry, REPOSITORY, tag, index.digest if index else None))


@pytest.mark.parametrize("by_digest", [True, False])
def test_an_index_is_read_with_all_that_describes_it(by_digest: bool, index: Index, registry: InMemoryRegistry) -> None:  # noqa: FBT001
    with client_of(registry.host) as client:
        push(client, index, "1")
        reference = Reference(registry.host, REPOSITORY, "1", index.digest if by_digest else None)
        found = fetch_index(client, reference)
    assert found.reference == Reference(registry.host, REPOSITORY, digest=index.digest)
    assert found.root == index.blob
    assert [image.descriptor for image in found.images] == [image.descriptor for image in index.children]
    assert [image.manifest for image in found.images] == [image.manifest_blob for image in index.children]
    assert [image.config.data for image in found.images] == [image.raw_config for image in index.children]


def test_a_single_image_is_read_too(index: Index, registry: InMemoryRegistry) -> None:
    image = index.children[0]
    with client_of(registry.host) as client:
        push(client, index, "1")
        found = fetch_index(client, Reference(registry.host, REPOSITORY, digest=image.digest))
    assert found.root == image.manifest_blob
    assert [child.config.data for child in found.images] == [image.raw_config]


def test_an_index_inside_an_index_is_flattened(index: Index, registry: InMemoryRegistry) -> None:
    inner = index.descriptor
    document = {
        "schemaVersion": 2,
        "manifests": [{"mediaType": inner.media_type, "digest": str(inner.digest), "size": inner.size_bytes}],
    }
    outer = BytesBlob.of(MediaType.OCI_INDEX, json.dumps(document).encode())
    with client_of(registry.host) as client:
        push(client, index)
        client.put_manifest(REPOSITORY, "1", outer)
        found = fetch_index(client, Reference(registry.host, REPOSITORY, "1"))
    assert [child.descriptor.digest for child in found.images] == [image.digest for image in index.children]


@pytest.mark.parametrize("path", ["/manifests/1$", "/manifests/sha256:", "/blobs/sha256:"])
@pytest.mark.parametrize(
    "fault",
    [
        Fault("", "", status=503),
        Fault("", "", cut_response=0),
        Fault("", "", cut_response=20),
    ],
)
def test_trouble_that_passes_does_not_stop_a_pull(path: str, fault: Fault, index: Index) -> None:
    with InMemoryRegistry() as registry, client_of(registry.host) as client:
        push(client, index, "1")
        registry.faults.append(Fault("GET", path, status=fault.status, cut_response=fault.cut_response, times=2))
        _fetch(client)
        assert registry.faults[0].hits == 2


@pytest.mark.parametrize("path", ["/manifests/1$", "/manifests/sha256:", "/blobs/sha256:"])
def test_other_content_is_refused(path: str, index: Index) -> None:
    faults = [Fault("GET", path, corrupt=True, times=None)]
    with InMemoryRegistry(faults=faults) as registry, client_of(registry.host) as client:
        push(client, index, "1")
        with pytest.raises(ContentInvalid):
            _fetch(client)


@pytest.mark.parametrize(
    ("headers", "body", "words"),
    [
        ({"Content-Type": MediaType.OCI_INDEX}, b" " * ((4 << 20) + 1), "larger than"),
        ({"Content-Type": MediaType.OCI_INDEX}, b"no json", "not JSON"),
        ({"Content-Type": MediaType.OCI_INDEX}, b"[]", "not a manifest"),
        ({"Content-Type": "text/html"}, b"{}", "no image"),
        (
            {"Content-Type": MediaType.OCI_INDEX},
            b'{"mediaType":"' + MediaType.OCI_MANIFEST.encode() + b'"}',
            "says that",
        ),
        ({"Content-Type": MediaType.OCI_INDEX}, b'{"schemaVersion":2}', "not valid"),
        ({"Docker-Content-Digest": "sha256:" + "0" * 64}, b"{}", "gave sha256:"),
    ],
)
def test_nonsense_is_refused(headers: dict[str, str], body: bytes, words: str) -> None:
    faults = [Fault("GET", "/manifests/1", status=200, headers=headers, body=body)]
    with (
        InMemoryRegistry(faults=faults) as registry,
        client_of(registry.host) as client,
        pytest.raises(ContentInvalid, match=words),
    ):
        _fetch(client)


def test_an_index_that_contains_itself_in_depth_is_refused(registry: InMemoryRegistry) -> None:
    with client_of(registry.host) as client:
        inner = BytesBlob.of(MediaType.OCI_INDEX, b'{"schemaVersion":2,"manifests":[]}')
        for _ in range(6):
            client.put_manifest(REPOSITORY, "1", inner)
            entry = {"mediaType": inner.descriptor.media_type, "digest": str(inner.descriptor.digest)}
            document = {"schemaVersion": 2, "manifests": [entry | {"size": inner.descriptor.size_bytes}]}
            inner = BytesBlob.of(MediaType.OCI_INDEX, json.dumps(document).encode())
        client.put_manifest(REPOSITORY, "1", inner)
        with pytest.raises(ContentInvalid, match="more in it than is accepted"):
            _fetch(client)


def _index_of(count: int, kind: str, size_bytes: int) -> bytes:
    entries = [
        {"mediaType": kind, "digest": str(Digest.of(str(number).encode())), "size": size_bytes}
        for number in range(count)
    ]
    return json.dumps({"schemaVersion": 2, "manifests": entries}).encode()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (_index_of(1001, MediaType.OCI_MANIFEST, 7), "more in it than is accepted"),
        (_index_of(1, MediaType.OCI_MANIFEST, 1 << 40), "too many for a manifest"),
        (_index_of(1, MediaType.OCI_INDEX, 1 << 40), "too many for a manifest"),
    ],
)
def test_an_index_of_too_much_is_refused(body: bytes, words: str) -> None:
    faults = [Fault("GET", "/manifests/1", status=200, headers={"Content-Type": MediaType.OCI_INDEX}, body=body)]
    with (
        InMemoryRegistry(faults=faults) as registry,
        client_of(registry.host) as client,
        pytest.raises(ContentInvalid, match=words),
    ):
        _fetch(client)
    assert len(registry.calls) == 1


def test_an_entry_of_the_wrong_size_is_refused(index: Index, registry: InMemoryRegistry) -> None:
    size = b'"size":%d' % index.children[0].manifest_blob.descriptor.size_bytes
    assert size in index.raw
    wrong = BytesBlob.of(MediaType.OCI_INDEX, index.raw.replace(size, b'"size":7'))
    with client_of(registry.host) as client:
        push(client, index)
        client.put_manifest(REPOSITORY, "1", wrong)
        with pytest.raises(ContentInvalid, match="not the size"):
            _fetch(client)


def test_what_is_not_there_is_reported(index: Index, registry: InMemoryRegistry) -> None:
    with client_of(registry.host) as client:
        with pytest.raises(RegistryRefused, match="MANIFEST_UNKNOWN"):
            _fetch(client)
        assert client.find_manifest(REPOSITORY, index.digest) is None


def test_a_registry_that_names_no_digest_is_read_all_the_same(index: Index) -> None:
    head = Fault("HEAD", "/manifests/1", status=200, times=None)
    with InMemoryRegistry() as registry, client_of(registry.host) as client:
        push(client, index, "1")
        registry.faults.append(head)
        assert client.find_manifest(REPOSITORY, "1") == index.digest
        registry.calls.clear()
        push(client, index, "1")
        assert [call.method for call in registry.calls] == ["HEAD", "GET"]


def test_a_blob_is_downloaded_whole_or_not_at_all(tmp_path: Path, index: Index, registry: InMemoryRegistry) -> None:
    layer = index.children[0].layers[1]
    path = tmp_path / "layer"
    with client_of(registry.host) as client:
        push(client, index, "1")
        registry.faults.append(Fault("GET", "/blobs/", cut_response=100))
        client.download(REPOSITORY, layer.descriptor, path)
        assert Digest.of(path.read_bytes()) == layer.descriptor.digest
        path.unlink()
        registry.faults.append(Fault("GET", "/blobs/", corrupt=True))
        with pytest.raises(ContentInvalid, match="other content"):
            client.download(REPOSITORY, layer.descriptor, path)
        registry.faults.append(Fault("GET", "/blobs/", status=200, body=b"x" * 10_000_000))
        with pytest.raises(ContentInvalid, match="other content"):
            client.download(REPOSITORY, layer.descriptor, path)
        registry.faults.append(Fault("GET", "/blobs/", cut_response=0, times=None))
        with pytest.raises(RegistryUnreachable):
            client.download(REPOSITORY, layer.descriptor, path)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_reported(tmp_path: Path, index: Index, registry: InMemoryRegistry) -> None:
    (tmp_path / "file").touch()
    with client_of(registry.host) as client, pytest.raises(OutputError):
        client.download(REPOSITORY, index.children[0].layers[0].descriptor, tmp_path / "file" / "layer")


def test_a_config_that_is_too_large_is_not_asked_for(registry: InMemoryRegistry) -> None:
    with client_of(registry.host) as client, pytest.raises(ContentInvalid, match="limit"):
        client.blob_bytes(REPOSITORY, Descriptor("x", Digest.of(b""), 1 << 40))
    assert registry.calls == []


def test_a_redirect_to_another_place_carries_no_credentials(tmp_path: Path, index: Index) -> None:
    with InMemoryRegistry(auth=BasicAuth("u", "p"), redirect_blobs=True) as registry:
        credentials = FixedCredentials(registry.host, Login("u", "p"))
        with client_of(registry.host, credentials=credentials) as client:
            push(client, index, "1")
            _fetch(client)
            client.download(REPOSITORY, index.children[0].layers[0].descriptor, tmp_path / "layer")
        storage = [call for call in registry.calls if call.server == "storage"]
        assert len(storage) == 3
        assert all("authorization" not in call.headers for call in storage)


def test_a_storage_that_refuses_is_not_taken_for_the_registry(index: Index) -> None:
    elsewhere = InMemoryRegistry(
        faults=[Fault("GET", "", status=401, headers={"WWW-Authenticate": "Basic"}, times=None)]
    )
    with InMemoryRegistry(auth=BasicAuth("u", "p")) as registry, elsewhere:
        credentials = FixedCredentials(registry.host, Login("u", "p"))
        with client_of(registry.host, credentials=credentials) as client:
            push(client, index, "1")
            registry.faults.append(
                Fault("GET", "/blobs/", status=307, headers={"Location": elsewhere.url + "/x?sig=1"}, times=None)
            )
            with pytest.raises(RegistryRefused, match=r"the storage that .* redirects to refused"):
                _fetch(client)
        assert all("authorization" not in call.headers for call in elsewhere.calls)


def test_an_upload_at_another_place_carries_no_credentials(index: Index) -> None:
    elsewhere = InMemoryRegistry(faults=[Fault("PUT", "/elsewhere", status=201, times=None)])
    with InMemoryRegistry(auth=BasicAuth("u", "p")) as registry, elsewhere:
        registry.contents.location = lambda path: elsewhere.url + "/elsewhere" + path
        credentials = FixedCredentials(registry.host, Login("u", "p"))
        with client_of(registry.host, credentials=credentials) as client:
            client.upload(REPOSITORY, index.children[0].config_blob)
        assert [call.method for call in elsewhere.calls] == ["PUT"]
        assert "authorization" not in elsewhere.calls[0].headers


def test_reading_may_need_credentials_too(index: Index) -> None:
    with (
        InMemoryRegistry(auth=BasicAuth("u", "p")) as registry,
        client_of(registry.host) as client,
        pytest.raises(Unauthorized),
    ):
        _fetch(client, index)


def test_tags_are_listed_page_by_page(tmp_path: Path, registry: InMemoryRegistry) -> None:
    index = small_index(tmp_path)
    tags = [f"v{number}" for number in range(5)]
    with client_of(registry.host) as client:
        push(client, index, *tags)
        assert list(client.tags(REPOSITORY)) == tags
        first = {"Link": f'</v2/{REPOSITORY}/tags/list?n=2&last=v1>; rel="next"', "Content-Type": "application/json"}
        registry.faults.append(Fault("GET", "/tags/list", status=200, headers=first, body=b'{"tags":["v0","v1"]}'))
        assert list(client.tags(REPOSITORY)) == tags
        # relative to what was asked
        near = {"Link": '<list?n=2&last=v1>; rel="next"'}
        registry.faults.append(Fault("GET", "/tags/list", status=200, headers=near, body=b'{"tags":["v0","v1"]}'))
        assert list(client.tags(REPOSITORY)) == tags
        registry.faults.append(Fault("GET", "/tags/list", status=200, body=b'{"tags":null}'))
        assert list(client.tags(REPOSITORY)) == []
        assert list(client.tags("me/unknown")) == []
        registry.faults.append(Fault("GET", "/tags/list", status=200, body=b"[]"))
        with pytest.raises(ContentInvalid, match="no list of tags"):
            list(client.tags(REPOSITORY))


@pytest.mark.parametrize(
    ("kind", "body", "said"), [("text/html; charset=utf-8", b"<html>", "a web page"), ("", b"", "nothing")]
)
@pytest.mark.parametrize("reference", ["1", Digest.of(b"{}")])
def test_what_a_proxy_answers_is_no_manifest(
    registry: InMemoryRegistry, kind: str, body: bytes, said: str, reference: str | Digest
) -> None:
    headers = {"Content-Type": kind} if kind else {}
    registry.faults.append(Fault("HEAD|GET", "/manifests/", status=200, headers=headers, body=body, times=None))
    with client_of(registry.host) as client:
        for ask in (client.manifest, client.find_manifest):
            with pytest.raises(ContentInvalid) as caught:
                ask(REPOSITORY, reference)
            assert caught.value.message == f"{registry.host} gave {said} for the manifest {REPOSITORY} {reference}"
            assert "a proxy" in (caught.value.hint or "")
