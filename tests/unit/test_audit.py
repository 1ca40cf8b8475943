"""What an audit has found wrong is forgotten wherever that may be done."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from cargoship.audit import Discrepancy, State, drop_wrong
from cargoship.errors import CacheUnavailable
from cargoship.unitcache.audit import Held
from cargoship.unitcache.keys.file_digests import FileDigests
from cargoship.unitcache.packs.index import BuildRecord
from cargoship.unitcache.stores.directory import DirectoryStore
from cargoship.unitcache.stores.readonly import ReadOnly
from cargoship.unitcache.stores.store import Store
from cargoship.unitcache.stores.tiered import Tiered
from cargoship.unitcache.unpacking import unpack_units
from support.units import adding, key_of, packed, unit_files

PLAN = BuildRecord(key_of("plan"), (key_of("right"),), {"app": key_of("wrong")})


def filled(root: Path) -> DirectoryStore:
    store = DirectoryStore(root / "store")
    packs = packed(root / "scratch", {name: unit_files(name) for name in ("right", "wrong")})
    store.save(packs, lambda index: adding(packs, ["right", "wrong"])(index).with_plan(PLAN))
    return store


def dropped(local: DirectoryStore, remotes: Sequence[Store], tmp_path: Path) -> bool:
    """Drop one of two units after it was read, as an audit does."""
    errors: list[CacheUnavailable] = []
    store = Tiered(local, tuple(remotes), lambda _, error: errors.append(error))
    index = store.load()
    wrong = index.entries[key_of("wrong")]
    assert unpack_units(store, index, index.entries.values(), tmp_path / "unpacked", stamp_ns=0).failed == {}
    cache = Held(store, index, FileDigests(tmp_path, tmp_path / "target"))
    done = drop_wrong(cache, [Discrepancy("app", State.WRONG, ("section .text",), (), wrong, PLAN)])
    store.close()
    assert errors == []
    return done


def names(store: DirectoryStore) -> tuple[list[str], int]:
    index = store.load()
    return sorted(entry.name for entry in index.entries.values()), len(index.plans)


@pytest.mark.parametrize("has_it", [True, False], ids=["here too", "only there"])
def test_it_goes_from_every_cache_and_does_not_come_back(tmp_path: Path, *, has_it: bool) -> None:
    remote = filled(tmp_path / "remote")
    local = filled(tmp_path / "local") if has_it else DirectoryStore(tmp_path / "local/store")
    assert dropped(local, [remote], tmp_path)
    assert (names(local), names(remote)) == ((["right"], 0), (["right"], 0))


def test_a_cache_that_may_only_be_read_keeps_it_and_that_is_said(tmp_path: Path) -> None:
    remote, local = filled(tmp_path / "remote"), filled(tmp_path / "local")
    assert not dropped(local, [ReadOnly(remote)], tmp_path)
    assert names(remote) == (["right", "wrong"], 1)


def test_what_somebody_has_kept_anew_meanwhile_stays(tmp_path: Path) -> None:
    store = filled(tmp_path)
    cache = Held(store, store.load(), FileDigests(tmp_path, tmp_path / "target"))
    wrong = cache.index.entries[key_of("wrong")]
    packs = packed(tmp_path / "again", {"wrong": unit_files("what is right")})
    store.save(packs, adding(packs, ["wrong"]))
    assert drop_wrong(cache, [Discrepancy("app", State.WRONG, ("section .text",), (), wrong)])
    assert names(store) == (["right", "wrong"], 1)
