"""Registries and images that name content by sha512 (distribution-spec, "digest-algorithm")."""

from __future__ import annotations

from pathlib import Path

import pytest

from cargoship.bases.remote import RemoteBases
from cargoship.errors import ContentInvalid, RegistryRefused, UsageError
from cargoship.oci.digest import Digest
from cargoship.oci.index import Index, index_of
from cargoship.oci.manifest import IndexManifest, encode_index
from cargoship.oci.reference import Reference
from cargoship.registry.copy import copy_image
from cargoship.registry.pull import fetch_index
from cargoship.registry.push import Published, PushOptions, push_index
from cargoship.registry.referrers import fallback_tag
from cargoship.testing import InMemoryRegistry
from cargoship.testing.content_api import ContentApi
from support.images import AMD64, in_sha512, small_image, small_index
from support.pushing import REPOSITORY, Emitted, client_of, opened, push


@pytest.fixture
def named(tmp_path: Path) -> Index:
    return in_sha512(small_index(tmp_path / "store"))


def _copied(source: Reference, target: Reference, reported: Emitted | None = None) -> Published:
    with opened(source) as (found,):
        return copy_image(
            found,
            target,
            open_client=lambda host, _: client_of(host),
            options=PushOptions(reported or Emitted()),
        )


def test_an_image_is_pushed_and_pulled_by_its_own_digests(named: Index) -> None:
    with InMemoryRegistry() as registry, client_of(registry.host) as client:
        published = push(client, named, "1")
        assert published.digest == named.digest
        again = push(client, named, "1")
        assert (again.pushed, again.skipped) == (0, published.pushed)
        found = fetch_index(client, Reference(registry.host, REPOSITORY, digest=named.digest))
        assert found.root == named.blob
        assert {image.descriptor.digest.algorithm for image in found.images} == {"sha512"}
        assert {digest.partition(":")[0] for digest in registry.contents.blobs} == {"sha512"}
        begun = [call.query.get("digest-algorithm") for call in registry.calls if call.path.endswith("/uploads/")]
        assert set(begun) == {"sha512"}


def test_a_copy_keeps_every_digest(named: Index) -> None:
    with InMemoryRegistry() as one, InMemoryRegistry() as two:
        with client_of(one.host) as client:
            push(client, named, "1")
        source = Reference(one.host, REPOSITORY, digest=named.digest)
        copied = _copied(source, Reference(two.host, "me/copy", "2"))
        assert copied.digest == named.digest
        assert two.contents.blobs.keys() == one.contents.blobs.keys()
        assert {str(named.digest)} < two.contents.repositories["me/copy"].manifests.keys()
        mounted = _copied(source, Reference(one.host, "me/other", "2"))
        assert (mounted.pushed, mounted.digest) == (0, named.digest)


def test_a_registry_that_names_everything_so_is_read(named: Index, tmp_path: Path) -> None:
    with InMemoryRegistry(contents=ContentApi(algorithm="sha512")) as registry, client_of(registry.host) as client:
        push(client, named, "1")
        assert registry.tags(REPOSITORY) == {"1": str(named.digest)}
        assert client.find_manifest(REPOSITORY, "1") == named.digest
        assert client.find_manifest(REPOSITORY, "1", algorithm="sha256") == Digest.of(named.raw)
        assert fetch_index(client, Reference(registry.host, REPOSITORY, "1")).reference.digest == named.digest
        reference = Reference(registry.host, REPOSITORY, "1")
        with RemoteBases(open_client=client_of, cache=tmp_path / "bases", emit=Emitted()) as bases:
            assert bases.digest_of(reference) == named.digest
            base = bases.find(reference, AMD64)
            for layer in base.layers:
                with layer.blob.open() as stream:
                    assert layer.descriptor.digest.names(stream.read())
        # what was read is in the cache by that name
        asked = len(registry.calls)
        with RemoteBases(open_client=client_of, cache=tmp_path / "bases", emit=Emitted(), offline=True) as bases:
            for layer in bases.find(reference, AMD64).layers:
                with layer.blob.open() as stream:
                    assert layer.descriptor.digest.names(stream.read())
        assert len(registry.calls) == asked


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_header_by_another_algorithm_is_checked_too(algorithm: str, named: Index, tmp_path: Path) -> None:
    """A registry may say its own name for what was asked for by the other: what it says has to be true."""
    index = small_index(tmp_path / "usual") if algorithm == "sha512" else named
    with InMemoryRegistry(contents=ContentApi(algorithm=algorithm)) as registry, client_of(registry.host) as client:
        push(client, index, "1")
        assert client.find_manifest(REPOSITORY, "1", algorithm=index.digest.algorithm) == index.digest
        pushed = len(registry.calls)
        push(client, index, "1")
        assert not [call for call in registry.calls[pushed:] if call.method in {"PUT", "POST", "PATCH"}]
        wrong = str(Digest.of(b"another", "sha512" if algorithm == "sha512" else "sha256"))
        manifests = registry.contents.repositories[REPOSITORY].manifests
        manifests[wrong] = manifests[registry.tags(REPOSITORY)["1"]]
        registry.contents.repositories[REPOSITORY].tags["2"] = wrong
        with pytest.raises(ContentInvalid, match=f", which is {wrong}"):
            client.manifest(REPOSITORY, "2")


def test_a_registry_that_takes_manifests_by_sha256_alone_gets_the_same_bytes(named: Index, tmp_path: Path) -> None:
    """distribution/distribution#4420."""
    image = in_sha512(small_index(tmp_path / "one", [AMD64])).children[0]
    document = IndexManifest("application/vnd.oci.image.index.v1+json", ())
    empty = Index(encode_index(document), (), algorithm="sha512")
    with InMemoryRegistry(quirks=["sha512-manifests-400"]) as registry, client_of(registry.host) as client:
        reported = Emitted()
        published = push(client, empty, "1", reported=reported)
        usual = Digest.of(empty.raw)
        assert (published.digest, str(published.reference.digest)) == (usual, str(usual))
        assert registry.tags(REPOSITORY) == {"1": str(usual)}
        assert f"{REPOSITORY} has it as {usual}" in reported.notes[-1]
        assert push(client, empty, "1").digest == usual
        # an index names its images by their digests, and those are not changed
        with pytest.raises(RegistryRefused) as raised:
            push(client, named, "2")
        assert "may take no manifests by sha512" in (raised.value.hint or "")
        with pytest.raises(RegistryRefused):
            push_index(
                client,
                empty,
                reference=Reference(registry.host, "me/b", digest=empty.digest),
                tags=[],
                options=PushOptions(reported),
            )
        assert "2" not in registry.tags(REPOSITORY)
    assert image.digest.algorithm == "sha512"


def test_a_target_is_held_against_the_digest_that_it_names(named: Index) -> None:
    with InMemoryRegistry() as registry:
        with client_of(registry.host) as client:
            push(client, named, "1")
        source = Reference(registry.host, REPOSITORY, digest=named.digest)
        assert _copied(source, Reference(registry.host, "me/b", digest=named.digest)).digest == named.digest
        with pytest.raises(UsageError, match="not what"):
            _copied(source, Reference(registry.host, "me/c", digest=Digest.of(b"", "sha512")))


def test_the_tag_of_a_list_of_referrers_is_cut_as_the_specification_has_it() -> None:
    """distribution-spec, "Referrers Tag Schema": a tag has no room for sha512."""
    digest = Digest.of(b"hello", "sha512")
    assert fallback_tag(digest) == f"sha512-{digest.hex[:64]}"
    assert fallback_tag(Digest.of(b"hello")) == f"sha256-{Digest.of(b'hello').hex}"


def test_what_is_made_here_is_named_by_sha256(tmp_path: Path) -> None:
    image = small_image(tmp_path)
    index = index_of([image], annotations={})
    digests = [index.digest, image.digest, image.manifest.config.digest, *(one.digest for one in image.manifest.layers)]
    assert {digest.algorithm for digest in digests} == {"sha256"}
