"""Compiled units in Debian's docker-registry: what others make of the manifest, and savers at once."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cargoship.oci.reference import Reference
from cargoship.unitcache.packs.index import UnitIndex
from cargoship.unitcache.stores.registry import RegistryStore
from cargoship.unitcache.unpacking import unpack_units
from support.programs import RunCargoship, program, run
from support.pushing import client_of
from support.registry import RunningRegistry
from support.units import adding, packed, tree, unit_files

pytestmark = pytest.mark.tools


def save(registry: RunningRegistry, repository: str, scratch: Path, names: list[str]) -> UnitIndex:
    store = store_of(registry, repository)
    packs = packed(scratch, {name: unit_files(name, 50_000) for name in names})
    try:
        return store.save(packs, adding(packs, names)).index
    finally:
        store.close()


def store_of(registry: RunningRegistry, repository: str) -> RegistryStore:
    reference = Reference.parse(f"{registry.host}/{repository}")
    return RegistryStore(reference, lambda access: client_of(registry.host, access=access))


def test_two_that_save_at_once_lose_nothing(docker_registry: RunningRegistry, tmp_path: Path) -> None:
    for attempt in range(10):
        groups = [[f"left{attempt}", "both"], ["both", f"right{attempt}"], [f"third{attempt}"]]
        repository = f"units/race{attempt}"

        def run_one(number: int, repository: str = repository, groups: list[list[str]] = groups) -> None:
            save(docker_registry, repository, tmp_path / f"{repository}-{number}", groups[number])

        with ThreadPoolExecutor(len(groups)) as pool:
            list(pool.map(run_one, range(len(groups))))
        store = store_of(docker_registry, repository)
        found = {entry.name for entry in store.load().entries.values()}
        store.close()
        assert found == {name for group in groups for name in group}


def test_registries_keep_what_a_cache_names_and_drop_what_it_forgets(
    docker_registry: RunningRegistry, tmp_path: Path
) -> None:
    index = save(docker_registry, "units/kept", tmp_path / "a", ["serde", "rand"])
    place = f"docker://{docker_registry.reference('units/kept', 'cache')}"
    raw = json.loads(run(program("skopeo"), "inspect", "--raw", "--tls-verify=false", place).stdout)
    assert [layer["digest"] for layer in raw["layers"]] == [str(pack) for pack in index.packs]
    # the registry's own collection of garbage takes what no manifest names
    config = docker_registry.storage.parent / "config.yml"
    subprocess.run(
        [program("docker-registry"), "garbage-collect", "--delete-untagged", str(config)],
        check=True, capture_output=True,
    )  # fmt: skip
    store = store_of(docker_registry, "units/kept")
    done = unpack_units(store, index, index.entries.values(), tmp_path / "target", stamp_ns=1)
    store.close()
    assert not done.failed
    expected = {path: data for name in ("serde", "rand") for path, data in unit_files(name, 50_000).items()}
    assert tree(tmp_path / "target") == expected


def test_the_commands_look_after_a_cache_in_a_registry(
    run_cargoship: RunCargoship, docker_registry: RunningRegistry, tmp_path: Path
) -> None:
    save(docker_registry, "units/care", tmp_path / "a", ["serde", "rand", "syn"])
    env = {"CARGOSHIP_CACHE_DIR": str(tmp_path / "cache")}
    place = f"registry:{docker_registry.host}/units/care"
    assert json.loads(run_cargoship("cache", "stats", place, "--json", env=env).stdout)["units"] == 3
    assert json.loads(run_cargoship("cache", "verify", place, "--json", env=env).stdout)["damaged"] == []
    done = json.loads(run_cargoship("cache", "gc", place, "--max-size", "100kB", "--json", env=env).stdout)
    assert done["units_removed"] > 0
    assert done["bytes"] <= 100_000
    verified = json.loads(run_cargoship("cache", "verify", place, "--json", env=env).stdout)
    assert (verified["units"], verified["damaged"]) == (done["units"], [])
    run_cargoship("cache", "export", str(tmp_path / "units.tar"), place, env=env)
    run_cargoship("cache", "import", str(tmp_path / "units.tar"), env=env)
    assert json.loads(run_cargoship("cache", "verify", "--json", env=env).stdout)["units"] == done["units"]
