"""kill -9 before each single step by which a save, a restore or a fetch changes files: what is left is of use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cargoship.unitcache.care.integrity import check_store
from cargoship.unitcache.stores.directory import DirectoryStore
from cargoship.unitcache.unpacking import unpack_units
from support.programs import REPOSITORY
from support.units import adding, packed, tree, unit_files

pytestmark = pytest.mark.thorough

# Python tells of each step before it happens. A process for each place to die at: this one forks them before it has
# a thread.
CHILD = """
import os, signal, sys
from pathlib import Path
from cargoship.unitcache.stores.directory import DirectoryStore
from cargoship.unitcache.stores.tiered import Tiered
from cargoship.unitcache.unpacking import unpack_units
from support.units import adding, packed, unit_files

STEPS = {"open", "os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.utime", "os.link", "os.truncate"}
left, armed = 0, False

def watch(event, args):
    global left
    if armed and (event in STEPS and (event != "open" or (args[2] or 0) & (os.O_CREAT | os.O_WRONLY | os.O_RDWR))):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

def work(what, place, store):
    if what == "save":
        units = {name: unit_files(name) for name in ("new", "newer")}
        packs = packed(place / "scratch", units, pack_bytes=1, threads=1)
        DirectoryStore(place / "store").save(packs, adding(packs, ["new", "newer"]))
    elif what == "fetch":
        tiered = Tiered(DirectoryStore(place / "store"), (store,), print)
        index = tiered.load()
        tiered.prefetch(index, index.entries.values())
        for pack, info in index.packs.items():
            with tiered.open_pack(pack, info.size, ()):
                pass
        tiered.close()
    else:
        index = store.load()
        unpack_units(store, index, index.entries.values(), place / "target", stamp_ns=1, jobs=1)

sys.addaudithook(watch)
what, root = sys.argv[1], Path(sys.argv[2])
for step in range(10_000):
    child = os.fork()
    if child == 0:
        left, armed = step, True
        work(what, root / str(step), DirectoryStore(root / "kept"))
        armed = False
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if status == 0:
        print(step)
        break
    assert status == signal.SIGKILL, status
"""
OLD = ("serde", "rand")


def killed_everywhere(what: str, root: Path) -> int:
    """How many places there were to die at.

    What each has left is in a folder of its number; in the folder after the last nobody was killed.
    """
    env = {"PYTHONPATH": str(REPOSITORY / "tests")}
    done = subprocess.run([sys.executable, "-c", CHILD, what, str(root)], env=env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return int(done.stdout.split()[-1])


def kept(root: Path) -> DirectoryStore:
    """A store with units in it."""
    store = DirectoryStore(root)
    packs = packed(root.parent / "scratch", {name: unit_files(name) for name in OLD}, pack_bytes=1)
    store.save(packs, adding(packs, OLD))
    return store


def names_in(store: DirectoryStore) -> set[str]:
    return {entry.name for entry in store.load().entries.values()}


def test_a_restore(tmp_path: Path) -> None:
    store = kept(tmp_path / "kept")
    index = store.load()
    whole = {path: data for name in OLD for path, data in unit_files(name).items()}
    steps = killed_everywhere("restore", tmp_path)
    assert steps > 10
    seen = set()
    for step in range(steps):
        target = tmp_path / str(step) / "target"
        left = tree(target) if target.exists() else {}
        present = [name for name in OLD if (target / f"release/.fingerprint/{name}-0123456789abcdef").is_dir()]
        seen.add(len(present))
        for name in present:
            assert unit_files(name).items() <= left.items(), f"step {step}: a fingerprint says that its unit is whole"
        # as a build does: what has a fingerprint is there
        absent = [entry for entry in index.entries.values() if entry.name not in present]
        assert not unpack_units(store, index, absent, target, stamp_ns=1).failed
        assert {path: data for path, data in tree(target).items() if not path.startswith(".cargoship/")} == whole
    assert seen == {0, 1, 2}


@pytest.mark.parametrize("what", ["save", "fetch"])
def test_what_changes_a_store(tmp_path: Path, what: str) -> None:
    kept(tmp_path / "kept")
    new = {"new", "newer"} if what == "save" else set(OLD)
    steps = killed_everywhere(what, tmp_path)
    assert steps > 5
    seen = set()
    for step in range(steps + 1):
        store = DirectoryStore(tmp_path / str(step) / "store")
        found = names_in(store)
        assert found in (set(), new), f"step {step}: half of it"
        seen.add(bool(found))
        assert not check_store(store, store.load()).damaged
        # the next one saves as if nothing had happened, and what nobody knows of is gone
        index = kept(store.root).load()
        assert {entry.name for entry in index.entries.values()} == {*found, *OLD}
        assert {path.name for path in (store.root / "1/packs").iterdir()} == {pack.hex for pack in index.packs}
    assert seen == {False, True}
