"""Compiled units at a real server of the Remote Execution API, buildbox-casd."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cargoship.errors import CacheUnavailable
from cargoship.unitcache.unpacking import unpack_units
from support.programs import CARGOSHIP, RunCargoship, distribution_rust, run
from support.projects import locked_project
from support.reapi import FakeServer, RunningServer, fake_server, running_server, slow_link, store_at
from support.units import adding, packed, tree, unit_files

pytestmark = pytest.mark.tools

MANIFEST = '[package]\nname = "{}"\nversion = "0.1.0"\nedition = "2021"\n'
FILES = {
    "Cargo.toml": MANIFEST.format("app") + '[dependencies]\nhelper = { path = "helper" }\n[workspace]\n',
    "src/main.rs": 'fn main() { println!("{}", helper::text()); }\n',
    "helper/Cargo.toml": MANIFEST.format("helper"),
    "helper/src/lib.rs": 'pub fn text() -> &\'static str { "helped" }\n',
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with running_server(tmp_path / "server") as running:
        yield running


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return locked_project(tmp_path / "place", FILES)


def build(run_cargoship: RunCargoship, place: Path, machine: Path, *words: str) -> str:
    """What a new machine says when it builds."""
    shutil.rmtree(place / "target", ignore_errors=True)
    env = {"CARGOSHIP_CACHE_DIR": str(machine)}
    done = run_cargoship("cargo", *words, "-v", "--", "build", "--release", cwd=place, env=env)
    assert run(place / "target" / "release" / "app").stdout == "helped\n"
    return done.stderr


def test_what_one_machine_compiles_another_one_has(
    run_cargoship: RunCargoship, server: RunningServer, place: Path, tmp_path: Path
) -> None:
    first = build(run_cargoship, place, tmp_path / "one", "--cache-to", server.address)
    assert "Compiling app" in first
    second = build(run_cargoship, place, tmp_path / "two", "--cache-from", server.address)
    assert "Compiling" not in second, second
    # a server that was given a new disk: everything is compiled, kept again, and nobody is bothered
    server.forget()
    third = build(run_cargoship, place, tmp_path / "three", "--cache-to", server.address)
    assert "Compiling app" in third
    assert "warning" not in third
    fourth = build(run_cargoship, place, tmp_path / "four", "--cache-from", server.address)
    assert "Compiling" not in fourth, fourth


def test_a_server_that_is_not_there_is_one_warning(run_cargoship: RunCargoship, place: Path, tmp_path: Path) -> None:
    said = build(run_cargoship, place, tmp_path / "one", "--cache-to", "reapi://127.0.0.1:9")
    (warning,) = [line for line in said.splitlines() if line.startswith("warning:")]
    assert re.fullmatch(r"warning: the cache reapi://127.0.0.1:9 does not answer: .*; going on without it", warning)


def test_a_server_that_ends_in_the_middle_loses_nothing_that_is_needed(tmp_path: Path) -> None:
    with running_server(tmp_path / "server") as first:
        store = store_at(first.address)
        packs = packed(tmp_path / "a", {name: unit_files(name, 3_000_000) for name in ("serde", "syn")})
        index = store.save(packs, adding(packs, ["serde", "syn"])).index
        port = first.port
    # another one with the same disk, at the same place: the client goes on
    with running_server(tmp_path / "server", port=port):
        done = unpack_units(store, index, index.entries.values(), tmp_path / "target", stamp_ns=1)
        assert not done.failed
        assert len(tree(tmp_path / "target")) == 6
        store.close()


def test_a_link_that_is_late_and_breaks_is_lived_with(server: RunningServer, tmp_path: Path) -> None:
    packs = packed(tmp_path / "a", {name: unit_files(name, 2_000_000) for name in ("serde", "syn")})
    with slow_link(server.port, cuts=2) as (address, was_cut):
        store = store_at(address)
        index = store.save(packs, adding(packs, ["serde", "syn"])).index
        done = unpack_units(store, index, index.entries.values(), tmp_path / "target", stamp_ns=1)
        store.close()
        assert was_cut()
    assert not done.failed
    assert len(tree(tmp_path / "target")) == 6


def test_a_server_that_is_killed_and_started_again_is_waited_for(tmp_path: Path) -> None:
    with running_server(tmp_path / "server") as first:
        store = store_at(first.address)
        assert not store.load().entries
        first.process.kill()
        first.process.wait()

        def start_again() -> None:
            time.sleep(1)
            with running_server(tmp_path / "server", port=first.port):
                assert over.wait(60)

        over = threading.Event()
        again = threading.Thread(target=start_again)
        again.start()
        packs = packed(tmp_path / "a", {"serde": unit_files("serde", 3_000_000)})
        index = store.save(packs, adding(packs, ["serde"])).index
        done = unpack_units(store, index, index.entries.values(), tmp_path / "target", stamp_ns=1)
        store.close()
        over.set()
        again.join()
    assert not done.failed
    assert len(tree(tmp_path / "target")) == 3


def test_a_server_that_forgets_while_it_is_filled_gives_only_what_it_has(tmp_path: Path) -> None:
    quota = ("--quota-high=24M", "--quota-low=50%", "--fail-fast-during-cleanup", "--reserved=1M")
    with running_server(tmp_path / "server", *quota) as server:
        for number in range(8):
            packs = packed(tmp_path / "a", {f"crate{number}": unit_files(f"crate{number}", 6_000_000)})
            store = store_at(server.address)
            # the server may be busy making room: then a save is given up, and says so
            with contextlib.suppress(CacheUnavailable):
                store.save(packs, adding(packs, [f"crate{number}"]))
            store.close()
        store = store_at(server.address)
        index = store.load()
        done = unpack_units(store, index, index.entries.values(), tmp_path / "target", stamp_ns=1)
        store.close()
    assert not done.failed
    assert 0 < len(index.entries) < 8


def test_ctrl_c_does_not_wait_for_a_server_that_hangs(place: Path, tmp_path: Path) -> None:
    asked, over = threading.Event(), threading.Event()

    def hang(method: str, _times: int) -> None:
        if method == "GetCapabilities":
            asked.set()
            over.wait(60)

    env = {**os.environ, **distribution_rust(), "CARGOSHIP_CACHE_DIR": str(tmp_path / "cache")}
    with fake_server(FakeServer(fault=hang)) as server:
        words = [str(CARGOSHIP), "cargo", "--cache-to", server.address, "--", "build", "--release"]
        with subprocess.Popen(words, cwd=place, env=env, stderr=subprocess.PIPE, text=True) as process:
            assert asked.wait(60)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
        over.set()
    assert process.returncode == 130
    assert "Traceback" not in said


def test_those_that_save_at_once_lose_nothing(server: RunningServer, tmp_path: Path) -> None:
    def save(name: str) -> None:
        packs = packed(tmp_path / name, {each: unit_files(each, 50_000) for each in (name, "both")})
        store = store_at(server.address)
        store.save(packs, adding(packs, [name, "both"]))
        store.close()

    names = [f"crate{number}" for number in range(4)]
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(save, names))
    found = {entry.name for entry in store_at(server.address).load().entries.values()}
    assert found == {*names, "both"}


def test_the_commands_look_after_a_cache_there(
    run_cargoship: RunCargoship, server: RunningServer, tmp_path: Path
) -> None:
    packs = packed(tmp_path / "a", {name: unit_files(name, 50_000) for name in ("serde", "rand", "syn")})
    store = store_at(server.address, "shop")
    store.save(packs, adding(packs, ["serde", "rand", "syn"]))
    store.close()
    env = {"CARGOSHIP_CACHE_DIR": str(tmp_path / "cache")}
    place = f"{server.address}?name=shop"
    assert json.loads(run_cargoship("cache", "stats", place, "--json", env=env).stdout)["units"] == 3
    assert json.loads(run_cargoship("cache", "verify", place, "--json", env=env).stdout)["damaged"] == []
    done = json.loads(run_cargoship("cache", "gc", place, "--max-size", "100kB", "--json", env=env).stdout)
    assert done["units_removed"] > 0
    verified = json.loads(run_cargoship("cache", "verify", place, "--json", env=env).stdout)
    assert (verified["units"], verified["damaged"]) == (done["units"], [])
