from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cargoship.errors import ContentInvalid, PlatformUnknown, RegistryRefused, RegistryUnreachable, UsageError
from cargoship.oci.artifact import artifact_of
from cargoship.oci.descriptor import BytesBlob
from cargoship.oci.index import Index, index_of
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.registry.client import RegistryClient
from cargoship.registry.copy import copy_image
from cargoship.registry.mount_sources import NoMountSources, RememberedMountSources
from cargoship.registry.options import Access
from cargoship.registry.push import Published, PushOptions
from cargoship.registry.referrers import attach
from cargoship.testing import Fault, InMemoryRegistry
from support.attested import attested_index, digests_of, nested_index
from support.images import AMD64, ARM64, ARMV7, small_image
from support.pushing import REPOSITORY, Emitted, client_of, opened, push

MIRROR = "mirror/app"


@pytest.fixture
def other() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        yield running


@pytest.fixture
def attested(tmp_path: Path) -> Index:
    return attested_index(tmp_path / "blobs", [AMD64, ARM64])


def opener(registry: str, access: Access) -> RegistryClient:
    return client_of(registry, access=access)


def copied(
    source: Reference,
    target: Reference,
    *,
    platforms: tuple[Platform, ...] = (),
    referrers: bool = False,
    reported: Emitted | None = None,
    mount_sources: RememberedMountSources | None = None,
) -> Published:
    with opened(source) as (image,):
        return copy_image(
            image,
            target,
            platforms=platforms,
            referrers=referrers,
            open_client=opener,
            options=PushOptions(reported or Emitted(), mount_sources or NoMountSources()),
        )


def stored(registry: InMemoryRegistry, repository: str) -> set[str]:
    found = registry.contents.repositories[repository]
    return found.blobs | set(found.manifests)


def pushed(registry: InMemoryRegistry, index: Index) -> Reference:
    with client_of(registry.host) as client:
        push(client, index, "1")
    registry.calls.clear()
    return Reference(registry.host, REPOSITORY, "1")


def test_everything_is_copied_as_it_is(attested: Index, registry: InMemoryRegistry, other: InMemoryRegistry) -> None:
    source = pushed(registry, attested)
    published = copied(source, Reference(other.host, MIRROR, "2"))
    assert str(published.reference) == f"{other.host}/{MIRROR}@{attested.digest}"
    assert published.pushed == len(list(attested.blobs()))
    assert other.tags(MIRROR) == {"2": str(attested.digest)}
    assert stored(other, MIRROR) == {str(digest) for digest in digests_of(attested)}
    assert other.contents.repositories[MIRROR].manifests == registry.contents.repositories[REPOSITORY].manifests
    other.calls.clear()
    registry.calls.clear()
    again = copied(source, Reference(other.host, MIRROR, "2"))
    assert (again.digest, again.pushed, again.skipped) == (attested.digest, 0, published.pushed)
    assert [call.method for call in other.calls] == ["HEAD"]
    assert not [call for call in registry.calls if "/blobs/" in call.path]


def test_one_platform_is_copied_alone(attested: Index, registry: InMemoryRegistry, other: InMemoryRegistry) -> None:
    source = pushed(registry, attested)
    published = copied(source, Reference(other.host, MIRROR), platforms=(ARM64,))
    image = attested.children[1]
    assert published.digest == image.digest
    assert other.tags(MIRROR) == {"latest": str(image.digest)}
    expected = {image.digest, image.config_blob.descriptor.digest, *(each.descriptor.digest for each in image.layers)}
    assert stored(other, MIRROR) == {str(digest) for digest in expected}
    # an image that stands alone is found by its platform too
    alone = Reference(other.host, MIRROR)
    assert copied(alone, Reference(other.host, "alone/app"), platforms=(ARM64,)).digest == image.digest
    for reference in (source, alone):
        with pytest.raises(PlatformUnknown) as raised:
            copied(reference, Reference(other.host, MIRROR), platforms=(ARMV7,))
        assert "linux/arm64" in (raised.value.hint or "")


def test_an_index_in_an_index_comes_before_it(
    attested: Index, registry: InMemoryRegistry, other: InMemoryRegistry
) -> None:
    outer = nested_index(nested_index(attested))
    source = pushed(registry, outer)
    assert copied(source, Reference(other.host, MIRROR, "1")).digest == outer.digest
    assert stored(other, MIRROR) == {str(digest) for digest in digests_of(outer)}
    assert copied(source, Reference(other.host, "x", "1"), platforms=(ARM64,)).digest == attested.children[1].digest


def test_blobs_of_one_registry_are_mounted(attested: Index, registry: InMemoryRegistry) -> None:
    source = pushed(registry, attested)
    published = copied(source, Reference(registry.host, MIRROR, "1"))
    assert published.mounted == len(list(attested.blobs()))
    assert not [call for call in registry.calls if call.method == "GET" and "/blobs/" in call.path]


def test_another_tag_in_a_repository_moves_no_blob(attested: Index, registry: InMemoryRegistry) -> None:
    source = pushed(registry, attested)
    copied(source, Reference(registry.host, REPOSITORY, "stable"))
    assert set(registry.tags(REPOSITORY)) == {"1", "stable"}
    assert not [call for call in registry.calls if "/blobs/" in call.path]


def test_what_a_registry_is_known_to_have_is_mounted(
    attested: Index, registry: InMemoryRegistry, other: InMemoryRegistry, tmp_path: Path
) -> None:
    source = pushed(registry, attested)
    mount_sources = RememberedMountSources(tmp_path / "known")
    copied(source, Reference(other.host, "a", "1"), mount_sources=mount_sources)
    registry.calls.clear()
    published = copied(source, Reference(other.host, "b", "1"), mount_sources=mount_sources)
    assert (published.mounted, published.pushed) == (5, 4)
    assert len([call for call in registry.calls if call.method == "GET" and "/blobs/" in call.path]) == 4


def test_a_digest_says_what_is_meant(attested: Index, registry: InMemoryRegistry, other: InMemoryRegistry) -> None:
    source = pushed(registry, attested)
    by_digest = source.at(attested.digest)
    copied(by_digest, Reference(other.host, MIRROR, digest=attested.digest))
    assert other.tags(MIRROR) == {}
    assert str(attested.digest) in stored(other, MIRROR)
    with pytest.raises(UsageError, match="not what"):
        copied(source, Reference(other.host, MIRROR, "1", attested.children[0].digest))
    assert other.tags(MIRROR) == {}


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("GET", "/blobs/", corrupt=True, times=None), ContentInvalid),
        (Fault("GET", "/manifests/sha256", corrupt=True, times=None), ContentInvalid),
        (Fault("GET", "/blobs/", cut_response=0, times=None), RegistryUnreachable),
        (Fault("GET", "/blobs/", status=404, times=None), RegistryRefused),
    ],
)
def test_a_source_that_fails_leaves_no_tag(
    attested: Index, registry: InMemoryRegistry, other: InMemoryRegistry, fault: Fault, error: type[Exception]
) -> None:
    source = pushed(registry, attested)
    registry.faults.append(fault)
    with pytest.raises(error):
        copied(source, Reference(other.host, MIRROR, "1"))
    assert other.tags(MIRROR) == {}


def test_trouble_that_passes_on_either_side_does_not_stop_a_copy(
    attested: Index, registry: InMemoryRegistry, other: InMemoryRegistry
) -> None:
    source = pushed(registry, attested)
    registry.faults += [Fault("GET", "/blobs/", cut_response=50, times=3), Fault("GET", "/manifests/", status=503)]
    other.faults += [Fault("PUT", "/blobs/", cut_request=20, times=2), Fault("PUT", "/manifests/2", status=502)]
    copied(source, Reference(other.host, MIRROR, "2"))
    assert other.tags(MIRROR) == {"2": str(attested.digest)}


@pytest.mark.parametrize(
    ("media_type", "words"),
    [
        ("application/vnd.docker.distribution.manifest.v1+prettyjws", "is an image of Docker's schema 1"),
        ("text/plain", "no image"),
    ],
)
def test_what_is_no_image_is_refused(
    registry: InMemoryRegistry, other: InMemoryRegistry, media_type: str, words: str
) -> None:
    registry.faults.append(Fault("GET", "/manifests/", status=200, headers={"Content-Type": media_type}, body=b"{}"))
    with pytest.raises(ContentInvalid, match=words):
        copied(Reference(registry.host, REPOSITORY, "1"), Reference(other.host, MIRROR, "1"))


def test_several_platforms_are_an_index_of_them_and_what_attests_to_them(
    tmp_path: Path, registry: InMemoryRegistry, other: InMemoryRegistry
) -> None:
    index = attested_index(tmp_path / "blobs", [AMD64, ARM64, ARMV7], annotations={"title": "app"})
    source = pushed(registry, index)
    published = copied(source, Reference(other.host, MIRROR, "1"), platforms=(ARM64, AMD64))
    kept = json.loads(other.contents.repositories[MIRROR].manifests[str(published.digest)][1])
    whole = json.loads(index.raw)
    # entries are as they were, with fields that nobody here knows, and so is everything around them
    assert kept == {**whole, "manifests": [whole["manifests"][number] for number in (0, 1, 3, 4)]}
    assert len(other.contents.repositories[MIRROR].manifests) == 5
    everything = copied(source, Reference(other.host, "all/app"), platforms=(ARM64, AMD64, ARMV7))
    assert everything.digest == index.digest
    nested = pushed(registry, nested_index(index))
    assert copied(nested, Reference(other.host, MIRROR, "2"), platforms=(ARM64, AMD64)).tags == ("2",)
    with pytest.raises(PlatformUnknown):
        copied(source, Reference(other.host, MIRROR, "3"), platforms=(ARM64, Platform("linux", "s390x")))
    assert set(other.tags(MIRROR)) == {"1", "2"}


@pytest.mark.parametrize("lied_about", ["layer", "config"])
@pytest.mark.parametrize("there", [False, True])
def test_a_size_that_only_the_manifest_gives_is_not_published(
    tmp_path: Path, registry: InMemoryRegistry, *, lied_about: str, there: bool
) -> None:
    image = small_image(tmp_path)
    document = json.loads(image.raw_manifest)
    (document["layers"][0] if lied_about == "layer" else document["config"])["size"] += 1
    raw = json.dumps(document).encode()
    with client_of(registry.host) as client:
        for repository in (REPOSITORY, *([MIRROR] if there else [])):
            for blob in (*(layer.blob for layer in image.layers), image.config_blob):
                client.upload(repository, blob)
        client.put_manifest(REPOSITORY, "1", BytesBlob.of(image.manifest.media_type, raw))
    registry.calls.clear()
    with pytest.raises(ContentInvalid, match="its manifest says"):
        copied(Reference(registry.host, REPOSITORY, "1"), Reference(registry.host, MIRROR, "1"))
    assert not [call for call in registry.calls if call.method == "PUT"]


def test_a_registry_that_says_no_size_is_believed(tmp_path: Path, registry: InMemoryRegistry) -> None:
    image = small_image(tmp_path)
    pushed(registry, index_of([image], annotations={}))

    registry.faults.append(Fault("HEAD", rf"/v2/{MIRROR}/blobs/", status=200))
    assert copied(Reference(registry.host, REPOSITORY, "1"), Reference(registry.host, MIRROR, "1")).skipped


@pytest.mark.parametrize("referrers", [False, True])
@pytest.mark.parametrize("part", [(), (ARM64,)])
def test_what_is_left_behind_is_said(
    attested: Index,
    registry: InMemoryRegistry,
    other: InMemoryRegistry,
    *,
    referrers: bool,
    part: tuple[Platform, ...],
) -> None:
    source = pushed(registry, attested)
    reported = Emitted()
    copied(source, Reference(other.host, MIRROR, "1"), platforms=part, referrers=referrers, reported=reported)
    assert not [note for note in reported.notes if "left behind" in note]
    with client_of(registry.host) as client:
        signature = artifact_of(attested.descriptor, "application/x", b"x", annotations={})
        for blob in signature.blobs():
            client.upload(REPOSITORY, blob)
        attach(client, REPOSITORY, signature.root)
    copied(source, Reference(other.host, MIRROR, "1"), platforms=part, referrers=referrers, reported=reported)
    said = [note for note in reported.notes if "left behind" in note]
    assert len(said) == (0 if referrers and not part else 1)
    copied(source, Reference(registry.host, REPOSITORY, "2"), reported=(here := Emitted()))
    assert not [note for note in here.notes if "left behind" in note]
