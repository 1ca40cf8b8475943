"""A cache in an object store: moto is the judge of what S3 would do."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cargoship.errors import CacheUnavailable
from cargoship.unitcache.packs.index import UnitIndex
from cargoship.unitcache.stores.objects import ObjectStore, open_objects
from cargoship.unitcache.unpacking import unpack_units
from support.units import adding, key_of, packed, tree, unit_files

if TYPE_CHECKING:
    from moto.server import ThreadedMotoServer

BUCKET = "units"


@pytest.fixture(scope="module")
def s3() -> Iterator[Mapping[str, str]]:
    """The environment that leads to a running server."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - slow

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _one_at_a_time(server)
    host, port = server.get_host_and_port()
    env = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "made-up-secret",
        "AWS_REGION": "eu-central-1",
    }
    import boto3  # noqa: PLC0415 - slow

    client = boto3.client(
        "s3",
        endpoint_url=env["AWS_ENDPOINT_URL"],
        region_name=env["AWS_REGION"],
        aws_access_key_id="key",
        aws_secret_access_key="made-up-secret",
    )
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": env["AWS_REGION"]})
    yield env
    server.stop()


def _one_at_a_time(server: ThreadedMotoServer) -> None:
    """S3 looks at a condition and puts the object in one step; moto puts what another thread may have changed since."""
    running = server._server
    assert running is not None
    answer, lock = running.app, threading.Lock()

    def alone(*request: Any) -> Any:  # noqa: ANN401 - WSGI
        with lock:
            return list(answer(*request))

    running.app = alone


def save(store: ObjectStore, scratch: Path, names: list[str]) -> UnitIndex:
    packs = packed(scratch, {name: unit_files(name) for name in names})
    return store.save(packs, adding(packs, names)).index


def names_in(index: UnitIndex) -> set[str]:
    return {entry.name for entry in index.entries.values()}


def test_what_is_saved_is_found_by_another_machine(tmp_path: Path, s3: Mapping[str, str]) -> None:
    store = open_objects(f"{BUCKET}/one", s3)
    assert store.load() == UnitIndex()
    save(store, tmp_path / "a", ["serde", "rand"])
    save(store, tmp_path / "b", ["syn"])
    other = open_objects(f"{BUCKET}/one", s3)
    index = other.load()
    assert names_in(index) == {"serde", "rand", "syn"}
    assert not unpack_units(other, index, index.entries.values(), tmp_path / "target", stamp_ns=1).failed
    assert len(tree(tmp_path / "target")) == 9
    assert open_objects(f"{BUCKET}/two", s3).load() == UnitIndex()


def test_those_that_save_at_once_lose_nothing(tmp_path: Path, s3: Mapping[str, str]) -> None:
    def run(name: str) -> None:
        save(open_objects(f"{BUCKET}/race", s3), tmp_path / name, [name, "shared"])

    names = [f"crate{number}" for number in range(8)]
    with ThreadPoolExecutor(len(names)) as pool:
        for future in [pool.submit(run, name) for name in names]:
            future.result()
    assert names_in(open_objects(f"{BUCKET}/race", s3).load()) == {*names, "shared"}


def test_packs_that_are_forgotten_are_removed(tmp_path: Path, s3: Mapping[str, str]) -> None:
    store = open_objects(f"{BUCKET}/gone", s3)
    save(store, tmp_path / "a", ["serde"])
    (old,) = store.load().packs
    packs = packed(tmp_path / "b", {"syn": unit_files("syn")})
    store.save(packs, lambda index: adding(packs, ["syn"])(index).without_packs([old]))
    assert names_in(store.load()) == {"syn"}
    import obstore  # noqa: PLC0415

    found = {meta["path"] for page in obstore.list(store.client, "1/packs/") for meta in page}
    assert found == {f"1/packs/{packs[0].digest.hex}"}


def test_a_pack_that_is_gone_is_a_miss(tmp_path: Path, s3: Mapping[str, str]) -> None:
    store = open_objects(f"{BUCKET}/miss", s3)
    index = save(store, tmp_path / "a", ["serde"])
    import obstore  # noqa: PLC0415

    obstore.delete(store.client, f"1/packs/{next(iter(index.packs)).hex}")
    done = unpack_units(store, index, index.entries.values(), tmp_path / "target", stamp_ns=1)
    assert set(done.failed) == {key_of("serde")}
    assert names_in(store.load()) == {"serde"}, "the rest of the cache is still of use"


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "units/x"),
        ({}, "no-such-bucket/x"),
        ({"AWS_ACCESS_KEY_ID": ""}, "units/x"),
    ],
    ids=["nobody there", "no bucket", "no credentials"],
)
def test_trouble_is_one_line_without_secrets(
    tmp_path: Path, s3: Mapping[str, str], change: Mapping[str, str], place: str
) -> None:
    with pytest.raises(CacheUnavailable) as raised:
        save(open_objects(place, {**s3, **change}), tmp_path / "a", ["serde"])
    assert raised.value.message.startswith(f"the cache s3://{place}: ")
    assert "\n" not in raised.value.message
    assert "made-up-secret" not in f"{raised.value.message} {raised.value.hint} {open_objects(place, s3)!r}"
