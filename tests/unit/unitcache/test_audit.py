"""What was compiled again is compared with what a cache would have given, unit by unit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from cargoship.oci.digest import Digest
from cargoship.unitcache.audit import Compared, Held, compare
from cargoship.unitcache.care.integrity import drop_entries
from cargoship.unitcache.keys.file_digests import VARIABLE, FileDigests
from cargoship.unitcache.packs.index import UnitEntry
from cargoship.unitcache.stores.directory import DirectoryStore
from support.fake_cargo import APP, FakeCargo
from support.sessions import build
from support.units import tamper

ALL = ["app bin", "derive proc-macro", "helper lib", "itoa lib", "sys build", "sys custom-build", "sys lib"]


def built(root: Path, name: str) -> tuple[FakeCargo, DirectoryStore]:
    """A checkout that was compiled with a store of its own."""
    cargo = FakeCargo(root / name / "work", root / "home", APP).write_sources()
    store = DirectoryStore(root / name / "store")
    build(cargo, store)
    return cargo, store


def held(cargo: FakeCargo, store: DirectoryStore) -> Held:
    return Held(store, store.load(), FileDigests(cargo.root, cargo.build_dir, cargo.env))


def unit(store: DirectoryStore, name: str) -> UnitEntry:
    return next(each for each in store.load().entries.values() if each.name.startswith(f"{name} "))


@pytest.fixture
def cached(tmp_path: Path) -> tuple[FakeCargo, DirectoryStore]:
    return built(tmp_path, "cached")


@pytest.fixture
def renewed(tmp_path: Path) -> Held:
    return held(*built(tmp_path, "renewed"))


def differing(renewed: Held, cached: tuple[FakeCargo, DirectoryStore], scratch: Path) -> dict[str, Compared]:
    found = compare(renewed, held(*cached), scratch)
    assert len(found) == len(ALL), "each unit is compared, those too that depend on one that differs"
    return {each.made.name.split()[0]: each for each in found if each.where}


def test_what_was_compiled_twice_is_the_same(
    renewed: Held, cached: tuple[FakeCargo, DirectoryStore], tmp_path: Path
) -> None:
    assert differing(renewed, cached, tmp_path) == {}


def test_other_content_under_a_right_key_is_found(
    renewed: Held, cached: tuple[FakeCargo, DirectoryStore], tmp_path: Path
) -> None:
    _, store = cached
    right = unit(store, "helper")
    wrong = tamper(store, right, lambda folder: next(folder.rglob("*.rlib")).write_bytes(b"\x7fELF something else"))
    (found,) = differing(renewed, cached, tmp_path).values()
    assert found.given == wrong
    assert found.where == (f"release/deps/libhelper-{right.place[-16:]}.rlib: byte 4",)
    assert not found.elsewhere
    drop_entries(store, lambda entry: entry.key == wrong.key and entry.frame == wrong.frame, store.load())
    assert wrong.key not in store.load().entries
    again = build(FakeCargo(tmp_path / "later/work", tmp_path / "home").write_sources(), store)
    assert "helper target" in again.compiled
    assert unit(store, "helper").output == right.output


def test_what_was_not_known_to_be_read_is_named(
    cached: tuple[FakeCargo, DirectoryStore], renewed: Held, tmp_path: Path
) -> None:
    cargo, store = cached
    tamper(
        store, unit(store, "app"), lambda folder: next(folder.rglob("deps/app-????????????????")).write_bytes(b"other")
    )
    read = {VARIABLE + "API_URL": Digest.of(b"unset")}
    entries = {
        key: replace(entry, inputs={**entry.inputs, **read}) if entry.name.startswith("app ") else entry
        for key, entry in renewed.index.entries.items()
    }
    knowing = structs.replace(renewed, index=replace(renewed.index, entries=entries))
    assert differing(knowing, (cargo, store), tmp_path)["app"].missed == ("the variable API_URL",)


def test_what_was_compiled_in_another_folder_is_recognised(
    renewed: Held, cached: tuple[FakeCargo, DirectoryStore], tmp_path: Path
) -> None:
    _, store = cached
    for name in ("helper", "itoa"):
        tamper(store, unit(store, name), lambda folder: next(folder.rglob("*.rlib")).write_bytes(b"x"))
    mover = FakeCargo(tmp_path / "moved/work", tmp_path / "home", APP).write_sources()
    found = differing(renewed, (mover, store), tmp_path)
    assert {name: each.elsewhere for name, each in found.items()} == {"helper": True, "itoa": False}


def test_what_the_cache_cannot_give_is_not_compared(
    renewed: Held, cached: tuple[FakeCargo, DirectoryStore], tmp_path: Path
) -> None:
    cargo, store = cached
    for path in (store.root / "1/packs").iterdir():
        path.write_bytes(b"\0" * path.stat().st_size)
    assert compare(renewed, held(cargo, store), tmp_path) == []
