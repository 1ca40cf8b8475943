from __future__ import annotations

import threading
from pathlib import Path

import pytest

from cargoship.errors import RegistryUnreachable
from cargoship.oci.digest import Digest
from cargoship.oci.index import Index
from cargoship.oci.reference import Reference
from cargoship.registry import mount_sources
from cargoship.registry.mount_sources import RememberedMountSources
from cargoship.registry.push import PushOptions, push_index
from cargoship.testing import Fault, InMemoryRegistry
from support.pushing import Emitted, client_of

A, B = Digest.of(b"a"), Digest.of(b"b")


def test_the_repository_that_was_seen_last_is_the_source(tmp_path: Path) -> None:
    memory = RememberedMountSources(tmp_path / "known")
    assert memory.source("r", "x", A) is None
    memory.remember("r", "one", [A, B])
    memory.remember("r", "two", [A])
    again = RememberedMountSources(tmp_path / "known")
    assert [again.source("r", name, A) for name in ("x", "two", "one")] == ["two", "one", "two"]
    assert again.source("r", "one", B) is None
    assert again.source("other", "x", A) is None


def test_it_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mount_sources, "_BLOBS_MAX", 3)
    memory = RememberedMountSources(tmp_path)
    digests = [Digest.of(bytes([number])) for number in range(5)]
    for digest in digests:
        memory.remember("r", "one", [digest])
    assert [memory.source("r", "x", digest) for digest in digests] == [None, None, "one", "one", "one"]
    for number in range(9):
        memory.remember("r", f"repository{number}", [digests[4]])
    (file,) = tmp_path.iterdir()
    assert file.read_text().count("repository") == 4


def test_what_is_known_is_not_written_again(tmp_path: Path) -> None:
    memory = RememberedMountSources(tmp_path)
    memory.remember("r", "one", [A])
    (file,) = tmp_path.iterdir()
    before = file.stat().st_ino
    memory.remember("r", "one", [A])
    assert file.stat().st_ino == before


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b'{"registry":"s","blobs":{}}', b'{"registry":"r","blobs":1}', b"\xff"]
)
def test_a_damaged_memory_is_none(tmp_path: Path, damage: bytes) -> None:
    memory = RememberedMountSources(tmp_path)
    memory.remember("r", "one", [A])
    (file,) = tmp_path.iterdir()
    file.write_bytes(damage)
    assert memory.source("r", "x", A) is None
    memory.remember("r", "one", [A])
    assert memory.source("r", "x", A) == "one"


def test_a_memory_that_cannot_be_kept_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    memory = RememberedMountSources(tmp_path / "file" / "known")
    memory.remember("r", "one", [A])
    assert memory.source("r", "x", A) is None


def test_threads_lose_nothing(tmp_path: Path) -> None:
    memory = RememberedMountSources(tmp_path)
    digests = [Digest.of(bytes([number])) for number in range(20)]
    threads = [threading.Thread(target=memory.remember, args=("r", "one", [digest])) for digest in digests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {memory.source("r", "x", digest) for digest in digests} == {"one"}


def publish(registry: InMemoryRegistry, index: Index, repository: str, memory: RememberedMountSources) -> Emitted:
    reported = Emitted()
    with client_of(registry.host) as client:
        reference = Reference(registry.host, repository)
        push_index(client, index, reference=reference, tags=["1"], options=PushOptions(reported, memory, jobs=1))
    return reported


def test_a_layer_is_sent_to_a_registry_once(tmp_path: Path, index: Index, registry: InMemoryRegistry) -> None:
    memory = RememberedMountSources(tmp_path)
    publish(registry, index, "me/one", memory)
    reported = publish(registry, index, "me/two", RememberedMountSources(tmp_path))
    layers = {str(layer.descriptor.digest) for image in index.images() for layer in image.layers}
    assert {digest for digest, how in reported.outcomes.items() if how == "mounted"} == layers
    # what the registry has lost in the meantime is sent
    registry.contents.repositories.clear()
    assert set(publish(registry, index, "me/three", memory).outcomes.values()) == {"pushed"}


@pytest.mark.parametrize("status", [401, 403])
def test_rights_that_a_mount_lacks_do_not_stop_a_push(
    tmp_path: Path, index: Index, registry: InMemoryRegistry, status: int
) -> None:
    memory = RememberedMountSources(tmp_path)
    publish(registry, index, "me/one", memory)
    registry.faults.append(Fault("POST", "/blobs/uploads/$", status=status))
    reported = publish(registry, index, "me/two", memory)
    assert registry.tags("me/two") == {"1": str(index.digest)}
    assert sorted(reported.outcomes.values()) == ["mounted", "mounted", "pushed", "pushed", "pushed"]


def test_nothing_is_remembered_of_a_push_that_failed(tmp_path: Path, index: Index, registry: InMemoryRegistry) -> None:
    registry.faults.append(Fault("PUT", "/blobs/", cut_request=0, times=None))
    with pytest.raises(RegistryUnreachable):
        publish(registry, index, "me/one", RememberedMountSources(tmp_path))
    assert list(tmp_path.iterdir()) == []
