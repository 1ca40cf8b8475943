"""Our client against every registry in every way: in memory and Debian's, plain, with a password, with tokens."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cargoship.errors import Unauthorized
from cargoship.oci.descriptor import BytesBlob, Descriptor, MediaType
from cargoship.oci.digest import Digest
from cargoship.oci.index import Index, index_of
from cargoship.oci.reference import Reference
from cargoship.process import SystemRunner
from cargoship.registry.chunks import Chunks
from cargoship.registry.client import RegistryClient
from cargoship.registry.connect import connect
from cargoship.registry.options import Access
from cargoship.registry.pull import fetch_index
from cargoship.registry.referrers import attach, detach, list_referrers
from support.images import small_index
from support.peers import PEERS, Peer, peer_of
from support.pushing import Emitted, push


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return small_index(tmp_path_factory.mktemp("blobs"))


@pytest.fixture(params=PEERS, ids="-".join)
def peer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Peer]:
    with peer_of(request, tmp_path) as found:
        yield found


@pytest.fixture
def client(peer: Peer) -> Iterator[RegistryClient]:
    with peer.client() as found:
        yield found


@pytest.fixture
def repository() -> str:
    """One that nobody else uses."""
    return f"client/{uuid.uuid4().hex}"


def test_what_is_pushed_is_pulled(
    peer: Peer, client: RegistryClient, repository: str, index: Index, tmp_path: Path
) -> None:
    assert client.find_manifest(repository, "1") is None
    client.check_push(repository)
    published = push(client, index, "1", "2", repository=repository)
    assert published.pushed == len(list(index.blobs()))
    # another connection, that may read alone
    with peer.client(access=Access.PULL) as reader:
        for reference in (Reference(peer.host, repository, "2"), published.reference):
            found = fetch_index(reader, reference)
            assert found.root == index.blob
            assert [image.config.data for image in found.images] == [image.raw_config for image in index.children]
        for layer in index.children[0].layers:
            path = tmp_path / layer.descriptor.digest.hex
            reader.download(repository, layer.descriptor, path)
            assert Digest.of(path.read_bytes()) == layer.descriptor.digest
        assert sorted(reader.tags(repository)) == ["1", "2"]


def test_what_is_there_is_not_sent_again(client: RegistryClient, repository: str, index: Index) -> None:
    push(client, index, "1", repository=repository)
    reported = Emitted()
    assert (push(client, index, "1", repository=repository, reported=reported).pushed, reported.outcomes) == (0, {})
    reported = Emitted()
    push(
        client, index_of(index.children, annotations={"other": "index"}), "2", repository=repository, reported=reported
    )
    assert set(reported.outcomes.values()) == {"exists"}


def test_what_another_repository_has_is_mounted(client: RegistryClient, repository: str, index: Index) -> None:
    push(client, index, "1", repository=repository)
    published = push(client, index, "1", repository=f"{repository}-2", mount_from=repository)
    assert published.mounted == len(list(index.blobs()))


def test_a_large_blob_goes_in_chunks(client: RegistryClient, repository: str, tmp_path: Path) -> None:
    data = os.urandom(5 << 20)
    blob = BytesBlob.of("application/octet-stream", data)
    client.session.chunks = Chunks(whole_bytes=1 << 20, chunk_bytes=1 << 20)
    assert client.upload(repository, blob) == "pushed"
    client.download(repository, blob.descriptor, tmp_path / "back")
    assert not client.session.whole_uploads
    assert client.delete_blob(repository, blob.descriptor.digest)
    assert not client.delete_blob(repository, blob.descriptor.digest)
    assert (tmp_path / "back").read_bytes() == data


def test_an_empty_blob_and_one_that_is_not_there(client: RegistryClient, repository: str) -> None:
    empty = BytesBlob.of("application/octet-stream", b"")
    assert client.upload(repository, empty) == "pushed"
    assert client.blob_bytes(repository, empty.descriptor) == b""
    with pytest.raises(Exception, match="BLOB_UNKNOWN"):
        client.blob_bytes(repository, Descriptor("x", Digest.of(b"nobody has this"), 15))


def test_referrers_are_kept(client: RegistryClient, repository: str, index: Index) -> None:
    image = index.children[0]
    about = {"mediaType": image.descriptor.media_type, "digest": str(image.digest), "size": len(image.raw_manifest)}
    empty = BytesBlob.of(MediaType.OCI_EMPTY, b"{}")
    push(client, index, "1", repository=repository)
    client.upload(repository, empty)
    document = {
        "schemaVersion": 2,
        "mediaType": MediaType.OCI_MANIFEST,
        "artifactType": "application/x-note",
        "config": {"mediaType": MediaType.OCI_EMPTY, "digest": str(empty.descriptor.digest), "size": 2},
        "layers": [],
        "subject": about,
    }
    note = BytesBlob.of(MediaType.OCI_MANIFEST, json.dumps(document).encode())
    attach(client, repository, note)
    (found,) = list_referrers(client, repository, image.digest)
    assert (found.digest, found.artifact_type) == (note.descriptor.digest, "application/x-note")
    assert detach(client, repository, note.descriptor.digest)
    assert list_referrers(client, repository, image.digest) == ()


def test_an_image_is_deleted(client: RegistryClient, repository: str, index: Index) -> None:
    push(client, index, "1", repository=repository)
    assert client.delete_manifest(repository, index.digest)
    assert client.find_manifest(repository, "1") is None
    assert not client.delete_manifest(repository, index.digest)


def test_strangers_are_asked_to_log_in(peer: Peer, repository: str, tmp_path: Path) -> None:
    stranger = replace(peer, folder=tmp_path / "nothing")
    with connect(peer.host, env=stranger.env, runner=SystemRunner(), emit=Emitted()) as client:
        if peer.authority is None:
            assert list(client.tags(repository)) == []
        else:
            with pytest.raises(Unauthorized) as raised:
                list(client.tags(repository))
            assert f"cargoship login {peer.host}" in (raised.value.hint or "")
