"""skopeo and docker pull what we push, and we pull what they push, by digest."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from cargoship.errors import RegistryRefused
from cargoship.oci.archive import write_archive
from cargoship.oci.config import CONFIG_BYTES_MAX
from cargoship.oci.descriptor import MediaType
from cargoship.oci.digest import Digest
from cargoship.oci.index import Index
from cargoship.oci.manifest import Manifest, decode_manifest
from cargoship.oci.reference import Reference
from cargoship.registry.pull import fetch_index
from support.engine import Engine
from support.images import AMD64, in_sha512, small_index
from support.peers import PLAIN, WAYS, Peer
from support.programs import run
from support.pushing import Emitted, push

pytestmark = pytest.mark.tools


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return small_index(tmp_path_factory.mktemp("blobs"), mark=uuid.uuid4().hex)


@pytest.fixture(params=WAYS)
def peer(request: pytest.FixtureRequest, debian_peers: Mapping[str, Peer]) -> Peer:
    return debian_peers[request.param]


@pytest.fixture
def repository() -> str:
    """One that nobody else uses."""
    return f"interop/{uuid.uuid4().hex}"


def test_skopeo_pulls_what_we_push(peer: Peer, repository: str, index: Index, tmp_path: Path) -> None:
    with peer.client() as client:
        published = push(client, index, "1", "2", repository=repository)
    for name in (f"{repository}:1", f"{repository}:2", f"{repository}@{published.digest}"):
        raw = run("skopeo", "inspect", *peer.skopeo(), "--raw", f"docker://{peer.host}/{name}").stdout
        assert raw.encode() == index.raw
    source = f"docker://{published.reference}"
    run("skopeo", "copy", "-q", "--all", *peer.skopeo("src-"), source, f"oci:{tmp_path}/layout:copied")
    blobs = {path.name for path in (tmp_path / "layout/blobs/sha256").iterdir()}
    assert blobs >= {blob.descriptor.digest.hex for blob in (*index.blobs(), *index.manifests())}


@pytest.mark.parametrize("form", ["oci", "v2s2"])
def test_we_pull_what_skopeo_pushes(peer: Peer, repository: str, tmp_path: Path, form: str) -> None:
    write_archive(tmp_path / "image.tar", small_index(tmp_path / "blobs", [AMD64]), names=[], native=AMD64)
    target, digest_file = f"docker://{peer.host}/{repository}:1", tmp_path / "digest"
    run(
        "skopeo", "copy", "-q", "--format", form, "--digestfile", digest_file, *peer.skopeo("dest-"),
        f"oci-archive:{tmp_path}/image.tar", target,
    )  # fmt: skip
    digest = Digest.parse(digest_file.read_text())
    _pull(peer, repository, digest, tmp_path)


@pytest.fixture
def named(engine: Engine, debian_peers: Mapping[str, Peer], repository: str) -> Iterator[str]:
    """A name for an image in the engine, which goes away with the test."""
    name = f"{debian_peers[PLAIN].host}/{repository}"
    yield name
    engine.remove_names(name)


def test_docker_pulls_what_we_push(
    engine: Engine, debian_peers: Mapping[str, Peer], repository: str, named: str, index: Index
) -> None:
    with debian_peers[PLAIN].client() as client:
        published = push(client, index, "1", repository=repository)
    assert str(published.reference) == f"{named}@{index.digest}"
    for number, (image, platform) in enumerate(zip(index.children, ("linux/amd64", "linux/arm64"), strict=True)):
        name = f"{named}@{image.digest}" if number else str(published.reference)
        # an engine of this age calls an image by the digest of its config
        assert engine.pull(name, platform) == str(image.config_blob.descriptor.digest)


def test_we_pull_what_docker_pushes(
    engine: Engine, debian_peers: Mapping[str, Peer], repository: str, named: str, tmp_path: Path
) -> None:
    index = small_index(tmp_path / "blobs", [AMD64], mark=repository)
    name = Reference.parse(f"{named}:1")
    write_archive(tmp_path / "image.tar", index, names=[name], native=AMD64)
    engine.load(tmp_path / "image.tar")
    said = run("docker", "push", f"{named}:1").stdout
    found = re.search(r"digest: (sha256:[0-9a-f]{64})", said)
    assert found, said
    manifest = _pull(debian_peers[PLAIN], repository, Digest.parse(found[1]), tmp_path)
    assert manifest.media_type == MediaType.DOCKER_MANIFEST
    assert manifest.config.digest == index.children[0].config_blob.descriptor.digest


def test_others_read_blobs_that_are_named_by_sha512(
    engine: Engine, debian_peers: Mapping[str, Peer], repository: str, named: str, index: Index
) -> None:
    """distribution checks such blobs itself, and docker starts from them; skopeo 1.9 reads manifests alone."""
    peer, other = debian_peers[PLAIN], in_sha512(index, manifests="sha256")
    with peer.client() as client:
        published = push(client, other, "1", repository=repository)
        assert published.pushed > 0
        assert push(client, other, "again", repository=repository).pushed == 0
        found = fetch_index(client, published.reference)
        assert [image.config.descriptor.digest.algorithm for image in found.images] == ["sha512", "sha512"]
        for layer in other.children[0].layers:
            with client.open_blob(repository, layer.descriptor) as stream:
                assert layer.descriptor.digest.names(stream.read())
    raw = run("skopeo", "inspect", *peer.skopeo(), "--raw", f"docker://{peer.host}/{repository}:1").stdout
    assert raw.encode() == other.raw
    assert published.reference.name == named
    assert engine.pull(str(published.reference), "linux/amd64") == str(Digest.of(other.children[0].raw_config))


def test_a_registry_of_today_takes_no_manifest_by_sha512(
    debian_peers: Mapping[str, Peer], repository: str, tmp_path: Path
) -> None:
    """distribution/distribution#4420: where nothing names it so, the same bytes are put there by sha256."""
    index = in_sha512(small_index(tmp_path / "store", [AMD64]), manifests="sha256")
    named = Index(index.raw, index.children, algorithm="sha512")
    reported = Emitted()
    with debian_peers[PLAIN].client() as client:
        published = push(client, named, "1", repository=repository, reported=reported)
        assert published.digest == index.digest == client.find_manifest(repository, "1")
        assert "takes no manifest as sha512:" in reported.notes[-1]
        with pytest.raises(RegistryRefused) as raised:
            push(client, in_sha512(small_index(tmp_path / "store", [AMD64])), "2", repository=repository)
        assert "may take no manifests by sha512" in (raised.value.hint or "")
        assert client.find_manifest(repository, "2") is None


def _pull(peer: Peer, repository: str, digest: Digest, folder: Path) -> Manifest:
    """Everything of an image, by its digest; what comes is what its digest says, or is refused."""
    with peer.client() as client:
        found = fetch_index(client, Reference(peer.host, repository, digest=digest))
        assert found.root.descriptor.digest == digest
        (image,) = found.images
        manifest = decode_manifest(image.manifest.data, image.manifest.descriptor.media_type)
        assert client.blob_bytes(repository, manifest.config, limit_bytes=CONFIG_BYTES_MAX) == image.config.data
        for layer in manifest.layers:
            client.download(repository, layer, folder / layer.digest.hex)
            assert Digest.of((folder / layer.digest.hex).read_bytes()) == layer.digest
    return manifest
