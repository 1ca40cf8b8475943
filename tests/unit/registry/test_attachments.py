"""Copies that take along what is about an image: through the referrers API, its fallback tag, and cosign's tags."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cargoship.oci.descriptor import BytesBlob, MediaType
from cargoship.oci.digest import Digest
from cargoship.oci.index import Index
from cargoship.oci.reference import Reference
from cargoship.registry.client import RegistryClient
from cargoship.registry.copy import copy_image
from cargoship.registry.options import Access
from cargoship.registry.push import Published, PushOptions
from cargoship.registry.referrers import attach, fallback_tag, list_referrers
from cargoship.testing import Fault, InMemoryRegistry
from cargoship.testing.content_api import ContentApi
from support.attested import attested_index
from support.images import AMD64, ARM64
from support.pushing import REPOSITORY, Emitted, client_of, opened, push

TARGET = "copied/app"


@pytest.fixture(params=[True, False], ids=["api", "tag"])
def source(request: pytest.FixtureRequest) -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry(contents=ContentApi(referrers=request.param)) as registry:
        yield registry


@pytest.fixture(params=[True, False], ids=["to-api", "to-tag"])
def target(request: pytest.FixtureRequest) -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry(contents=ContentApi(referrers=request.param)) as registry:
        yield registry


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return attested_index(tmp_path / "blobs", [AMD64, ARM64])


def artifact(content: bytes, *, about: BytesBlob | None = None) -> tuple[BytesBlob, tuple[BytesBlob, ...]]:
    """A manifest as ORAS and cosign make them, and its blobs."""
    blobs = (BytesBlob.of(MediaType.OCI_EMPTY, b"{}"), BytesBlob.of("application/x-signature", content))
    config, layer = (
        {"mediaType": blob.descriptor.media_type, "digest": str(blob.descriptor.digest), "size": len(blob.data)}
        for blob in blobs
    )
    document = {
        "schemaVersion": 2,
        "mediaType": MediaType.OCI_MANIFEST,
        "artifactType": "application/x-signature",
        "config": config,
        "layers": [layer],
    }
    if about is not None:
        subject = about.descriptor
        document["subject"] = {
            "mediaType": subject.media_type, "digest": str(subject.digest), "size": subject.size_bytes
        }  # fmt: skip
    return BytesBlob.of(MediaType.OCI_MANIFEST, json.dumps(document).encode()), blobs


def signed(client: RegistryClient, content: bytes, about: BytesBlob, *, tag: str | None = None) -> BytesBlob:
    """Attach something to a manifest, or let a tag name it."""
    manifest, blobs = artifact(content, about=None if tag else about)
    for blob in blobs:
        client.upload(REPOSITORY, blob)
    if tag:
        client.put_manifest(REPOSITORY, f"{fallback_tag(about.descriptor.digest)}.{tag}", manifest)
    else:
        attach(client, REPOSITORY, manifest)
    return manifest


def copied(
    source: InMemoryRegistry, target: InMemoryRegistry, *, reported: Emitted | None = None, referrers: bool = True
) -> Published:
    def opener(registry: str, access: Access) -> RegistryClient:
        return client_of(registry, access=access)

    with opened(Reference(source.host, REPOSITORY, "1"), reported=reported) as (image,):
        return copy_image(
            image,
            Reference(target.host, TARGET, "1"),
            referrers=referrers,
            open_client=opener,
            options=PushOptions(reported or Emitted()),
        )


def listed(registry: InMemoryRegistry, about: Digest) -> set[Digest]:
    with client_of(registry.host) as client:
        return {entry.digest for entry in list_referrers(client, TARGET, about)}


def test_what_is_attached_comes_along(source: InMemoryRegistry, target: InMemoryRegistry, index: Index) -> None:
    image = index.children[1].manifest_blob
    with client_of(source.host) as client:
        push(client, index, "1")
        signature = signed(client, b"signature", index.blob)
        sbom = signed(client, b"sbom", image)
        of_sbom = signed(client, b"signature of the sbom", sbom)
        tagged = {kind: signed(client, kind.encode(), image, tag=kind) for kind in ("sig", "att", "sbom")}
    published = copied(source, target)
    assert (published.digest, published.tags, published.referrers) == (index.digest, ("1",), 6)
    assert published.pushed > len(list(index.blobs()))
    for about, found in ((index.blob, signature), (image, sbom), (sbom, of_sbom)):
        assert listed(target, about.descriptor.digest) == {found.descriptor.digest}
    tags = target.tags(TARGET)
    for kind, manifest in tagged.items():
        assert tags[f"{fallback_tag(image.descriptor.digest)}.{kind}"] == str(manifest.descriptor.digest)
    # anybody who checks signatures when the tag moves finds them
    assert [call.path.rpartition("/")[2] for call in target.calls if call.method == "PUT"][-1] == "1"
    target.calls.clear()
    again = copied(source, target)
    assert (again.pushed, again.referrers) == (0, 6)
    assert not [call for call in target.calls if call.method in {"PUT", "POST", "PATCH"}]


def test_without_being_asked_nothing_comes_along(
    source: InMemoryRegistry, target: InMemoryRegistry, index: Index
) -> None:
    with client_of(source.host) as client:
        push(client, index, "1")
        signed(client, b"signature", index.blob)
        signed(client, b"signature", index.blob, tag="sig")
    assert copied(source, target, referrers=False).referrers == 0
    assert set(target.tags(TARGET)) == {"1"}
    assert listed(target, index.digest) == set()


def test_what_the_target_has_stays_listed(source: InMemoryRegistry, target: InMemoryRegistry, index: Index) -> None:
    with client_of(source.host) as client:
        push(client, index, "1")
        first = signed(client, b"first", index.blob)
    copied(source, target)
    with client_of(source.host) as client:
        second = signed(client, b"second", index.blob)
    copied(source, target)
    assert listed(target, index.digest) == {first.descriptor.digest, second.descriptor.digest}


def test_a_signature_that_is_replaced_is_reported(index: Index) -> None:
    with InMemoryRegistry() as source, InMemoryRegistry() as target:
        with client_of(source.host) as client:
            push(client, index, "1")
            old = signed(client, b"old", index.blob, tag="sig")
        copied(source, target)
        with client_of(source.host) as client:
            signed(client, b"new", index.blob, tag="sig")
        reported = Emitted()
        copied(source, target, reported=reported)
    (note,) = (text for text in reported.notes if "replaced" in text)
    assert str(old.descriptor.digest) in note


def test_an_entry_of_what_is_gone_is_passed_over(index: Index) -> None:
    with InMemoryRegistry(contents=ContentApi(referrers=False)) as source, InMemoryRegistry() as target:
        with client_of(source.host) as client:
            push(client, index, "1")
            gone = signed(client, b"gone", index.blob)
            client.delete_manifest(REPOSITORY, gone.descriptor.digest)
        reported = Emitted()
        assert copied(source, target, reported=reported).referrers == 0
    assert [text for text in reported.notes if str(gone.descriptor.digest) in text and "left out" in text]


def test_a_tag_waits_for_what_is_attached(index: Index) -> None:
    with InMemoryRegistry() as source, InMemoryRegistry() as target:
        with client_of(source.host) as client:
            push(client, index, "1")
            signature = signed(client, b"signature", index.blob)
        target.faults.append(Fault("PUT", str(signature.descriptor.digest), status=403, times=None))
        with pytest.raises(Exception, match="HTTP 403"):
            copied(source, target)
        assert target.tags(TARGET) == {}
