from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from cargoship.bases.base import Base, resolve_base
from cargoship.bases.remote import RemoteBases
from cargoship.errors import ContentInvalid, PlatformUnknown, RegistryRefused, RegistryUnreachable
from cargoship.oci.descriptor import BytesBlob, MediaType
from cargoship.oci.digest import Digest
from cargoship.oci.image import Image, make_image
from cargoship.oci.index import Index, index_of
from cargoship.oci.layer import BlobStore
from cargoship.oci.layout import write_layout
from cargoship.oci.manifest import encode_manifest
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.registry.push import Published, PushOptions, push_index
from cargoship.settings.base import parse_base_spec
from cargoship.testing import Fault, InMemoryRegistry
from support.attested import attested_index, nested_index
from support.images import AMD64, ARM64, ARMV7, CREATED, GZIP, small_index
from support.pushing import Emitted, client_of, push
from support.validate import validate

BASE = "bases/debian"


@pytest.fixture
def registry() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        yield running


@pytest.fixture
def index(tmp_path: Path, registry: InMemoryRegistry) -> Index:
    """An index that the registry has as its base."""
    found = attested_index(tmp_path / "blobs", [AMD64, ARM64])
    with client_of(registry.host) as client:
        push(client, found, "12", repository=BASE)
    registry.calls.clear()
    return found


def bases_of(tmp_path: Path, *, offline: bool = False, reported: Emitted | None = None) -> RemoteBases:
    return RemoteBases(open_client=client_of, cache=tmp_path / "cache", offline=offline, emit=reported or Emitted())


def find(tmp_path: Path, reference: Reference, *platforms: Platform, offline: bool = False) -> list[Base]:
    with bases_of(tmp_path, offline=offline) as bases:
        return [bases.find(reference, platform) for platform in platforms]


def requests(registry: InMemoryRegistry) -> list[str]:
    """What was asked since the last time."""
    found = [f"{call.method} {call.path.removeprefix('/v2/').replace(BASE, 'base')}" for call in registry.calls]
    registry.calls.clear()
    return found


def image_on(base: Base, platform: Platform) -> Index:
    return index_of(
        [make_image(platform=platform, config=base.config, layers=base.layers, created=CREATED, annotations={})],
        annotations={},
    )


def test_a_base_is_found_and_its_layers_are_not_touched(
    tmp_path: Path, index: Index, registry: InMemoryRegistry
) -> None:
    tag = Reference(registry.host, BASE, "12")
    one, other = find(tmp_path, tag, AMD64, ARM64)
    images = index.children
    assert (one.name, one.digest, one.has_loader) == (f"{registry.host}/{BASE}:12", index.digest, None)
    for base, image in ((one, images[0]), (other, images[1])):
        assert base.config == image.config
        assert [layer.descriptor for layer in base.layers] == [layer.descriptor for layer in image.layers]
        assert [layer.diff_id for layer in base.layers] == [layer.diff_id for layer in image.layers]
        assert [layer.created_by for layer in base.layers] == ["shared", "own"]
    asked = requests(registry)
    assert len(asked) == 6
    assert asked[:2] == ["HEAD base/manifests/12", f"GET base/manifests/{index.digest}"]
    assert not [each for each in asked for image in images for layer in image.layers if str(layer.diff_id) in each]


def test_what_is_cached_is_not_asked_for(tmp_path: Path, index: Index, registry: InMemoryRegistry) -> None:
    tag = Reference(registry.host, BASE, "12")
    find(tmp_path, tag, AMD64, ARM64)
    requests(registry)
    find(tmp_path, tag, AMD64, ARM64)
    assert requests(registry) == ["HEAD base/manifests/12"]
    # a digest needs nobody: not even a registry
    (base,) = find(tmp_path, Reference(registry.host, BASE, "12", index.digest), AMD64)
    assert base.name == f"{registry.host}/{BASE}:12"
    (base,) = find(tmp_path, Reference(registry.host, BASE, digest=index.digest), AMD64, offline=True)
    assert base.name == f"{registry.host}/{BASE}@{index.digest}"
    assert requests(registry) == []


def test_an_index_that_calls_an_image_something_else_is_said(tmp_path: Path, registry: InMemoryRegistry) -> None:
    own = small_index(tmp_path / "blobs", [AMD64])
    lying = BytesBlob.of(MediaType.OCI_INDEX, own.raw.replace(b'"amd64"', b'"arm64"'))
    with client_of(registry.host) as client:
        push(client, own, "12", repository=BASE)
        client.put_manifest(BASE, "13", lying)
    for tag, platform, is_said in (("12", AMD64, False), ("13", ARM64, True)):
        reported = Emitted()
        with bases_of(tmp_path, reported=reported) as bases:
            bases.find(Reference(registry.host, BASE, tag), platform)
        assert bool([note for note in reported.notes if "whose config says linux/amd64" in note]) == is_said


def test_without_a_network_a_tag_is_what_it_was(tmp_path: Path, index: Index, registry: InMemoryRegistry) -> None:
    tag = Reference(registry.host, BASE, "12")
    with pytest.raises(RegistryUnreachable, match="not cached"):
        find(tmp_path, tag, AMD64, offline=True)
    find(tmp_path, tag, AMD64)
    with client_of(registry.host) as client:
        push(client, small_index(tmp_path / "newer", [AMD64]), "12", repository=BASE)
    requests(registry)
    (base,) = find(tmp_path, tag, AMD64, offline=True)
    assert base.digest == index.digest
    with pytest.raises(RegistryUnreachable, match="not cached"):
        find(tmp_path, tag, ARM64, offline=True)
    with pytest.raises(RegistryUnreachable, match="not cached"):
        base.layers[0].blob.open()
    assert requests(registry) == []
    # and with one it is what it is
    (base,) = find(tmp_path, tag, AMD64)
    assert base.digest != index.digest


def test_layers_are_fetched_once_when_they_are_needed(tmp_path: Path, index: Index, registry: InMemoryRegistry) -> None:
    tag = Reference(registry.host, BASE, "12")
    with bases_of(tmp_path) as bases:
        base = bases.find(tag, AMD64)
        requests(registry)
        made = image_on(base, AMD64)
        validate(made)
        assert len(requests(registry)) == 2
        write_layout(tmp_path / "layout", made, names=[])
        assert requests(registry) == []
    again = find(tmp_path, tag, AMD64, offline=True)[0]
    validate(image_on(again, AMD64))
    assert requests(registry) == []
    assert index.children[0].layers[0].descriptor == again.layers[0].descriptor


def test_a_cache_that_cannot_be_written_costs_time_alone(
    tmp_path: Path, index: Index, registry: InMemoryRegistry
) -> None:
    (tmp_path / "cache").touch()
    with bases_of(tmp_path) as bases:
        base = bases.find(Reference(registry.host, BASE, "12"), AMD64)
        validate(image_on(base, AMD64))
        validate(image_on(base, AMD64))
    assert base.digest == index.digest


def test_a_damaged_cache_is_mended(tmp_path: Path, index: Index, registry: InMemoryRegistry) -> None:
    reference = Reference(registry.host, BASE, digest=index.digest)
    find(tmp_path, reference, AMD64)
    for path in (tmp_path / "cache" / "sha256").iterdir():
        path.write_bytes(b"{}")
    requests(registry)
    assert find(tmp_path, reference, AMD64)[0].config == index.children[0].config
    assert len(requests(registry)) == 3
    find(tmp_path, reference, AMD64)
    assert requests(registry) == []


def publish(registry: InMemoryRegistry, base: Base, repository: str) -> Published:
    with client_of(registry.host) as client:
        reference = Reference(registry.host, repository)
        return push_index(
            client, image_on(base, AMD64), reference=reference, tags=["1"], options=PushOptions(Emitted())
        )


def test_the_registry_of_the_base_mounts_its_layers(tmp_path: Path, index: Index, registry: InMemoryRegistry) -> None:
    with bases_of(tmp_path) as bases:
        base = bases.find(Reference(registry.host, BASE, "12"), AMD64)
        requests(registry)
        published = publish(registry, base, "me/app")
        assert (published.mounted, published.pushed, published.skipped) == (2, 1, 0)
        assert publish(registry, base, BASE).skipped == 3
    assert not [each for each in requests(registry) if each.startswith("GET")]
    assert index.digest == base.digest


def test_another_registry_gets_them_once_and_streamed(tmp_path: Path, index: Index, registry: InMemoryRegistry) -> None:
    with InMemoryRegistry() as target, bases_of(tmp_path) as bases:
        base = bases.find(Reference(registry.host, BASE, "12"), AMD64)
        assert publish(target, base, "me/app").pushed == 3
        requests(registry)
        shutil.rmtree(tmp_path / "cache")
        assert publish(target, base, "me/app").skipped == 3
        assert publish(target, base, "me/app").digest == image_on(base, AMD64).digest
        assert requests(registry) == []
        assert target.tags("me/app")
    assert index.digest == base.digest


@pytest.mark.parametrize("platform", [ARMV7, Platform("windows", "amd64"), Platform("linux", "s390x")])
def test_a_platform_that_a_base_lacks_is_refused_with_what_it_has(
    tmp_path: Path, index: Index, registry: InMemoryRegistry, platform: Platform
) -> None:
    for reference in (Reference(registry.host, BASE, "12"), Reference(registry.host, BASE, digest=index.digest)):
        with pytest.raises(PlatformUnknown) as raised:
            find(tmp_path, reference, platform)
        assert raised.value.message == f"the base {reference} has no image for {platform}"
        assert raised.value.hint == "it has linux/amd64, linux/arm64"


def test_variants_are_chosen_as_engines_do(tmp_path: Path, registry: InMemoryRegistry) -> None:
    v6 = Platform("linux", "arm", "v6")
    index = small_index(tmp_path / "blobs", [v6, Platform("linux", "arm", "v5"), ARM64])
    with client_of(registry.host) as client:
        push(client, nested_index(index), "1", repository=BASE)
    reference = Reference(registry.host, BASE, "1")
    assert find(tmp_path, reference, ARMV7)[0].config == index.children[2].config
    assert find(tmp_path, reference, Platform("linux", "arm64", "v8"))[0].config == index.children[0].config


def test_a_single_image_is_a_base_for_its_platform(tmp_path: Path, index: Index, registry: InMemoryRegistry) -> None:
    image = index.children[1]
    reference = Reference(registry.host, BASE, digest=image.digest)
    assert find(tmp_path, reference, ARM64)[0].config == image.config
    with pytest.raises(PlatformUnknown) as raised:
        find(tmp_path, reference, AMD64)
    assert raised.value.hint == "it has linux/arm64"


def test_layers_in_dockers_words_get_oci_names(tmp_path: Path, registry: InMemoryRegistry) -> None:
    image = small_index(tmp_path / "blobs", [AMD64]).children[0]
    raw = image.raw_manifest.replace(
        b"application/vnd.oci.image.layer.v1.tar+gzip", MediaType.DOCKER_LAYER_GZIP.encode()
    )
    docker = index_of([Image(raw, image.raw_config, image.layers)], annotations={})
    with client_of(registry.host) as client:
        push(client, docker, "1", repository=BASE)
    with bases_of(tmp_path) as bases:
        base = bases.find(Reference(registry.host, BASE, "1"), AMD64)
        assert {layer.descriptor.media_type for layer in base.layers} == {MediaType.OCI_LAYER_GZIP}
        validate(image_on(base, AMD64))
    raw = image.raw_manifest.replace(b"image.layer.v1.tar+gzip", b"image.layer.nondistributable.v1.tar+gzip")
    with client_of(registry.host) as client:
        odd = BytesBlob.of(MediaType.OCI_MANIFEST, raw)
        client.put_manifest(BASE, "odd", odd)
    with pytest.raises(ContentInvalid, match="nondistributable") as raised:
        find(tmp_path, Reference(registry.host, BASE, "odd"), AMD64)
    assert f"the base {registry.host}/{BASE}:odd" in raised.value.message
    assert "its maker alone gives it out" in (raised.value.hint or "")


def test_steps_for_images_on_a_base_are_said_to_be_left_out(tmp_path: Path, registry: InMemoryRegistry) -> None:
    image = small_index(tmp_path / "blobs", [AMD64]).children[0]
    config = json.loads(image.raw_config)
    config["config"]["OnBuild"] = ["COPY . /src", "RUN make\u001b[31m"]
    blob = BytesBlob.of(MediaType.OCI_CONFIG, json.dumps(config).encode())
    made = Image(encode_manifest(replace(image.manifest, config=blob.descriptor)), blob.data, image.layers)
    with client_of(registry.host) as client:
        push(client, index_of([made], annotations={}), "1", repository=BASE)
    with bases_of(tmp_path) as bases:
        said = bases.find(Reference(registry.host, BASE, "1"), AMD64).left_out or ""
    assert "which are not run (ONBUILD): COPY . /src; RUN make" in said
    assert "\x1b" not in said
    write_layout(tmp_path / "base", index_of([made], annotations={}), names=[])
    spec = parse_base_spec("oci:base")
    store = BlobStore(tmp_path / "store")
    base = resolve_base(spec, AMD64, root=tmp_path, store=store, compression=GZIP, epoch=0, remote=bases.find)
    assert base.left_out == said.replace(f"{registry.host}/{BASE}:1", "oci:base"), (
        "whether the base is in a registry or not"
    )


@pytest.mark.parametrize(
    ("method", "path", "fault", "error"),
    [
        ("HEAD|GET", "/manifests/12", {"status": 404, "times": 2}, RegistryRefused),
        ("HEAD", "/manifests/12", {"cut_response": 0, "times": None}, RegistryUnreachable),
        ("GET", "/manifests/", {"corrupt": True}, ContentInvalid),
        ("GET", "/blobs/", {"corrupt": True}, ContentInvalid),
        ("GET", "/manifests/", {"status": 500, "times": None}, RegistryRefused),
    ],
)
def test_what_a_registry_gets_wrong_is_reported_and_not_kept(
    tmp_path: Path, index: Index, registry: InMemoryRegistry, method: str, path: str, fault: dict[str, object],
    error: type[Exception],
) -> None:  # fmt: skip
    registry.faults.append(Fault(method, path, **fault))  # type: ignore[arg-type]
    reference = Reference(registry.host, BASE, "12")
    with pytest.raises(error):
        find(tmp_path, reference, AMD64)
    registry.faults.clear()
    assert find(tmp_path, reference, AMD64)[0].digest == index.digest


def test_a_layer_that_arrives_damaged_is_not_kept(tmp_path: Path, index: Index, registry: InMemoryRegistry) -> None:
    with bases_of(tmp_path) as bases:
        base = bases.find(Reference(registry.host, BASE, "12"), AMD64)
        registry.faults.append(Fault("GET", "/blobs/", corrupt=True))
        with pytest.raises(ContentInvalid):
            validate(image_on(base, AMD64))
        validate(image_on(base, AMD64))
        stream = base.layers[1].blob.open()
        stream.read(1)
        stream.close()
    for path in (tmp_path / "cache" / "sha256").iterdir():
        assert Digest.of(path.read_bytes()).hex == path.name
    assert not list((tmp_path / "cache" / "tmp").iterdir())
    assert index.digest == base.digest


def test_a_clients_time_is_not_used_up_by_a_compile(tmp_path: Path, index: Index, registry: InMemoryRegistry) -> None:
    with bases_of(tmp_path) as bases:
        base = bases.find(Reference(registry.host, BASE, digest=index.digest), AMD64)
        client = bases.client(Reference(registry.host, BASE))
        assert bases.client(Reference(registry.host, BASE)) is client
        client.budget._deadline -= client.budget.total_s
        validate(image_on(base, AMD64))
