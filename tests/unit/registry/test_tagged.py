"""Cosign's tags, to which several runs add: what others have put there stays."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from cargoship.errors import ContentInvalid
from cargoship.oci.descriptor import BytesBlob, MediaType
from cargoship.oci.manifest import decode_manifest
from cargoship.registry.testimony import TaggedLayers, Testimony, cosign_tag, push_tagged
from cargoship.testing import InMemoryRegistry, InMemoryTransport
from support.pushing import REPOSITORY, client_of

_SUBJECT = BytesBlob.of(MediaType.OCI_MANIFEST, b'{"schemaVersion":2,"layers":[]}').descriptor.digest
_SIGNATURE = "dev.cosignproject.cosign/signature"
_TAG = cosign_tag(_SUBJECT, "sig")


def _said(name: str) -> Testimony:
    blob = BytesBlob.of("application/vnd.dev.cosign.simplesigning.v1+json", b"{}")
    signed = replace(blob, descriptor=replace(blob.descriptor, annotations={_SIGNATURE: name}))
    return Testimony(tagged=(TaggedLayers(_SUBJECT, "sig", (signed,)),))


def _names(registry: InMemoryRegistry) -> list[str]:
    with client_of(registry.host, transport=InMemoryTransport(registry)) as client:
        found = client.manifest_if_there(REPOSITORY, _TAG)
    assert found is not None
    layers = decode_manifest(found.data).layers
    return sorted(layer.annotations[_SIGNATURE] for layer in layers)


def test_signatures_that_are_made_at_the_same_time_are_all_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoTurns:
        def __enter__(self) -> None: ...

        def __exit__(self, *exc: object) -> None: ...

    # other machines know nothing of this process's locks
    monkeypatch.setattr("cargoship.registry.shared_tag._LOCKS", (NoTurns(),))
    registry = InMemoryRegistry(address="https://registry.example")
    writers = [f"key {number}" for number in range(6)]
    failures: list[BaseException] = []
    gate = threading.Barrier(len(writers))

    def sign(name: str) -> None:
        try:
            with client_of(registry.host, transport=InMemoryTransport(registry)) as client:
                gate.wait(10.0)
                push_tagged(client, REPOSITORY, _said(name))
        except BaseException as error:  # noqa: BLE001 - asserted below
            failures.append(error)

    threads = [threading.Thread(target=sign, args=(name,)) for name in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert _names(registry) == writers


def test_a_signature_that_is_there_is_not_written_again() -> None:
    registry = InMemoryRegistry(address="https://registry.example")
    with client_of(registry.host, transport=InMemoryTransport(registry)) as client:
        push_tagged(client, REPOSITORY, _said("key"))
        registry.calls.clear()
        push_tagged(client, REPOSITORY, _said("key"))
    assert {call.method for call in registry.calls} == {"GET"}
    assert _names(registry) == ["key"]


def test_what_is_no_signature_is_left_under_its_tag() -> None:
    registry = InMemoryRegistry(address="https://registry.example")
    index = BytesBlob.of(MediaType.OCI_INDEX, b'{"schemaVersion":2,"manifests":[]}')
    with client_of(registry.host, transport=InMemoryTransport(registry)) as client:
        client.put_manifest(REPOSITORY, _TAG, index)
        with pytest.raises(ContentInvalid, match="is no manifest of cosign's, but application/vnd"):
            push_tagged(client, REPOSITORY, _said("key"))
        assert client.find_manifest(REPOSITORY, _TAG) == index.descriptor.digest
