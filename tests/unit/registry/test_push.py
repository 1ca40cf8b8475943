from __future__ import annotations

import threading
from pathlib import Path

import pytest

from cargoship.errors import ContentInvalid, Forbidden, RegistryRefused, RegistryUnreachable
from cargoship.http.budget import Budget
from cargoship.oci.descriptor import Descriptor, FileBlob
from cargoship.oci.digest import Digest
from cargoship.oci.image import Image
from cargoship.oci.index import Index, index_of
from cargoship.oci.layer import Layer
from cargoship.oci.reference import Reference
from cargoship.registry.push import Published, PushOptions, push_index
from cargoship.registry.upload import BlobOutcome
from cargoship.testing import Call, Fault, InMemoryRegistry
from cargoship.testing.content_api import ContentApi
from cargoship.testing.holdings import Mounts
from support.images import AMD64, ARM64, small_image, small_index
from support.pushing import REPOSITORY, Emitted, client_of, push


def _order(calls: list[Call], index: Index) -> list[str]:
    """The kinds of the successful writes, in order, each run of one kind once."""
    configs = {str(image.config_blob.descriptor.digest) for image in index.images()}
    kinds: list[str] = []
    for call in calls:
        if call.method != "PUT" or call.status != 201:
            continue
        name = call.path.rpartition("/")[2]
        if "/blobs/" in call.path:
            kind = "config" if call.query["digest"] in configs else "layer"
        elif not name.startswith("sha256:"):
            kind = "tag"
        else:
            kind = "index" if name == str(index.digest) else "manifest"
        if kinds[-1:] != [kind]:
            kinds.append(kind)
    return kinds


def test_everything_is_there_before_it_is_named(index: Index, registry: InMemoryRegistry) -> None:
    reported = Emitted()
    with client_of(registry.host) as client:
        published = push(client, index, "1", "latest", reported=reported)
    blobs = list(index.blobs())
    assert published == Published(
        Reference(registry.host, REPOSITORY, digest=index.digest),
        index.digest,
        ("1", "latest"),
        pushed=len(blobs),
        pushed_bytes=sum(blob.descriptor.size_bytes for blob in blobs),
    )
    assert registry.tags(REPOSITORY) == {"1": str(index.digest), "latest": str(index.digest)}
    assert reported.outcomes == {str(blob.descriptor.digest): "pushed" for blob in blobs}
    assert _order(registry.calls, index) == ["layer", "config", "manifest", "index", "tag"]


def test_without_tags_a_push_is_known_by_its_digest(index: Index, registry: InMemoryRegistry) -> None:
    with client_of(registry.host) as client:
        push(client, index)
        assert registry.tags(REPOSITORY) == {}
        registry.calls.clear()
        push(client, index)
    assert [call.method for call in registry.calls] == ["HEAD"]


def test_a_push_says_whether_the_image_was_there_before(
    tmp_path: Path, index: Index, registry: InMemoryRegistry
) -> None:
    other = small_index(tmp_path / "other", (AMD64,))
    with client_of(registry.host) as client:
        assert push(client, index, "1").changed
        assert not push(client, index, "1").changed
        assert not push(client, index, "2").changed, "another name for what is there"
        assert not push(client, index).changed, "by its digest"
        assert push(client, other, "1").changed
        assert push(client, index, "1").changed, "the tag names another one again"


def test_a_push_of_the_same_costs_one_request_a_tag(index: Index, registry: InMemoryRegistry) -> None:
    with client_of(registry.host) as client:
        push(client, index, "1", "2")
        registry.calls.clear()
        published = push(client, index, "1", "2")
    assert [(call.method, call.path) for call in registry.calls] == [
        ("HEAD", f"/v2/{REPOSITORY}/manifests/1"),
        ("HEAD", f"/v2/{REPOSITORY}/manifests/2"),
    ]
    assert (published.pushed, published.skipped) == (0, len(list(index.blobs())))


def test_a_new_tag_for_the_same_sends_nothing_else(index: Index, registry: InMemoryRegistry) -> None:
    with client_of(registry.host) as client:
        push(client, index, "1")
        registry.calls.clear()
        push(client, index, "2")
    assert [call.method for call in registry.calls] == ["HEAD", "HEAD", "PUT"]
    assert registry.tags(REPOSITORY)["2"] == str(index.digest)


def test_only_what_is_new_is_sent(tmp_path: Path, index: Index, registry: InMemoryRegistry) -> None:
    bigger = small_index(tmp_path, [image.platform for image in index.images()][:1])
    reported = Emitted()
    with client_of(registry.host) as client:
        push(client, bigger, "1")
        published = push(client, index, "1", reported=reported)
    assert sorted(reported.outcomes.values()).count("exists") == 3
    assert published.skipped == 3
    assert registry.tags(REPOSITORY) == {"1": str(index.digest)}


def test_blobs_are_mounted_where_the_source_is_known(index: Index, registry: InMemoryRegistry) -> None:
    reported = Emitted()
    with client_of(registry.host) as client:
        push(client, index, "1", repository="me/base")
        registry.calls.clear()
        published = push(client, index, "1", reported=reported, mount_from="me/base")
    assert set(reported.outcomes.values()) == {"mounted"}
    assert published.mounted == len(list(index.blobs()))
    assert not [call for call in registry.calls if call.method == "PUT" and "/blobs/" in call.path]


def test_a_mount_that_does_not_work_is_an_upload(index: Index, registry: InMemoryRegistry) -> None:
    with client_of(registry.host) as client:
        published = push(client, index, "1", mount_from="me/elsewhere")
    assert published.pushed == len(list(index.blobs()))


@pytest.mark.parametrize(
    ("mounts", "fault", "mounted", "tried"),
    [
        (Mounts.ALL, None, True, None),
        (Mounts.NAMED, None, False, None),
        # one refusal is enough
        (Mounts.STRICT, None, False, 1),
        (Mounts.NAMED, Fault("POST", "", status=500), False, 1),
        (Mounts.NAMED, Fault("POST", "", status=405), False, 1),
        # a passing trouble says nothing of mounts
        (Mounts.ALL, Fault("POST", "", status=429), True, None),
        # who asks for patience is not asked in another way at once
        (Mounts.ALL, Fault("POST", "", status=503, headers={"Retry-After": "1"}), True, None),
        (Mounts.ALL, Fault("POST", "", cut_request=0), True, None),
        # it says that it did what it has not done
        (Mounts.NAMED, Fault("POST", "", status=201), False, 1),
    ],
)
def test_a_registry_may_find_blobs_elsewhere_by_itself(
    mounts: Mounts, fault: Fault | None, tried: int | None, index: Index, *, mounted: bool
) -> None:
    with InMemoryRegistry(contents=ContentApi(mounts=mounts)) as registry, client_of(registry.host) as client:
        push(client, index, "1", repository="me/other")
        assert client.session.automatic_mounts is (mounts is not Mounts.STRICT)
        client.session.automatic_mounts = True
        registry.faults += [] if fault is None else [fault]
        registry.calls.clear()
        published = push_index(
            client,
            index,
            reference=Reference(registry.host, REPOSITORY),
            tags=["1"],
            options=PushOptions(Emitted(), jobs=1),
        )
        asked = [call for call in registry.calls if call.method == "POST" and "mount" in call.query]
        assert registry.tags(REPOSITORY) == {"1": str(index.digest)}
    blobs = len(list(index.blobs()))
    assert (published.mounted, published.pushed) == ((blobs, 0) if mounted else (0, blobs))
    assert len(asked) == (blobs + (fault is not None) if tried is None else tried)
    assert client.session.automatic_mounts is (tried is None)


@pytest.mark.parametrize(
    "location",
    [
        lambda path: path,
        lambda path: path.lstrip("/"),
        lambda path: path.replace("?", "?_state=a%2Bb%3D%3D&"),
        # relative to what was asked, as RFC 9110 has it
        lambda path: path.rpartition("/")[2] if "/uploads/" in path else path,
    ],
)
def test_an_uploads_address_is_followed_as_it_is(location: object, index: Index) -> None:
    with InMemoryRegistry(contents=ContentApi(location=location)) as registry:  # type: ignore[arg-type]
        with client_of(registry.host) as client:
            push(client, index, "1")
        assert registry.tags(REPOSITORY)


def test_an_absolute_address_is_followed_too(index: Index, registry: InMemoryRegistry) -> None:
    registry.contents.location = lambda path: registry.url + path
    with client_of(registry.host) as client:
        push(client, index, "1")
    assert registry.tags(REPOSITORY)


def test_indexes_inside_an_index_come_before_it(tmp_path: Path, index: Index, registry: InMemoryRegistry) -> None:
    own = index_of([small_image(tmp_path, ARM64)], annotations={"a": "b"})
    outer_raw = index.raw.replace(b'"manifests":[', b'"manifests":[' + _entry(own) + b",")
    outer = Index(outer_raw, index.children, (own,))
    with client_of(registry.host) as client:
        push(client, outer, "1")
    assert registry.tags(REPOSITORY) == {"1": str(outer.digest)}


def _entry(index: Index) -> bytes:
    found = index.descriptor
    return f'{{"mediaType":"{found.media_type}","digest":"{found.digest}","size":{found.size_bytes}}}'.encode()


def test_a_moved_tag_that_the_registry_refuses_is_reported(index: Index, tmp_path: Path) -> None:
    with InMemoryRegistry(contents=ContentApi(immutable_tags=True)) as registry, client_of(registry.host) as client:
        old = small_index(tmp_path, [ARM64])
        push(client, old, "1")
        with pytest.raises(RegistryRefused, match="the tag 1 is immutable") as raised:
            push(client, index, "1")
        assert "push under another one" in (raised.value.hint or "")
        assert registry.tags(REPOSITORY) == {"1": str(old.digest)}
        push(client, index, "2")
        push(client, index, "2")


def test_a_refusal_of_a_tag_that_already_names_the_same_is_no_failure(index: Index) -> None:
    # a registry with immutable tags did the work, the answer was lost, and it refuses the second try
    faults = [
        Fault("PUT", "/manifests/1$", cut_response=0),
        Fault("PUT", "/manifests/1$", status=400, body=b'{"errors":[{"code":"TAG_INVALID"}]}'),
    ]
    with InMemoryRegistry(faults=faults) as registry, client_of(registry.host) as client:
        push(client, index, "1")
        assert faults[1].hits == 1
        assert registry.tags(REPOSITORY) == {"1": str(index.digest)}


def test_a_refused_tag_leaves_no_tag(index: Index) -> None:
    faults = [Fault("PUT", "/manifests/1$", status=400, body=b'{"errors":[{"code":"TAG_INVALID"}]}', times=None)]
    with InMemoryRegistry(faults=faults) as registry, client_of(registry.host) as client:
        with pytest.raises(RegistryRefused, match="the push of me/app:1: TAG_INVALID"):
            push(client, index, "1", "2")
        assert registry.tags(REPOSITORY) == {}


def test_concurrent_pushes_do_not_disturb_each_other(tmp_path: Path, index: Index, registry: InMemoryRegistry) -> None:
    indexes = [index, small_index(tmp_path, [ARM64])] * 3
    failures: list[BaseException] = []

    def one(number: int, index: Index) -> None:
        try:
            with client_of(registry.host) as client:
                push(client, index, str(number))
        except BaseException as error:  # noqa: BLE001 - asserted below
            failures.append(error)

    threads = [threading.Thread(target=one, args=pair) for pair in enumerate(indexes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert registry.tags(REPOSITORY) == {str(number): str(index.digest) for number, index in enumerate(indexes)}


def test_a_client_is_shared_by_pushes_to_several_repositories(index: Index, registry: InMemoryRegistry) -> None:
    with client_of(registry.host) as client:
        for name in ("a", "b"):
            push(client, index, "1", repository=name)
    assert registry.tags("a") == registry.tags("b") == {"1": str(index.digest)}


def _with_layer(index: Index, blob: FileBlob) -> Index:
    image = index.children[0]
    old = image.layers[0].descriptor
    raw = image.raw_manifest.replace(str(old.digest).encode(), str(blob.descriptor.digest).encode())
    raw = raw.replace(f'"size":{old.size_bytes}'.encode(), f'"size":{blob.descriptor.size_bytes}'.encode(), 1)
    layers = (Layer(blob, image.layers[0].diff_id), *image.layers[1:])
    return index_of([Image(raw, image.raw_config, layers)], annotations={})


@pytest.mark.parametrize("size_bytes", [9, 11])
def test_a_file_that_has_changed_its_size_is_refused(
    tmp_path: Path, size_bytes: int, index: Index, registry: InMemoryRegistry
) -> None:
    path = tmp_path / "layer"
    path.write_bytes(b"x" * size_bytes)
    descriptor = Descriptor("application/octet-stream", Digest.of(b"x" * 10), 10)
    with client_of(registry.host) as client, pytest.raises(ContentInvalid, match="not the 10 bytes"):
        client.upload(REPOSITORY, FileBlob(descriptor, path))
    with client_of(registry.host) as client, pytest.raises(ContentInvalid):
        push(client, _with_layer(index, FileBlob(descriptor, path)), "1")
    assert registry.tags(REPOSITORY) == {}


def test_a_file_that_is_gone_is_reported(tmp_path: Path, registry: InMemoryRegistry) -> None:
    blob = FileBlob(Descriptor("application/octet-stream", Digest.of(b"x"), 1), tmp_path / "gone")
    with client_of(registry.host) as client, pytest.raises(ContentInvalid, match="No such file"):
        client.upload(REPOSITORY, blob)


def test_a_file_with_other_content_is_refused_by_the_registry(tmp_path: Path, registry: InMemoryRegistry) -> None:
    path = tmp_path / "layer"
    path.write_bytes(b"y")
    blob = FileBlob(Descriptor("application/octet-stream", Digest.of(b"x"), 1), path)
    with client_of(registry.host) as client, pytest.raises(RegistryRefused, match="DIGEST_INVALID"):
        client.upload(REPOSITORY, blob)


def test_an_empty_blob_is_uploaded(tmp_path: Path, registry: InMemoryRegistry) -> None:
    path = tmp_path / "empty"
    path.touch()
    blob = FileBlob(Descriptor("application/octet-stream", Digest.of(b""), 0), path)
    with client_of(registry.host) as client:
        assert client.upload(REPOSITORY, blob) is BlobOutcome.PUSHED
        assert client.upload(REPOSITORY, blob) is BlobOutcome.EXISTS


def test_the_right_to_push_is_asked_for_ahead(registry: InMemoryRegistry) -> None:
    with client_of(registry.host) as client:
        client.check_push(REPOSITORY)
        registry.faults.append(Fault("DELETE", "", status=405))
        client.check_push(REPOSITORY)
        registry.faults.append(Fault("POST", "", status=403))
        with pytest.raises(Forbidden):
            client.check_push(REPOSITORY)
    assert [(call.method, call.status) for call in registry.calls] == [
        ("POST", 202), ("DELETE", 204), ("POST", 202), ("DELETE", 405), ("POST", 403),
    ]  # fmt: skip
    assert registry.contents.blobs == {}


def test_a_registry_that_is_down_is_reported(index: Index) -> None:
    with InMemoryRegistry() as registry:
        host = registry.host
    with client_of(host) as client, pytest.raises(RegistryUnreachable) as raised:
        push(client, index, "1")
    assert host in raised.value.message
    assert "me/app:1" in raised.value.message
    assert "refused" in raised.value.message
    assert raised.value.hint


def test_a_name_that_does_not_exist_is_reported_at_once(index: Index) -> None:
    budget = Budget(30.0)
    budget.sleep = lambda seconds: pytest.fail(f"waited {seconds} s")  # type: ignore[method-assign]
    with client_of("registry.invalid", budget=budget) as client, pytest.raises(RegistryUnreachable, match="resolve"):
        push(client, index, "1")


def test_a_registry_without_tls_is_reported(index: Index, registry: InMemoryRegistry) -> None:
    # not a loopback name for the client, and yet this machine
    port = registry.host.rpartition(":")[2]
    with client_of(f"0.0.0.0:{port}") as client, pytest.raises(RegistryUnreachable, match="TLS") as raised:
        push(client, index, "1")
    assert "CARGOSHIP_INSECURE_REGISTRIES" in (raised.value.hint or "")
    with client_of(f"0.0.0.0:{port}", insecure=[f"0.0.0.0:{port}"]) as client:
        push(client, index, "1")
    assert registry.tags(REPOSITORY)
