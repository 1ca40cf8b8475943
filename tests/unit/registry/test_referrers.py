"""Referrers through the API and through the fallback tag, and deletions."""

from __future__ import annotations

import json
import threading

import pytest

from cargoship.errors import ContentInvalid, RegistryError, RegistryRefused
from cargoship.events import ignore
from cargoship.oci.descriptor import BytesBlob, MediaType
from cargoship.oci.digest import Digest
from cargoship.oci.reference import Reference
from cargoship.oci.tree import ManifestTree
from cargoship.registry import shared_tag
from cargoship.registry.client import RegistryClient
from cargoship.registry.push import PushOptions, push_tree
from cargoship.registry.referrers import attach, detach, enlist, fallback_tag, list_referrers
from cargoship.registry.testimony import RegistryPresent
from cargoship.testing import Fault, InMemoryRegistry, InMemoryTransport
from cargoship.testing.content_api import ContentApi
from support.pushing import REPOSITORY, client_of

_SUBJECT = BytesBlob.of(MediaType.OCI_MANIFEST, b'{"schemaVersion":2,"layers":[]}')
_DIGEST = _SUBJECT.descriptor.digest


def _artifact(name: str, kind: str = "application/x-sbom", subject: BytesBlob | None = _SUBJECT) -> BytesBlob:
    document: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": MediaType.OCI_MANIFEST,
        "artifactType": kind,
        "layers": [],
        "annotations": {"name": name},
    }
    if subject is not None:
        document["subject"] = _named(subject)
    return BytesBlob.of(MediaType.OCI_MANIFEST, json.dumps(document).encode())


def _named(manifest: BytesBlob) -> dict[str, object]:
    about = manifest.descriptor
    return {"mediaType": about.media_type, "digest": str(about.digest), "size": about.size_bytes}


def _registry(*, api: bool, **options: object) -> InMemoryRegistry:
    contents = ContentApi(referrers=api, **options)  # type: ignore[arg-type]
    return InMemoryRegistry(address="https://registry.example", contents=contents)


def _client(registry: InMemoryRegistry) -> RegistryClient:
    client = client_of(registry.host, transport=InMemoryTransport(registry))
    client.put_manifest(REPOSITORY, "1", _SUBJECT)
    return client


@pytest.mark.parametrize("api", [True, False])
def test_what_is_attached_is_listed(*, api: bool) -> None:
    registry = _registry(api=api, referrers_page=2)
    with _client(registry) as client:
        assert list_referrers(client, REPOSITORY, _DIGEST) == ()
        sboms = [_artifact(str(number)) for number in range(5)]
        signature = _artifact("s", "application/x-signature")
        for artifact in (*sboms, signature, sboms[0]):
            attach(client, REPOSITORY, artifact)
        everything = list_referrers(client, REPOSITORY, _DIGEST)
        assert {entry.digest for entry in everything} == {a.descriptor.digest for a in (*sboms, signature)}
        (found,) = list_referrers(client, REPOSITORY, _DIGEST, artifact_type="application/x-signature")
        assert (found.digest, found.artifact_type) == (signature.descriptor.digest, "application/x-signature")
        assert (found.annotations, found.size_bytes) == ({"name": "s"}, signature.descriptor.size_bytes)
        assert (fallback_tag(_DIGEST) in registry.tags(REPOSITORY)) is not api
        assert detach(client, REPOSITORY, signature.descriptor.digest)
        assert not detach(client, REPOSITORY, signature.descriptor.digest)
        left = list_referrers(client, REPOSITORY, _DIGEST)
        assert {entry.digest for entry in left} == {a.descriptor.digest for a in sboms}


def test_a_tag_that_is_the_image_itself_is_no_list_of_what_refers_to_it() -> None:
    """GitLab's registry takes `sha256-<hex>` for the digest (oras-project/oras-go#1396)."""
    registry = _registry(api=False, digest_tags=True)
    index = json.dumps({"schemaVersion": 2, "manifests": [{**_named(_SUBJECT), "platform": {"os": "linux"}}]})
    subjects = [_SUBJECT, BytesBlob.of(MediaType.OCI_INDEX, index.encode())]
    with _client(registry) as client:
        client.put_manifest(REPOSITORY, "all", subjects[1])
        for subject in subjects:
            assert list_referrers(client, REPOSITORY, subject.descriptor.digest) == ()
            sbom = _artifact("s", subject=subject)
            attach(client, REPOSITORY, sbom)
            (found,) = list_referrers(client, REPOSITORY, subject.descriptor.digest)
            assert found.digest == sbom.descriptor.digest
            assert detach(client, REPOSITORY, sbom.descriptor.digest)
            assert list_referrers(client, REPOSITORY, subject.descriptor.digest) == ()
        registry.faults.append(Fault("GET", "/manifests/sha256-", status=200, body=_SUBJECT.data, times=None))
        with pytest.raises(RegistryError, match=r"under the tag sha256-[0-9a-f]{64} of .*, and does not give it"):
            attach(client, REPOSITORY, _artifact("t"))


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (400, "MANIFEST_INVALID", True),
        (404, "MANIFEST_UNKNOWN", True),
        (404, "", True),
        (415, "UNSUPPORTED", True),
        (400, "TAG_IMMUTABLE", False),
        (413, "", False),
    ],
)
def test_a_registry_that_takes_nothing_that_refers_is_told_how_to_do_without(
    status: int, code: str, *, told: bool
) -> None:
    registry = _registry(api=False)
    with _client(registry) as client:
        body = json.dumps({"errors": [{"code": code, "message": "no"}]}).encode() if code else b""
        registry.faults.append(Fault("PUT", "/manifests/", status=status, body=body, times=None))
        with pytest.raises(RegistryRefused) as caught:
            attach(client, REPOSITORY, _artifact("s"))
    assert ('attest = "none"' in (caught.value.hint or "")) is told


@pytest.mark.parametrize("api", [True, False])
def test_what_is_pushed_as_an_image_is_listed_too(*, api: bool) -> None:
    registry = _registry(api=api)
    empty = BytesBlob.of(MediaType.OCI_EMPTY, b"{}")
    document = json.loads(_artifact("x").data)
    config = {"mediaType": MediaType.OCI_EMPTY, "digest": str(empty.descriptor.digest), "size": 2}
    root = BytesBlob.of(MediaType.OCI_MANIFEST, json.dumps({**document, "config": config}).encode())
    with _client(registry) as client:
        reference = Reference(registry.host, REPOSITORY)
        push_tree(
            client,
            ManifestTree(root, (), (), (empty,)),
            reference=reference,
            tags=["note"],
            options=PushOptions(ignore),
        )
        (found,) = list_referrers(client, REPOSITORY, _DIGEST)
        assert found.digest == root.descriptor.digest


def test_a_config_stands_in_for_an_artifacts_type() -> None:
    document = json.loads(_artifact("x").data)
    del document["artifactType"], document["annotations"]
    registry = _registry(api=False)
    with _client(registry) as client:
        config = BytesBlob.of("application/x-config", b"{}")
        client.upload(REPOSITORY, config)
        document["config"] = {"mediaType": "application/x-config", "digest": str(Digest.of(b"{}")), "size": 2}
        attach(client, REPOSITORY, BytesBlob.of(MediaType.OCI_MANIFEST, json.dumps(document).encode()))
        (found,) = list_referrers(client, REPOSITORY, _DIGEST)
    assert (found.artifact_type, found.annotations) == ("application/x-config", {})


@pytest.mark.parametrize(
    "manifest",
    [
        _artifact("x", subject=None),
        BytesBlob.of("x", b"[]"),
        BytesBlob.of("x", b"no json"),
        BytesBlob.of("x", b'{"subject":{"digest":"md5:1"}}'),
        BytesBlob.of("x", b'{"subject":7}'),
    ],
)
def test_what_refers_to_nothing_cannot_be_attached(manifest: BytesBlob) -> None:
    registry = _registry(api=True)
    with _client(registry) as client, pytest.raises(ContentInvalid):
        attach(client, REPOSITORY, manifest)
    assert len(registry.contents.repositories[REPOSITORY].manifests) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault("GET", "/referrers/", status=404),
        Fault("GET", "/referrers/", status=405),
        Fault("GET", "/referrers/", status=400),
        Fault("GET", "/referrers/", status=401),
        Fault("GET", "/referrers/", status=403),
        Fault("GET", "/referrers/", status=406),
        Fault("GET", "/referrers/", status=200, headers={"Content-Type": "text/html"}, body=b"<html>hello"),
    ],
)
def test_a_registry_without_the_api_is_asked_for_the_tag(fault: Fault) -> None:
    registry = _registry(api=False)
    with _client(registry) as client:
        attach(client, REPOSITORY, _artifact("x"))
        registry.faults.append(fault)
        assert len(list_referrers(client, REPOSITORY, _DIGEST)) == 1


def test_a_registry_that_lists_nothing_of_what_it_takes_is_given_a_tag() -> None:
    """It answers as if it had the API (sigstore/sigstore-js, pull 1187)."""
    registry = _registry(api=False)
    headers = {"Content-Type": MediaType.OCI_INDEX}
    body = b'{"schemaVersion":2,"manifests":[]}'
    registry.faults.append(Fault("GET", "/referrers/", status=200, headers=headers, body=body, times=None))
    attached, pushed = _artifact("x"), _artifact("y")
    with _client(registry) as client:
        attach(client, REPOSITORY, attached)
        client.put_manifest(REPOSITORY, pushed.descriptor.digest, pushed)
        enlist(client, REPOSITORY, pushed)
        found = list_referrers(client, REPOSITORY, _DIGEST)
        assert {entry.digest for entry in found} == {attached.descriptor.digest, pushed.descriptor.digest}
        assert RegistryPresent(client, REPOSITORY).referrers(_DIGEST) == found


@pytest.mark.parametrize(("times", "tagged"), [(None, True), (1, False)])
def test_a_registry_that_notes_a_subject_is_asked_whether_it_lists_it(times: int | None, *, tagged: bool) -> None:
    """Some note it and have no such API (sigstore/sigstore-js, pull 1183); some have it once there is a repository."""
    registry = _registry(api=True)
    registry.faults.append(Fault("GET", "/referrers/", status=404, times=times))
    with _client(registry) as client:
        assert list_referrers(client, REPOSITORY, _DIGEST) == ()
        attach(client, REPOSITORY, _artifact("x"))
        assert len(list_referrers(client, REPOSITORY, _DIGEST)) == 1
    assert (fallback_tag(_DIGEST) in registry.tags(REPOSITORY)) is tagged


def test_a_registry_that_only_notes_a_subject_loses_nothing_that_is_copied_there() -> None:
    """Nobody asks for lists before a copy: what was attached went where nobody finds it."""
    registry = _registry(api=True)
    registry.faults.append(Fault("GET", "/referrers/", status=404, times=None))
    with _client(registry) as client:
        attach(client, REPOSITORY, _artifact("x"))
    with _client(registry) as client:
        assert len(list_referrers(client, REPOSITORY, _DIGEST)) == 1


def test_a_list_under_a_tag_that_may_not_move_is_called_so() -> None:
    registry = _registry(api=False, immutable_tags=True)
    with _client(registry) as client:
        attach(client, REPOSITORY, _artifact("x"))
        with pytest.raises(RegistryRefused, match="is immutable") as caught:
            attach(client, REPOSITORY, _artifact("y"))
    assert "begin with sha256- be moved" in (caught.value.hint or "")


def test_nonsense_under_the_tag_is_refused() -> None:
    registry = _registry(api=False)
    with _client(registry) as client:
        client.put_manifest(REPOSITORY, fallback_tag(_DIGEST), _artifact("no index"))
        said = f"^registry.example/{REPOSITORY}:{fallback_tag(_DIGEST)} is no list of what refers to an image, but"
        for ask in (
            lambda: attach(client, REPOSITORY, _artifact("x")),
            lambda: list_referrers(client, REPOSITORY, _DIGEST),
        ):
            with pytest.raises(ContentInvalid, match=said):
                ask()


def test_pages_without_an_end_are_refused() -> None:
    registry = _registry(api=True)
    headers = {"Content-Type": MediaType.OCI_INDEX, "Link": '<?again>; rel="next"'}
    body = b'{"schemaVersion":2,"manifests":[]}'
    registry.faults.append(Fault("GET", "", status=200, headers=headers, body=body, times=None))
    with _client(registry) as client, pytest.raises(RegistryError, match="too many pages"):
        list_referrers(client, REPOSITORY, _DIGEST)


@pytest.mark.parametrize("writers", [8])
def test_writers_on_other_machines_do_not_lose_each_others_entries(
    writers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoTurns:
        def __enter__(self) -> None: ...

        def __exit__(self, *exc: object) -> None: ...

    # other machines know nothing of this process's locks
    monkeypatch.setattr("cargoship.registry.shared_tag._LOCKS", (NoTurns(),))
    registry = _registry(api=False)
    _client(registry).close()
    artifacts = [_artifact(str(number)) for number in range(writers)]
    failures: list[BaseException] = []
    gate = threading.Barrier(writers)

    def write(artifact: BytesBlob) -> None:
        try:
            with client_of(registry.host, transport=InMemoryTransport(registry)) as client:
                gate.wait(10.0)
                attach(client, REPOSITORY, artifact)
        except BaseException as error:  # noqa: BLE001 - asserted below
            failures.append(error)

    threads = [threading.Thread(target=write, args=(artifact,)) for artifact in artifacts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with client_of(registry.host, transport=InMemoryTransport(registry)) as client:
        found = {entry.digest for entry in list_referrers(client, REPOSITORY, _DIGEST)}
    assert found == {artifact.descriptor.digest for artifact in artifacts}


def test_a_writer_that_overwrites_is_noticed() -> None:
    registry = _registry(api=False)
    empty = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'

    class Quarrel(InMemoryTransport):
        """Another writer, that read the list before ours was in it and writes a moment later."""

        writes = 0

        def send(self, request: object) -> object:  # type: ignore[override]
            answer = super().send(request)  # type: ignore[arg-type]
            if request.method == "PUT" and fallback_tag(_DIGEST) in request.url and self.writes < 2:  # type: ignore[attr-defined]
                self.writes += 1
                with client_of(registry.host, transport=InMemoryTransport(registry)) as other:
                    other.put_manifest(REPOSITORY, fallback_tag(_DIGEST), BytesBlob.of(MediaType.OCI_INDEX, empty))
            return answer

    _client(registry).close()
    with client_of(registry.host, transport=Quarrel(registry)) as client:  # type: ignore[arg-type]
        attach(client, REPOSITORY, _artifact("x"))
        assert len(list_referrers(client, REPOSITORY, _DIGEST)) == 1


@pytest.mark.parametrize(("others", "looks"), [(False, 2), (True, 3)])
def test_who_is_alone_looks_once_after_the_write(*, others: bool, looks: int) -> None:
    """Before the write and after it; once more where somebody else's entry has come since. A look is one request."""
    registry = _registry(api=False)

    class Counting(InMemoryTransport):
        reads = 0
        met = not others

        def send(self, request: object) -> object:  # type: ignore[override]
            answer = super().send(request)  # type: ignore[arg-type]
            if fallback_tag(_DIGEST) in request.url:  # type: ignore[attr-defined]
                self.reads += request.method in {"GET", "HEAD"}  # type: ignore[attr-defined]
                if request.method == "PUT" and not self.met:  # type: ignore[attr-defined]
                    self.met = True
                    with client_of(registry.host, transport=InMemoryTransport(registry)) as other:
                        attach(other, REPOSITORY, _artifact("theirs"))
            return answer

    _client(registry).close()
    counting = Counting(registry)
    locks = shared_tag._LOCKS  # the other one is on another machine
    with pytest.MonkeyPatch.context() as patch, client_of(registry.host, transport=counting) as client:  # type: ignore[arg-type]
        patch.setattr(shared_tag, "_LOCKS", tuple(threading.RLock() for _ in locks))
        attach(client, REPOSITORY, _artifact("ours"))
        assert counting.reads == looks
        assert len(list_referrers(client, REPOSITORY, _DIGEST)) == 1 + others


def test_things_are_deleted() -> None:
    registry = _registry(api=True)
    with _client(registry) as client:
        blob = BytesBlob.of("x", b"blob")
        client.upload(REPOSITORY, blob)
        assert client.delete_blob(REPOSITORY, blob.descriptor.digest)
        assert not client.delete_blob(REPOSITORY, blob.descriptor.digest)
        client.put_manifest(REPOSITORY, "2", _SUBJECT)
        assert client.delete_manifest(REPOSITORY, "2")
        assert list(client.tags(REPOSITORY)) == ["1"]
        assert client.delete_manifest(REPOSITORY, _DIGEST)
        assert not client.delete_manifest(REPOSITORY, _DIGEST)
        assert list(client.tags(REPOSITORY)) == []
        registry.faults.append(Fault("DELETE", "", status=405, body=b'{"errors":[{"code":"UNSUPPORTED"}]}'))
        with pytest.raises(RegistryError, match="the deletion of me/app:1: UNSUPPORTED"):
            client.delete_manifest(REPOSITORY, "1")
