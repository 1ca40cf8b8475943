from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from cargoship.errors import ContentInvalid, RegistryRefused, UsageError
from cargoship.oci.descriptor import BytesBlob, MediaType
from cargoship.oci.image import Image
from cargoship.oci.index import Index, index_of
from cargoship.oci.manifest import Manifest, encode_manifest
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.oci.tar import LayerEntry
from cargoship.registry.client import RegistryClient
from cargoship.registry.merge import merge_images
from cargoship.registry.options import Access
from cargoship.registry.push import Published, PushOptions
from cargoship.testing import Fault, InMemoryRegistry
from support.attested import ATTESTATION, attested_index, digests_of, nested_index
from support.images import AMD64, ARM64, ARMV7, small_image
from support.pushing import REPOSITORY, Emitted, client_of, opened, push


@pytest.fixture
def other() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        yield running


@pytest.fixture
def amd64(tmp_path: Path) -> Index:
    return attested_index(tmp_path / "a", [AMD64], annotations={"title": "app", "job": "1"})


@pytest.fixture
def arm64(tmp_path: Path) -> Index:
    return attested_index(tmp_path / "b", [ARM64], annotations={"title": "app", "job": "2"})


def opener(registry: str, access: Access) -> RegistryClient:
    return client_of(registry, access=access)


def by_digest(registry: InMemoryRegistry, index: Index, repository: str = REPOSITORY) -> Reference:
    """What a job pushes and hands on."""
    with client_of(registry.host) as client:
        return push(client, index, repository=repository).reference


def merged(parts: Sequence[Reference], *names: Reference, emit: Emitted | None = None) -> tuple[Published, ...]:
    with opened(*parts) as sources:
        return merge_images(sources, names, open_client=opener, options=PushOptions(emit or Emitted()))


def document(registry: InMemoryRegistry, repository: str, digest: object) -> dict[str, Any]:
    media_type, data = registry.contents.repositories[repository].manifests[str(digest)]
    found: dict[str, Any] = json.loads(data)
    assert found["mediaType"] == media_type
    return found


def test_jobs_that_pushed_to_one_repository(amd64: Index, arm64: Index, registry: InMemoryRegistry) -> None:
    parts = [by_digest(registry, arm64), by_digest(registry, amd64)]
    registry.calls.clear()
    (published,) = merged(parts, Reference(registry.host, REPOSITORY, "1"), Reference(registry.host, REPOSITORY, "2"))
    assert registry.tags(REPOSITORY) == {"1": str(published.digest), "2": str(published.digest)}
    found = document(registry, REPOSITORY, published.digest)
    assert [each["platform"]["architecture"] for each in found["manifests"]] == ["amd64", "arm64", "unknown", "unknown"]
    # whatever an entry says stays, known to us or not
    entries = json.loads(amd64.raw)["manifests"] + json.loads(arm64.raw)["manifests"]
    assert sorted(found["manifests"], key=str) == sorted(entries, key=str)
    assert all(each["annotations"][ATTESTATION] for each in found["manifests"][2:])
    assert found["annotations"] == {"title": "app"}
    # nothing but the index and its tags is written, and no layer is looked at: configs say what images are for
    assert [call.path.rpartition("/")[2] for call in registry.calls if call.method == "PUT"] == [
        str(published.digest), "1", "2",
    ]  # fmt: skip
    configs = {str(index.children[0].config_blob.descriptor.digest) for index in (amd64, arm64)}
    assert {call.path.rpartition("/")[2] for call in registry.calls if "/blobs/" in call.path} == configs
    # the order of the jobs does not matter
    assert merged(parts[::-1], Reference(registry.host, REPOSITORY, "3"))[0].digest == published.digest


def test_what_lies_elsewhere_comes_along(
    amd64: Index, arm64: Index, registry: InMemoryRegistry, other: InMemoryRegistry
) -> None:
    parts = [by_digest(registry, amd64, "job/1"), by_digest(other, arm64, "job/2")]
    names = [Reference(registry.host, "all/app", "1"), Reference(other.host, "job/2", "1")]
    one, two = merged(parts, *names)
    assert (one.reference.name, two.reference.name) == (names[0].name, names[1].name)
    assert one.digest == two.digest
    assert one.mounted
    assert one.pushed
    needed = {str(digest) for digest in (digests_of(amd64) | digests_of(arm64)) - {amd64.digest, arm64.digest}}
    for registered, repository in ((registry, "all/app"), (other, "job/2")):
        found = registered.contents.repositories[repository]
        assert (found.blobs | set(found.manifests)) >= needed
        assert registered.tags(repository) == {"1": str(one.digest)}


def test_single_images_are_distinguished_by_their_configs(tmp_path: Path, registry: InMemoryRegistry) -> None:
    images = [small_image(tmp_path, platform) for platform in (ARMV7, AMD64)]
    parts = []
    for image in images:
        by_digest(registry, index_of([image], annotations={}))
        parts.append(Reference(registry.host, REPOSITORY, digest=image.digest))
    (published,) = merged(parts, Reference(registry.host, REPOSITORY, "1"))
    found = document(registry, REPOSITORY, published.digest)
    assert [each["platform"] for each in found["manifests"]] == [
        {"os": "linux", "architecture": "amd64"}, {"os": "linux", "architecture": "arm", "variant": "v7"},
    ]  # fmt: skip
    assert found["annotations"] == {"org.opencontainers.image.title": "app"}


def test_indexes_inside_an_index_are_opened(amd64: Index, arm64: Index, registry: InMemoryRegistry) -> None:
    parts = [by_digest(registry, nested_index(amd64)), by_digest(registry, arm64)]
    (published,) = merged(parts, Reference(registry.host, REPOSITORY, "1"))
    found = document(registry, REPOSITORY, published.digest)
    assert len(found["manifests"]) == 4
    assert {each["mediaType"] for each in found["manifests"]} == {MediaType.OCI_MANIFEST}


def _windows(registry: InMemoryRegistry, store: Path, version: str) -> Reference:
    """An image of Windows as its registry has it: its config alone tells for which kernel it is."""
    image = small_image(store, Platform("windows", "amd64"))
    config = {**json.loads(image.raw_config), "os.version": version, "os.features": ["win32k"]}
    blob = BytesBlob.of(MediaType.OCI_CONFIG, json.dumps(config).encode())
    raw = encode_manifest(replace(image.manifest, config=blob.descriptor))
    made = Image(raw, blob.data, image.layers)
    by_digest(registry, index_of([made], annotations={}))
    return Reference(registry.host, REPOSITORY, digest=made.digest)


def test_images_of_windows_keep_the_version_by_which_it_chooses(tmp_path: Path, registry: InMemoryRegistry) -> None:
    parts = [_windows(registry, tmp_path, version) for version in ("10.0.17763.1", "10.0.20348.1")]
    (published,) = merged(parts, Reference(registry.host, REPOSITORY, "1"))
    found = document(registry, REPOSITORY, published.digest)
    said = {"os": "windows", "architecture": "amd64", "os.features": ["win32k"]}
    assert sorted((each["platform"] for each in found["manifests"]), key=str) == [
        {**said, "os.version": "10.0.17763.1"}, {**said, "os.version": "10.0.20348.1"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("key", "other"), [("title", "other"), ("version", "0.9.0"), ("revision", "old"), ("description", "other")]
)
def test_a_part_of_another_build_is_said(key: str, other: str, tmp_path: Path, registry: InMemoryRegistry) -> None:
    name = f"org.opencontainers.image.{key}"
    parts = [
        by_digest(registry, index_of([small_image(tmp_path, platform)], annotations={name: text}))
        for platform, text in ((AMD64, "1.0.0"), (ARM64, other))
    ]
    emitted = Emitted()
    merged(parts, Reference(registry.host, REPOSITORY, "1"), emit=emitted)
    said = [note for note in emitted.notes if "not of one build" in note]
    assert bool(said) == (key != "description")
    assert all(name in note and other in note and str(parts[1]) in note for note in said)


@pytest.mark.parametrize("unverified", [(), (0,), (1,), (0, 1)])
def test_a_whole_is_as_little_verified_as_each_of_its_parts(
    unverified: tuple[int, ...], tmp_path: Path, registry: InMemoryRegistry
) -> None:
    parts = []
    for number, platform in enumerate((AMD64, ARM64)):
        said = {"dev.cargoship.verified": "false"} if number in unverified else {}
        parts.append(by_digest(registry, index_of([small_image(tmp_path, platform)], annotations=said)))
    (published,) = merged(parts, Reference(registry.host, REPOSITORY, "1"))
    annotations = document(registry, REPOSITORY, published.digest).get("annotations", {})
    assert annotations == ({"dev.cargoship.verified": "false"} if unverified else {})


def test_what_two_jobs_have_in_common_is_there_once(amd64: Index, arm64: Index, registry: InMemoryRegistry) -> None:
    parts = [by_digest(registry, each) for each in (amd64, arm64, amd64)]
    (published,) = merged(parts, Reference(registry.host, REPOSITORY, "1"))
    assert len(document(registry, REPOSITORY, published.digest)["manifests"]) == 4


def test_docker_manifests_make_a_docker_list(registry: InMemoryRegistry, tmp_path: Path) -> None:
    parts = []
    for platform in (AMD64, ARM64):
        image = small_image(tmp_path, platform)
        raw = image.raw_manifest.replace(MediaType.OCI_MANIFEST.encode(), MediaType.DOCKER_MANIFEST.encode())
        raw = raw.replace(b'"annotations":{"org.opencontainers.image.title":"app"},', b"")
        blob = BytesBlob.of(MediaType.DOCKER_MANIFEST, raw)
        by_digest(registry, index_of([image], annotations={}))
        with client_of(registry.host) as client:
            client.put_manifest(REPOSITORY, blob.descriptor.digest, blob)
        parts.append(Reference(registry.host, REPOSITORY, digest=blob.descriptor.digest))
    (published,) = merged(parts, Reference(registry.host, REPOSITORY, "1"))
    assert document(registry, REPOSITORY, published.digest)["mediaType"] == MediaType.DOCKER_LIST


def test_two_images_for_one_platform_are_refused(
    amd64: Index, arm64: Index, registry: InMemoryRegistry, tmp_path: Path
) -> None:
    images = index_of([small_image(tmp_path / "d", ARM64, entries=[LayerEntry.file("other", b"")])], annotations={})
    parts = [by_digest(registry, each) for each in (amd64, arm64, images)]
    with pytest.raises(UsageError, match="two images are for linux/arm64") as raised:
        merged(parts, Reference(registry.host, REPOSITORY, "1"))
    assert str(parts[1]) in raised.value.message
    assert str(parts[2]) in raised.value.message
    assert registry.tags(REPOSITORY) == {}


def test_what_cannot_be_merged_is_refused(amd64: Index, registry: InMemoryRegistry) -> None:
    part = by_digest(registry, amd64)
    target = Reference(registry.host, REPOSITORY, "1")
    with pytest.raises(UsageError, match="has a digest"):
        merged([part], part)
    with pytest.raises(RegistryRefused, match="404"):
        merged([Reference(registry.host, REPOSITORY, "nothing")], target)
    registry.faults.append(Fault("GET", "/manifests/", status=200, headers={"Content-Type": "text/plain"}, body=b"{}"))
    with pytest.raises(ContentInvalid):
        merged([part], target)
    empty = BytesBlob.of(MediaType.OCI_INDEX, b'{"schemaVersion":2,"manifests":[]}')
    with client_of(registry.host) as client:
        client.put_manifest(REPOSITORY, "empty", empty)
    with pytest.raises(UsageError, match="no image to merge"):
        merged([target.with_tag("empty")], target)
    assert set(registry.tags(REPOSITORY)) == {"empty"}


def test_what_no_platform_runs_is_said(amd64: Index, registry: InMemoryRegistry) -> None:
    """A chart, or an image of which nobody knows what it is for: an engine never finds them in an index."""
    config = BytesBlob.of("application/vnd.cncf.helm.config.v1+json", b"{}")
    chart = Manifest(MediaType.OCI_MANIFEST, config.descriptor, ())
    unsaid = BytesBlob.of(MediaType.OCI_CONFIG, b'{"rootfs":{"type":"layers","diff_ids":[]}}')
    image = Manifest(MediaType.OCI_MANIFEST, unsaid.descriptor, ())
    with client_of(registry.host) as client:
        for tag, blob, manifest in (("chart", config, chart), ("unsaid", unsaid, image)):
            client.upload(REPOSITORY, blob)
            client.put_manifest(REPOSITORY, tag, BytesBlob.of(MediaType.OCI_MANIFEST, encode_manifest(manifest)))
    part, target = by_digest(registry, amd64), Reference(registry.host, REPOSITORY, "1")
    emitted = Emitted()
    merged([part, target.with_tag("chart"), target.with_tag("unsaid")], target, emit=emitted)
    chart_said, unsaid_said = emitted.notes
    assert "is no image but application/vnd.cncf.helm.config.v1+json, which no platform runs" in chart_said
    assert "does not say its platform" in unsaid_said
    with pytest.raises(UsageError, match="no image to merge") as raised:
        merged([target.with_tag("chart")], target.with_tag("2"))
    assert "helm" in (raised.value.hint or "")
    assert set(registry.tags(REPOSITORY)) == {"1", "chart", "unsaid"}


@pytest.mark.parametrize(
    ("listed", "said", "is_wrong"),
    [
        (ARM64, AMD64, True),
        (AMD64, Platform("linux", "amd64", "v3"), True),
        (Platform("linux", "amd64", "v3"), AMD64, False),
        (Platform("linux", "arm", "v6"), ARMV7, True),
        (Platform("linux", "arm", "v6"), Platform("linux", "arm"), False),
        (Platform("linux", "arm64", "v8"), ARM64, False),
    ],
)
def test_an_image_that_is_listed_for_another_platform_is_said(
    listed: Platform, said: Platform, *, is_wrong: bool, tmp_path: Path, registry: InMemoryRegistry
) -> None:
    image = small_image(tmp_path, said)
    entry = {**json.loads(index_of([image], annotations={}).raw)["manifests"][0]}
    entry["platform"] = {name: text for name, text in to_builtins(listed).items() if text}
    raw = json.dumps({"schemaVersion": 2, "mediaType": MediaType.OCI_INDEX, "manifests": [entry]}).encode()
    part = by_digest(registry, Index(raw, (image,)))
    emitted = Emitted()
    merged([part], Reference(registry.host, REPOSITORY, "1"), emit=emitted)
    found = [note for note in emitted.notes if f"for {listed}, and its config says {said}" in note]
    assert bool(found) is is_wrong, emitted.notes
