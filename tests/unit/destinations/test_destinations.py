from __future__ import annotations

import contextlib
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cargoship.destinations import (
    ArchiveDestination,
    Destination,
    LayoutDestination,
    OwnLayoutDestination,
    Published,
    RegistryDestination,
    RootDestination,
    registry_destinations,
)
from cargoship.errors import OutputError, RegistryError, Stopped
from cargoship.events import Written
from cargoship.oci.index import Index
from cargoship.oci.reference import Reference
from cargoship.registry.client import RegistryClient
from cargoship.registry.push import PushOptions
from cargoship.registry.shared_clients import SharedClients
from cargoship.testing import Fault, InMemoryRegistry
from support.images import AMD64, ARMV7, files_below, small_index
from support.pushing import Emitted, client_of

_NAME = Reference.parse("example.com/me/app:1")


@pytest.fixture
def reported() -> Emitted:
    return Emitted()


@pytest.fixture
def clients(reported: Emitted) -> Iterator[SharedClients]:
    with contextlib.closing(SharedClients(lambda registry: client_of(registry, reported=reported))) as shared:
        yield shared


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return small_index(tmp_path_factory.mktemp("blobs"))


def test_a_layout_is_written(tmp_path: Path, index: Index) -> None:
    reported = Emitted()
    destination: Destination = LayoutDestination(tmp_path / "layout", (_NAME,), reported)
    assert destination.publish(index) is None
    assert (tmp_path / "layout/oci-layout").is_file()
    assert (tmp_path / "layout/blobs/sha256" / index.digest.hex).read_bytes() == index.raw
    assert reported.events == [Written("OCI layout", str(tmp_path / "layout"))]


@pytest.mark.parametrize("docker", [True, False])
def test_an_archive_is_written(tmp_path: Path, index: Index, *, docker: bool) -> None:
    reported = Emitted()
    path = tmp_path / "image.tar"
    destination: Destination = ArchiveDestination(path, (_NAME,), AMD64, reported, docker)
    assert destination.publish(index) is None
    with tarfile.open(path) as tar:
        names = tar.getnames()
    assert "index.json" in names
    assert ("manifest.json" in names) is docker
    assert reported.events == [Written("Docker archive" if docker else "OCI archive", str(path))]


def test_the_layout_in_the_target_folder_is_written_elsewhere_by_cargos_own_setting(tmp_path: Path) -> None:
    (tmp_path / "target").touch()
    place = tmp_path / "target" / "cargoship" / "app"
    with pytest.raises(OutputError) as caught:
        OwnLayoutDestination(place, (), AMD64, lambda _: None).check()
    assert "CARGO_TARGET_DIR" in (caught.value.hint or "")
    with pytest.raises(OutputError) as caught:
        LayoutDestination(place, (), lambda _: None).check()
    assert "--output" in (caught.value.hint or "")


def test_what_cannot_be_written_is_reported_and_not_said_to_be_there(tmp_path: Path, index: Index) -> None:
    (tmp_path / "file").touch()
    reported = Emitted()
    destinations: list[Destination] = [
        LayoutDestination(tmp_path / "file" / "x", (), reported),
        ArchiveDestination(tmp_path / "file" / "x", (), AMD64, reported),
    ]
    for destination in destinations:
        with pytest.raises(OutputError):
            destination.publish(index)
    assert reported.events == []


def test_references_are_pushed_repository_by_repository(
    index: Index, clients: SharedClients, reported: Emitted
) -> None:
    with InMemoryRegistry() as one, InMemoryRegistry() as other:
        texts = [f"{one.host}/a:1", f"{one.host}/b:1", f"{one.host}/a:2", f"{other.host}/a", f"{one.host}/a:1"]
        references = [Reference.parse(text) for text in texts]
        destinations = registry_destinations(references, clients=clients, options=PushOptions(reported))
        published = [destination.publish(index) for destination in destinations]
        assert set(one.tags("a")) == {"1", "2"}
        assert set(one.tags("b")) == {"1"}
        assert set(other.tags("a")) == {"latest"}
        assert [str(done.reference) for done in published] == [
            f"{one.host}/a@{index.digest}", f"{one.host}/b@{index.digest}", f"{other.host}/a@{index.digest}",
        ]  # fmt: skip
    assert [done.tags for done in published] == [("1", "2"), ("1",), ("latest",)]
    assert all(isinstance(done, Published) for done in published)
    assert len(reported.outcomes) == len(list(index.blobs()))


def test_without_tags_a_repository_is_pushed_to_once(index: Index, clients: SharedClients) -> None:
    with InMemoryRegistry() as registry:
        references = [Reference.parse(f"{registry.host}/a:{tag}") for tag in ("1", "2")]
        (destination,) = registry_destinations(
            references, tagged=False, clients=clients, options=PushOptions(Emitted())
        )  # fmt: skip
        published = destination.publish(index)
        assert registry.tags("a") == {}
        assert str(index.digest) in registry.contents.repositories["a"].manifests
    assert published is not None
    assert (str(published.reference), published.tags) == (f"{references[0].name}@{index.digest}", ())


def test_a_client_is_opened_when_there_is_something_to_publish(clients: SharedClients) -> None:
    (destination,) = registry_destinations([_NAME], clients=clients, options=PushOptions(Emitted()))
    assert isinstance(destination, RegistryDestination)
    assert (destination.reference, destination.tags) == (Reference("example.com", "me/app"), ("1",))


def test_a_run_has_one_client_for_each_registry(index: Index) -> None:
    """Connections and tokens are paid for once: by the check, by what is sent ahead, by each of its repositories."""
    opened = []

    def open_client(registry: str) -> RegistryClient:
        opened.append(registry)
        return client_of(registry)

    clients = SharedClients(open_client)
    with InMemoryRegistry() as registry:
        names = [Reference.parse(f"{registry.host}/{name}:1") for name in "abc"]
        destinations = registry_destinations(names, clients=clients, options=PushOptions(Emitted()))
        for destination in destinations:
            destination.check()
            destination.offer(list(index.blobs()))
        for destination in destinations:
            destination.publish(index)
            # others go on where one has ended
            destination.close()
        assert [registry.tags(name) for name in "abc"] == [{"1": str(index.digest)}] * 3
        assert opened == [registry.host]
    clients.close()
    with pytest.raises(Stopped):
        destinations[0].check()


def test_a_registry_that_failed_one_repository_serves_the_next(index: Index, clients: SharedClients) -> None:
    with InMemoryRegistry() as registry:
        registry.faults.append(Fault("PUT", "/v2/a/manifests/", status=403, times=None))
        names = [Reference.parse(f"{registry.host}/{name}:1") for name in "ab"]
        one, other = registry_destinations(names, clients=clients, options=PushOptions(Emitted()))
        with pytest.raises(RegistryError):
            one.publish(index)
        one.close()
        other.publish(index)
        assert registry.tags("b") == {"1": str(index.digest)}


def test_what_is_sent_ahead_can_be_ended_alone(index: Index, clients: SharedClients) -> None:
    with InMemoryRegistry() as registry:
        registry.faults.append(Fault("POST", "/v2/a/", status=503, headers={"Retry-After": "60"}, times=None))
        names = [Reference.parse(f"{registry.host}/{name}:1") for name in "ab"]
        one, other = registry_destinations(names, clients=clients, options=PushOptions(Emitted()))
        one.offer(list(index.blobs()))
        begun = time.monotonic()
        one.close()
        assert time.monotonic() - begun < 30, "it has not waited for the registry"
        other.publish(index)
        assert registry.tags("b") == {"1": str(index.digest)}


def test_after_a_long_compile_a_registry_gets_another_client() -> None:
    """Who pushes may have other credentials then: those of a helper are good for an hour, some less."""
    now = [0.0]
    opened: list[RegistryClient] = []

    def open_client(registry: str) -> RegistryClient:
        opened.append(client_of(registry))
        return opened[-1]

    clients = SharedClients(open_client, clock=lambda: now[0])
    first = clients.of("example.com")
    now[0] = 60.0
    assert clients.of("example.com") is first
    assert clients.of("other.example.com") is not first
    now[0] = 4000.0
    assert clients.of("example.com") is opened[-1] is not first
    clients.close()
    assert len(opened) == 3
    for client in opened:
        with pytest.raises(Stopped):
            client.budget.check()


def test_the_files_are_written_for_each_platform(tmp_path: Path) -> None:
    reported = Emitted()
    index = small_index(tmp_path / "blobs", (AMD64, ARMV7))
    destination: Destination = RootDestination(tmp_path / "root", reported)
    (tmp_path / "root").mkdir()
    destination.check()
    assert destination.publish(index) is None
    assert files_below(tmp_path / "root") == {
        "linux/amd64/etc/motd": b"hello\n",
        "linux/amd64/usr/bin/app": b"linux/amd64" * 100,
        "linux/arm/v7/etc/motd": b"hello\n",
        "linux/arm/v7/usr/bin/app": b"linux/arm/v7" * 100,
    }
    assert reported.events == [Written("files", str(tmp_path / "root"))]
    with pytest.raises(OutputError, match="not empty"):
        destination.check()
    with pytest.raises(OutputError, match="not empty"):
        destination.publish(index)
    assert {path.name for path in tmp_path.iterdir()} == {"blobs", "root"}
