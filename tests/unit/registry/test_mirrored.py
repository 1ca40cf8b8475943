"""Reading through mirrors: they are asked first, and whatever is wrong with them costs a moment."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cargoship.errors import CargoshipError, ContentInvalid, RegistryRefused, RegistryUnreachable
from cargoship.oci.descriptor import BytesBlob
from cargoship.oci.digest import Digest
from cargoship.oci.index import Index
from cargoship.oci.reference import Reference
from cargoship.process import SystemRunner
from cargoship.registry.client import RegistryClient
from cargoship.registry.connect import connect
from cargoship.registry.mirrors.client import MirroredClient
from cargoship.registry.options import Access
from cargoship.registry.pull import fetch_index
from cargoship.testing import BasicAuth, Fault, InMemoryRegistry
from support.images import small_index
from support.pushing import REPOSITORY, Emitted, client_of, push

_AT_MIRROR = f"cache/{REPOSITORY}"


@pytest.fixture
def mirror(index: Index) -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        with client_of(running.host) as client:
            push(client, index, "1", repository=_AT_MIRROR)
        running.calls.clear()
        yield running


@pytest.fixture
def registry(index: Index) -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        with client_of(running.host) as client:
            push(client, index, "1")
        running.calls.clear()
        yield running


def reader(
    registry: InMemoryRegistry,
    mirror: InMemoryRegistry | str,
    *,
    reported: Emitted | None = None,
    access: Access = Access.PULL,
) -> RegistryClient:
    place = mirror if isinstance(mirror, str) else mirror.host
    env = {"HOME": "/nonexistent", "CARGOSHIP_REGISTRY_MIRRORS": f"{registry.host}={place}/cache"}
    return connect(registry.host, env=env, runner=SystemRunner(), emit=reported or Emitted(), access=access)


def both_have(data: bytes, registry: InMemoryRegistry, mirror: InMemoryRegistry) -> BytesBlob:
    blob = BytesBlob.of("application/octet-stream", data)
    for server, name in ((registry, REPOSITORY), (mirror, _AT_MIRROR)):
        with client_of(server.host) as client:
            client.upload(name, blob)
    return blob


def read_all(client: RegistryClient, index: Index, folder: Path) -> None:
    found = fetch_index(client, Reference(client.registry, REPOSITORY, "1"))
    assert found.root == index.blob
    assert str(found.reference) == f"{client.registry}/{REPOSITORY}@{index.digest}"
    for image in index.children:
        for layer in image.layers:
            path = folder / layer.descriptor.digest.hex
            client.download(REPOSITORY, layer.descriptor, path)
            assert Digest.of(path.read_bytes()) == layer.descriptor.digest


def test_a_mirror_that_has_everything_is_all_that_is_asked(
    registry: InMemoryRegistry, mirror: InMemoryRegistry, index: Index, tmp_path: Path
) -> None:
    with reader(registry, mirror) as client:
        assert isinstance(client, MirroredClient)
        assert client.find_manifest(REPOSITORY, "1") == index.digest
        read_all(client, index, tmp_path)
    assert registry.calls == []
    assert all(f"/v2/{_AT_MIRROR}/" in call.path for call in mirror.calls)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(".*", "", status=404, times=None),
        Fault(".*", "", status=500, times=None),
        Fault(".*", "", status=403, times=None),
        Fault(".*", "", status=401, headers={"WWW-Authenticate": "Basic"}, times=None),
        Fault(".*", "", status=429, headers={"Retry-After": "1000"}, times=None),
        Fault(".*", "", cut_response=0, times=None),
        Fault("GET", "/blobs/", cut_response=20, times=None),
        Fault("GET", "/blobs/", status=404, times=None),
        Fault("GET", "", corrupt=True, times=None),
    ],
    ids=str,
)
def test_what_a_mirror_does_not_give_the_registry_does(
    fault: Fault, registry: InMemoryRegistry, mirror: InMemoryRegistry, index: Index, tmp_path: Path
) -> None:
    mirror.faults.append(fault)
    with reader(registry, mirror) as client:
        assert client.find_manifest(REPOSITORY, "1") == index.digest
        read_all(client, index, tmp_path)
    assert registry.calls


def test_a_mirror_that_is_not_there_is_asked_once(
    registry: InMemoryRegistry, mirror: InMemoryRegistry, index: Index, tmp_path: Path
) -> None:
    gone = mirror.host
    mirror.__exit__()
    reported = Emitted()
    with reader(registry, gone, reported=reported) as client:
        read_all(client, index, tmp_path)
    (note,) = reported.notes
    assert note.startswith(f"the mirror {gone} of {registry.host} is passed over")


def test_a_blob_goes_on_where_the_mirror_left_it(
    registry: InMemoryRegistry, mirror: InMemoryRegistry, tmp_path: Path
) -> None:
    data = bytes(range(256)) * 4096
    blob = both_have(data, registry, mirror)
    mirror.faults += [Fault("GET", "/blobs/", cut_response=300_000), Fault("GET", "/blobs/", status=503, times=None)]
    registry.calls.clear()
    with reader(registry, mirror) as client:
        client.download(REPOSITORY, blob.descriptor, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == data
    (call,) = registry.calls
    start = int(call.headers["range"].removeprefix("bytes=").removesuffix("-"))
    assert 0 < start <= 300_000


def test_content_that_was_handed_on_and_is_wrong_is_refused(
    registry: InMemoryRegistry, mirror: InMemoryRegistry, tmp_path: Path
) -> None:
    data = bytes(range(256)) * 4096
    blob = both_have(data, registry, mirror)
    mirror.faults.append(Fault("GET", "/blobs/", corrupt=True, times=None))
    with reader(registry, mirror) as client, pytest.raises(ContentInvalid, match=mirror.host):
        client.download(REPOSITORY, blob.descriptor, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_a_tag_that_a_mirror_has_late_is_what_the_mirror_says(
    registry: InMemoryRegistry, mirror: InMemoryRegistry, index: Index, tmp_path: Path
) -> None:
    newer = small_index(tmp_path, index.platforms[:1])
    with client_of(registry.host) as client:
        push(client, newer, "1")
    with reader(registry, mirror) as client:
        assert client.find_manifest(REPOSITORY, "1") == index.digest
        # by its digest the mirror does not have it
        assert client.manifest(REPOSITORY, newer.digest) == newer.blob


def test_nothing_is_pushed_to_a_mirror(
    registry: InMemoryRegistry, mirror: InMemoryRegistry, index: Index, tmp_path: Path
) -> None:
    with reader(registry, mirror, access=Access.PUSH) as client:
        push(client, small_index(tmp_path, index.platforms[:1]), "2")
    with reader(registry, mirror) as client:
        assert sorted(client.tags(REPOSITORY)) == ["1", "2"]
        client.delete_manifest(REPOSITORY, "2")
    assert mirror.calls == []


def test_each_host_gets_its_own_credentials(index: Index, tmp_path: Path) -> None:
    guarded = BasicAuth("own", "registry-word"), BasicAuth("other", "mirror-word")
    with InMemoryRegistry(auth=guarded[0]) as registry, InMemoryRegistry(auth=guarded[1]) as mirror:
        auths = {
            server.host: {"auth": base64.b64encode(f"{auth.username}:{auth.password}".encode()).decode()}
            for server, auth in zip((registry, mirror), guarded, strict=True)
        }
        (tmp_path / "config.json").write_text(json.dumps({"auths": auths}))
        env = {
            "HOME": "/nonexistent",
            "DOCKER_CONFIG": str(tmp_path),
            "CARGOSHIP_REGISTRY_MIRRORS": f"{registry.host}={mirror.host}",
        }
        for server in (registry, mirror):
            with connect(server.host, env=env, runner=SystemRunner(), emit=Emitted(), access=Access.PUSH) as client:
                push(client, index, "1")
        for server in (registry, mirror):
            server.calls.clear()
        mirror.faults.append(Fault("GET", "/blobs/", status=404, times=None))
        with connect(registry.host, env=env, runner=SystemRunner(), emit=Emitted()) as client:
            read_all(client, index, tmp_path)
        for server in (registry, mirror):
            sent = {call.headers.get("authorization") for call in server.calls} - {None}
            assert sent == {f"Basic {auths[server.host]['auth']}"}


def test_a_place_that_stands_in_for_a_registry_is_all_there_is(
    mirror: InMemoryRegistry, index: Index, tmp_path: Path
) -> None:
    path = tmp_path / "registries.conf"
    path.write_text(f'[[registry]]\nprefix = "nowhere.invalid"\nlocation = "{mirror.host}/cache"\n')
    env = {"HOME": "/nonexistent", "CONTAINERS_REGISTRIES_CONF": str(path)}
    with connect("nowhere.invalid", env=env, runner=SystemRunner(), emit=Emitted()) as client:
        read_all(client, index, tmp_path)
        assert client.find_manifest(REPOSITORY, "unknown") is None
        with pytest.raises(RegistryRefused, match=mirror.host):
            client.manifest(REPOSITORY, "unknown")
    mirror.__exit__()
    with (
        connect("nowhere.invalid", env=env, runner=SystemRunner(), emit=Emitted()) as client,
        pytest.raises(RegistryUnreachable, match=f"^{mirror_host(path)}"),
    ):
        client.manifest(REPOSITORY, "1")


def mirror_host(path: Path) -> str:
    return path.read_text().split('"')[3].partition("/")[0]


def test_what_neither_has_is_the_registrys_refusal(registry: InMemoryRegistry, mirror: InMemoryRegistry) -> None:
    with reader(registry, mirror) as client:
        assert client.find_manifest(REPOSITORY, "unknown") is None
        with pytest.raises(CargoshipError, match=f"^{registry.host} refused"):
            client.manifest(REPOSITORY, "unknown")
