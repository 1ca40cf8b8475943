"""A cache at a server of the Remote Execution API."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from cargoship.context import Context
from cargoship.errors import CacheUnavailable
from cargoship.events import Event, Level, Note
from cargoship.process.system import SystemRunner
from cargoship.reapi.schema import message_class
from cargoship.settings.cache import CacheOptions, StoreKind, StoreSpec
from cargoship.unitcache.packs.index import UnitIndex
from cargoship.unitcache.stores.opening import open_remote, open_stores
from cargoship.unitcache.stores.reapi import ReapiStore
from cargoship.unitcache.unpacking import unpack_units
from support.reapi import Failing, FakeServer, fake_server, store_at
from support.units import adding, key_of, packed, tree, unit_files


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with fake_server() as running:
        yield running


def save(store: ReapiStore, scratch: Path, names: list[str], size: int = 1000) -> UnitIndex:
    packs = packed(scratch, {name: unit_files(name, size) for name in names})
    return store.save(packs, adding(packs, names)).index


def names_in(index: UnitIndex) -> set[str]:
    return {entry.name for entry in index.entries.values()}


def test_what_is_saved_is_found_by_another_machine(server: FakeServer, tmp_path: Path) -> None:
    store = store_at(server.address)
    assert store.load() == UnitIndex()
    save(store, tmp_path / "a", ["serde", "rand"], 3_000_000)
    save(store, tmp_path / "b", ["syn"])
    other = store_at(server.address)
    index = other.load()
    assert names_in(index) == {"serde", "rand", "syn"}
    assert not unpack_units(other, index, index.entries.values(), tmp_path / "target", stamp_ns=1).failed
    assert len(tree(tmp_path / "target")) == 9
    assert store_at(server.address, "another").load() == UnitIndex()


@pytest.mark.thorough
def test_those_that_save_at_once_lose_nothing(server: FakeServer, tmp_path: Path) -> None:
    names = [f"crate{number}" for number in range(6)]
    with ThreadPoolExecutor(len(names)) as pool:
        for future in [pool.submit(save, store_at(server.address), tmp_path / each, [each, "both"]) for each in names]:
            future.result()
    assert names_in(store_at(server.address).load()) == {*names, "both"}


def test_what_a_server_has_forgotten_is_no_hit_and_is_sent_again(server: FakeServer, tmp_path: Path) -> None:
    index = save(store_at(server.address), tmp_path / "a", ["serde"])
    save(store_at(server.address), tmp_path / "b", ["syn"])
    (pack,) = index.packs
    del server.blobs[pack.hex]
    assert names_in(store_at(server.address).load()) == {"syn"}
    save(store_at(server.address), tmp_path / "c", ["serde"])
    assert names_in(store_at(server.address).load()) == {"serde", "syn"}


def test_what_goes_between_the_index_and_its_use_is_a_miss(server: FakeServer, tmp_path: Path) -> None:
    store = store_at(server.address)
    index = save(store, tmp_path / "a", ["serde"])
    save(store, tmp_path / "b", ["syn"])
    index = store.load()
    (pack,) = {entry.pack for entry in index.entries.values() if entry.name == "serde"}
    del server.blobs[pack.hex]
    done = unpack_units(store, index, index.entries.values(), tmp_path / "target", stamp_ns=1)
    assert set(done.failed) == {key_of("serde")}
    assert done.keys == {key_of("syn")}, "the rest of the cache is still of use"


def test_an_index_that_is_gone_is_an_empty_cache(server: FakeServer, tmp_path: Path) -> None:
    save(store_at(server.address), tmp_path / "a", ["serde"])
    server.blobs.clear()
    assert store_at(server.address).load() == UnitIndex()
    save(store_at(server.address), tmp_path / "b", ["syn"])
    assert names_in(store_at(server.address).load()) == {"syn"}


def test_other_bytes_than_promised_are_never_used(server: FakeServer, tmp_path: Path) -> None:
    store = store_at(server.address)
    index = save(store, tmp_path / "a", ["serde"])
    server.lies = lambda data: b"\0" * len(data)
    done = unpack_units(store, index, index.entries.values(), tmp_path / "target", stamp_ns=1)
    assert set(done.failed) == {key_of("serde")}
    with pytest.raises(CacheUnavailable, match="another content"):
        store_at(server.address).load()


def test_a_server_that_fails_is_left_alone(server: FakeServer, tmp_path: Path) -> None:
    store = store_at(server.address)
    index = save(store, tmp_path / "a", ["serde"])

    def fault(method: str, times: int) -> None:
        raise Failing(grpc.StatusCode.PERMISSION_DENIED, f"{method} {times}")

    server.fault = fault
    before = sum(server.asked.values())
    for _ in range(3):
        with pytest.raises(CacheUnavailable, match="refuses"):
            store.load()
    assert sum(server.asked.values()) == before + 1
    assert unpack_units(store, index, index.entries.values(), tmp_path / "target", stamp_ns=1).failed


def test_a_server_that_cannot_be_written_is_read(server: FakeServer, tmp_path: Path) -> None:
    save(store_at(server.address), tmp_path / "a", ["serde"])
    server.updates = False
    store = store_at(server.address)
    with pytest.raises(CacheUnavailable, match="lets nobody write"):
        save(store, tmp_path / "b", ["syn"])
    assert names_in(store.load()) == {"serde"}


def context_of(tmp_path: Path, env: dict[str, str], heard: list[Event]) -> Context:
    return Context({"CARGOSHIP_CACHE_DIR": str(tmp_path / "cache"), **env}, tmp_path, SystemRunner(), heard.append)


def test_all_that_is_wrong_with_one_is_one_warning(tmp_path: Path) -> None:
    for env, text in (
        ({}, "grpc://cache.example.com:9092"),
        ({}, "reapi://127.0.0.1:9"),
        ({"CARGOSHIP_REMOTE_HEADERS": "hidden-word"}, "reapi://127.0.0.1:9"),
    ):
        heard: list[Event] = []
        options = CacheOptions(written=(StoreSpec.parse(text),))
        with open_stores(options, context_of(tmp_path, env, heard)) as stores:
            packs = packed(tmp_path / "a", {"serde": unit_files("serde")})
            assert stores.load() == UnitIndex()
            stores.save(packs, adding(packs, ["serde"]))
            stores.save((), lambda index: index.without_packs(index.packs))
        (warning,) = [event for event in heard if isinstance(event, Note)]
        assert text in warning.text
        assert "going on without it" in warning.text
        assert "hidden-word" not in warning.text


@pytest.mark.parametrize("library", ["grpc", "google.protobuf"])
def test_without_the_extra_it_is_one_warning_that_says_how_to_get_it(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    message_class.cache_clear()
    for name in (library, "google.protobuf.message_factory") if library != "grpc" else (library,):
        monkeypatch.setitem(sys.modules, name, None)
    heard: list[Event] = []
    options = CacheOptions(written=(StoreSpec.parse(server.address),))
    with open_stores(options, context_of(tmp_path, {}, heard)) as stores:
        assert stores.load() == UnitIndex()
        packs = packed(tmp_path / "a", {"serde": unit_files("serde")})
        stores.save(packs, adding(packs, ["serde"]))
    (warning,) = [event for event in heard if isinstance(event, Note)]
    assert "pip install 'cargoship[remote]'" in warning.text


def test_a_fork_reads_and_writes_nothing(server: FakeServer, tmp_path: Path) -> None:
    save(store_at(server.address), tmp_path / "a", ["serde"])
    fork = {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "pull_request"}
    spec = StoreSpec.parse(server.address)
    before = dict(server.results)
    with open_stores(CacheOptions(written=(spec,)), context_of(tmp_path, fork, [])) as stores:
        assert names_in(stores.load()) == {"serde"}
        assert not stores.writable
        packs = packed(tmp_path / "b", {"syn": unit_files("syn")})
        with pytest.raises(CacheUnavailable):
            stores.save(packs, adding(packs, ["syn"]))
    assert server.results == before


def test_it_is_named_as_it_is_written(tmp_path: Path) -> None:
    for text in ("reapi://127.0.0.1:9/main", "reapi://127.0.0.1:9?name=shop"):
        spec = StoreSpec.parse(f"{text}{'&' if '?' in text else '?'}trusted=true")
        assert spec.kind is StoreKind.REAPI
        assert open_remote(spec, context_of(tmp_path, {}, [])).name == text


def test_a_cluster_that_compiles_keeps_units_where_no_cache_is_named(server: FakeServer, tmp_path: Path) -> None:
    """Another clean machine has them whole. A server that clients may not write is no reason to warn: nobody asked."""
    options = CacheOptions().beside(server.address)
    with open_stores(options, context_of(tmp_path / "one", {}, [])) as stores:
        packs = packed(tmp_path / "a", {"serde": unit_files("serde")})
        stores.save(packs, adding(packs, ["serde"]))
    with open_stores(options, context_of(tmp_path / "two", {}, [])) as stores:
        assert names_in(stores.load()) == {"serde"}
    server.updates = False
    heard: list[Event] = []
    with open_stores(options, context_of(tmp_path / "two", {}, heard)) as stores:
        packs = packed(tmp_path / "b", {"syn": unit_files("syn")})
        stores.save(packs, adding(packs, ["syn"]))
    (note,) = [event for event in heard if isinstance(event, Note)]
    assert (note.level, "lets nobody write" in note.text) == (Level.VERBOSE, True)


@pytest.mark.parametrize("named", ["dir:mine", "registry:example.com/units:1", "reapi://other:1"])
def test_a_cache_that_is_named_is_the_only_one(named: str) -> None:
    for options in (
        CacheOptions.parse([named], [], "1GB", enabled=True),
        CacheOptions.parse([], [named], "1GB", enabled=True),
    ):
        assert options.beside("reapi://there:1") == options
