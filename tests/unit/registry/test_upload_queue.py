from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cargoship.errors import Forbidden
from cargoship.oci.descriptor import BytesBlob
from cargoship.oci.index import Index
from cargoship.oci.reference import Reference
from cargoship.registry.client import RegistryClient
from cargoship.registry.mount_sources import MountSources, NoMountSources, RememberedMountSources
from cargoship.registry.push import PushOptions, push_index
from cargoship.registry.upload import BlobOutcome
from cargoship.registry.upload_queue import BlobLocks, UploadQueue
from cargoship.testing import Fault, InMemoryRegistry
from support.pushing import REPOSITORY, Emitted, client_of

BLOBS = [BytesBlob.of("application/octet-stream", bytes([number]) * 1000) for number in range(8)]


_OPENED: list[RegistryClient] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """Clients are closed by who has opened them."""
    yield
    while _OPENED:
        _OPENED.pop().close()


def early_of(
    registry: InMemoryRegistry,
    repository: str = REPOSITORY,
    *,
    mount_sources: MountSources | None = None,
    blob_locks: BlobLocks | None = None,
    reported: Emitted | None = None,
    jobs: int = 4,
    idle_s: float = 5.0,
) -> UploadQueue:
    client = client_of(registry.host, idle_s=idle_s)
    _OPENED.append(client)
    return UploadQueue(
        repository,
        open_client=lambda: client,
        blob_locks=blob_locks or BlobLocks(),
        options=PushOptions(reported or Emitted(), mount_sources or NoMountSources(), jobs=jobs),
    )


@pytest.mark.parametrize("jobs", [1, 4])
def test_what_is_offered_is_sent_once(registry: InMemoryRegistry, jobs: int) -> None:
    reported = Emitted()
    early = early_of(registry, reported=reported, jobs=jobs)
    for blob in (*BLOBS, *BLOBS):
        early.offer([blob])
    early.offer(BLOBS)
    outcomes = early.settle()
    early.close()
    assert outcomes == {blob.descriptor.digest: BlobOutcome.PUSHED for blob in BLOBS}
    assert registry.contents.repositories[REPOSITORY].blobs == {str(blob.descriptor.digest) for blob in BLOBS}
    assert len(reported.outcomes) == len(BLOBS)
    assert len([call for call in registry.calls if call.method == "HEAD"]) == len(BLOBS)


def test_nothing_offered_is_nothing_done(registry: InMemoryRegistry) -> None:
    early = early_of(registry)
    early.offer([])
    assert early.settle() == {}
    early.close()
    assert registry.calls == []


def test_a_push_goes_on_where_early_uploads_ended(index: Index, registry: InMemoryRegistry) -> None:
    early = early_of(registry)
    layers = [layer.blob for image in index.images() for layer in image.layers]
    early.offer(layers)
    done = early.settle()
    assert not registry.tags(REPOSITORY)
    assert not registry.contents.repositories[REPOSITORY].manifests
    registry.calls.clear()
    with client_of(registry.host) as client:
        reference = Reference(registry.host, REPOSITORY)
        published = push_index(
            client, index, reference=reference, tags=["1"], options=PushOptions(Emitted()), done=done
        )
    assert published.pushed == len(list(index.blobs()))
    assert registry.tags(REPOSITORY) == {"1": str(index.digest)}
    sent = [call.path for call in registry.calls if call.method == "HEAD" and "/blobs/" in call.path]
    assert len(sent) == len(index.children)
    early.close()


def test_trouble_is_left_to_the_push(registry: InMemoryRegistry) -> None:
    registry.faults.append(Fault("PUT", "/blobs/", cut_request=0, times=None))
    early = early_of(registry)
    early.offer(BLOBS[:2])
    assert early.settle() == {}
    registry.faults.clear()
    early.offer(BLOBS[2:3])
    assert list(early.settle()) == [BLOBS[2].descriptor.digest]
    early.close()


def test_what_is_final_is_reported_at_once(registry: InMemoryRegistry) -> None:
    registry.faults += [Fault("HEAD", "", delay_s=20.0, status=418), Fault("HEAD|POST", "", status=403, times=None)]
    early = early_of(registry, idle_s=60.0)
    early.offer(BLOBS)
    with pytest.raises(Forbidden):
        early.settle()
    with pytest.raises(Forbidden):
        early.offer(BLOBS)
    early.close()
    assert 418 not in {call.status for call in registry.calls}, "the slow one has not been waited for"


def test_nobody_waits_for_a_registry_that_hangs(registry: InMemoryRegistry) -> None:
    registry.faults.append(Fault(".*", "", delay_s=20.0, times=None))
    early = early_of(registry, idle_s=60.0)
    early.offer(BLOBS)
    early.close()
    assert registry.calls == [], "it has not answered yet"


def test_what_waits_is_not_begun_after_the_end(registry: InMemoryRegistry) -> None:
    registry.faults.append(Fault("HEAD", "", delay_s=0.3))
    early = early_of(registry, jobs=1)
    early.offer(BLOBS)
    early.close()
    time.sleep(0.4)
    assert len(registry.calls) <= 2


def test_two_repositories_of_a_registry_get_a_blob_by_one_upload(tmp_path: Path, registry: InMemoryRegistry) -> None:
    mount_sources, blob_locks = RememberedMountSources(tmp_path), BlobLocks()
    uploads = [
        early_of(registry, f"me/{number}", mount_sources=mount_sources, blob_locks=blob_locks) for number in range(4)
    ]
    for early in uploads:
        early.offer(BLOBS)
    outcomes = [outcome for early in uploads for outcome in early.settle().values()]
    for early in uploads:
        early.close()
    assert outcomes.count(BlobOutcome.PUSHED) == len(BLOBS)
    assert outcomes.count(BlobOutcome.MOUNTED) == 3 * len(BLOBS)
