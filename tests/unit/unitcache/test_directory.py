"""A folder of units: several processes at once, killed at any time, bounded, and of somebody else."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cargoship.errors import CacheUnavailable
from cargoship.unitcache.care.integrity import check_store
from cargoship.unitcache.packs.index import UnitIndex
from cargoship.unitcache.stores.directory import DirectoryStore
from cargoship.unitcache.unpacking import unpack_units
from support.units import adding, key_of, packed, tree, unit_files

TESTS = Path(__file__).parents[2]
SAVER = """
import sys
from pathlib import Path
from cargoship.unitcache.stores.directory import DirectoryStore
from support.units import adding, packed, unit_files
root, start, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
store = DirectoryStore(root)
print("begun", flush=True)
for number in range(start, start + count):
    name = f"crate{number}"
    packs = packed(store.scratch / f"own-{number}", {name: unit_files(name, 50_000)})
    store.save(packs, adding(packs, [name]))
    print(name, flush=True)
"""
RESTORER = """
import sys
from pathlib import Path
from cargoship.unitcache.stores.directory import DirectoryStore
from cargoship.unitcache.unpacking import unpack_units
store = DirectoryStore(Path(sys.argv[1]))
index = store.load()
print("begun", flush=True)
unpack_units(store, index, index.entries.values(), Path(sys.argv[2]), stamp_ns=10**18)
"""


def start(script: str, *arguments: str) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(TESTS)}
    return subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True, env=env)


def names_in(index: UnitIndex) -> set[str]:
    return {entry.name for entry in index.entries.values()}


def save(store: DirectoryStore, scratch: Path, names: list[str], size: int = 1000) -> UnitIndex:
    packs = packed(scratch, {name: unit_files(name, size) for name in names})
    return store.save(packs, adding(packs, names)).index


@pytest.mark.thorough
def test_processes_that_save_at_once_lose_nothing(tmp_path: Path) -> None:
    processes = [start(SAVER, str(tmp_path / "store"), str(number * 100), "8") for number in range(3)]
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    store = DirectoryStore(tmp_path / "store")
    index = store.load()
    assert names_in(index) == {f"crate{number * 100 + each}" for number in range(3) for each in range(8)}
    assert not check_store(store, index).damaged


@pytest.mark.thorough
def test_a_save_that_is_killed_leaves_what_was_saved(tmp_path: Path) -> None:
    chance = random.Random(5)  # noqa: S311 - no secret
    saved: set[str] = set()
    for attempt in range(8):
        process = start(SAVER, str(tmp_path / "store"), str(attempt * 1000), "1000")
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        if attempt % 2:
            # on a busy machine too, some have saved something
            saved.add(process.stdout.readline().strip())
        time.sleep(chance.uniform(0.0, 0.15))
        process.send_signal(signal.SIGKILL)
        saved |= set(process.communicate()[0].split())
    store = DirectoryStore(tmp_path / "store")
    save(store, tmp_path / "scratch", ["last"])
    index = store.load()
    assert names_in(index) >= {"last", *saved}
    assert saved
    assert not check_store(store, index).damaged
    assert {path.name for path in (store.root / "1/packs").iterdir()} == {pack.hex for pack in index.packs}


@pytest.mark.thorough
def test_a_restore_that_is_killed_is_done_again(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    names = [f"crate{number}" for number in range(40)]
    index = save(store, tmp_path / "scratch", names, 500_000)
    chance = random.Random(6)  # noqa: S311 - no secret
    whole = {path: data for name in names for path, data in unit_files(name, 500_000).items()}
    fingerprints = 0
    for attempt in range(8):
        process = start(RESTORER, str(store.root), str(tmp_path / "target"))
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        while attempt % 2 and process.poll() is None and not list((tmp_path / "target").glob("release/.fingerprint/*")):
            # on a busy machine too, some have begun to put units into their places
            time.sleep(0.002)
        time.sleep(chance.uniform(0.0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        left = {path: data for path, data in tree(tmp_path / "target").items() if not path.startswith(".cargoship/")}
        assert left.keys() <= whole.keys()
        assert {path: data for path, data in left.items() if "/deps/" not in path}.items() <= whole.items()
        for name in names:
            if f"release/.fingerprint/{name}-0123456789abcdef/lib-{name}" in left:
                fingerprints += 1
                assert unit_files(name, 500_000).items() <= left.items(), "a fingerprint says that its unit is whole"
    done = unpack_units(store, index, index.entries.values(), tmp_path / "target", stamp_ns=1)
    assert done.keys == index.entries.keys()
    assert {path: data for path, data in tree(tmp_path / "target").items() if not path.startswith(".cargo")} == whole
    assert fingerprints, "not all were killed before they did anything"


def test_what_killed_runs_left_is_swept(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    save(store, tmp_path / "scratch", ["a"])
    (store.scratch / "save-1").mkdir()
    (store.scratch / "save-1/pack").write_bytes(b"half")
    (store.scratch / "new").write_bytes(b"somebody is at it")
    (store.scratch / "old").write_bytes(b"half")
    (store.root / "1/packs" / ("0" * 64)).write_bytes(b"a pack that no index came to name")
    for name in ("save-1", "old"):
        os.utime(store.scratch / name, (1, 1))
    save(store, tmp_path / "scratch", ["b"])
    assert [path.name for path in store.scratch.iterdir()] == ["new"]
    assert len(list((store.root / "1/packs").iterdir())) == 2
    staging = tmp_path / "target/.cargoship/dead"
    staging.mkdir(parents=True)
    os.utime(staging, (1, 1))
    index = store.load()
    unpack_units(store, index, index.entries.values(), tmp_path / "target", stamp_ns=1)
    assert not (tmp_path / "target/.cargoship").exists()


def test_a_store_stays_below_its_size(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store", bytes_max=200_000)
    for number in range(12):
        save(store, tmp_path / "scratch", [f"crate{number}"], 20_000)
        if number == 1:
            continue
        # one of the first is used all the time
        index = store.load()
        if (entry := index.entries.get(key_of("crate0"))) is not None:
            unpack_units(store, index, [entry], tmp_path / "target", stamp_ns=1)
    on_disk = sum(path.stat().st_size for path in (store.root / "1/packs").iterdir())
    assert on_disk == store.load().size <= 200_000
    assert {"crate0", "crate11"} <= names_in(store.load())
    assert "crate1" not in names_in(store.load())


@pytest.mark.parametrize("damage", [b"", b"\x28\xb5\x2f\xfd", b"rubbish" * 100])
def test_a_damaged_index_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    store = DirectoryStore(tmp_path / "store")
    save(store, tmp_path / "scratch", ["a"])
    (store.root / "1/index").write_bytes(damage)
    assert store.load() == UnitIndex()
    save(store, tmp_path / "scratch", ["b"])
    assert names_in(store.load()) == {"b"}


def test_a_pack_from_another_file_system_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = DirectoryStore(tmp_path / "store")
    packs = packed(tmp_path / "scratch", {"a": unit_files("a")})
    real = Path.replace

    def refuse(path: Path, target: Path) -> Path:
        if path.suffix == ".pack":
            raise OSError(18, "Invalid cross-device link")
        return real(path, target)

    monkeypatch.setattr(Path, "replace", refuse)
    store.save(packs, adding(packs, ["a"]))
    assert not check_store(store, store.load()).damaged


def test_what_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = DirectoryStore(tmp_path / "file")
    for attempt in (store.load, lambda: save(store, tmp_path / "scratch", ["a"])):
        with pytest.raises(CacheUnavailable) as raised:
            attempt()
        assert str(tmp_path / "file") in raised.value.message
        assert "\n" not in raised.value.message
    with pytest.raises(CacheUnavailable, match="may not be written"):
        save(DirectoryStore(tmp_path / "other", writable=False), tmp_path / "scratch", ["a"])
    assert not (tmp_path / "other").exists()
