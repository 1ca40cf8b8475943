"""Looking after a store: garbage, damage, and carrying it elsewhere as a file."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cargoship.errors import CacheUnavailable, ContentInvalid
from cargoship.oci.digest import Digest
from cargoship.oci.store import BlobStore
from cargoship.unitcache.care import cache_folder
from cargoship.unitcache.care.archive import export, import_file
from cargoship.unitcache.care.collection import Rules, collect, garbage
from cargoship.unitcache.care.integrity import check_store, mend
from cargoship.unitcache.packs.index import BuildRecord, UnitIndex
from cargoship.unitcache.packs.pack import Pack
from cargoship.unitcache.stores.directory import DirectoryStore
from cargoship.unitcache.stores.readonly import ReadOnly
from cargoship.unitcache.stores.store import Saved
from cargoship.unitcache.unpacking import unpack_units
from support.units import adding, key_of, packed, tree, unit_files

HUGE = 1 << 40
LETTERS = "abcdefghij"


def plan(name: str, units: str, saved_at: int) -> BuildRecord:
    return BuildRecord(key_of(name), tuple(key_of(unit) for unit in units), saved_at=saved_at)


def filled(root: Path, groups: tuple[str, ...] = (LETTERS,), plans: tuple[BuildRecord, ...] = ()) -> DirectoryStore:
    """Units of one letter, each group in a pack of its own."""
    store = DirectoryStore(root / "store")
    for number, group in enumerate(groups):
        packs = packed(root / f"scratch{number}", {name: unit_files(name, 20_000) for name in group})
        store.save(packs, adding(packs, group))
        used_ns = (1_000_000 + number) * 10**9
        for pack in packs:
            os.utime(store.pack_path(pack.digest), ns=(used_ns, used_ns))

    def with_plans(index: UnitIndex) -> UnitIndex:
        for each in plans:
            index = index.with_plan(each)
        return index

    store.save((), with_plans)
    assert len(store.load().packs) == len(groups)
    return store


def names_in(index: UnitIndex) -> str:
    return "".join(sorted(entry.name for entry in index.entries.values()))


def files_in(store: DirectoryStore) -> int:
    return sum(path.stat().st_size for path in (store.root / "1/packs").iterdir())


def assert_whole(store: DirectoryStore, tmp_path: Path, names: str) -> None:
    index = store.load()
    assert names_in(index) == names
    assert not check_store(store, index).damaged
    done = unpack_units(store, index, index.entries.values(), tmp_path / "target", stamp_ns=1)
    assert done.keys == {key_of(name) for name in names}
    assert tree(tmp_path / "target") == {
        path: data for name in names for path, data in unit_files(name, 20_000).items()
    }


def test_what_the_last_plans_need_stays(tmp_path: Path) -> None:
    plans = (plan("old", "abcde", 1), plan("middle", "cdef", 2), plan("new", "defg", 3))
    store = filled(tmp_path, plans=plans)
    done = collect(store, Rules(HUGE, plans_kept=2), scratch=tmp_path / "scratch")
    assert (done.units_before, done.units) == (10, 5)
    assert [each.hex for each in store.load().plans] == [key_of("middle").hex, key_of("new").hex]
    assert_whole(store, tmp_path, "cdefg")


def test_without_plans_nothing_goes_but_for_its_size(tmp_path: Path) -> None:
    store = filled(tmp_path)
    assert collect(store, Rules(HUGE, plans_kept=1), scratch=tmp_path / "scratch").units == 10
    assert_whole(store, tmp_path, LETTERS)


def test_a_pack_that_is_mostly_dead_is_rewritten(tmp_path: Path) -> None:
    store = filled(tmp_path, plans=(plan("new", "abc", 1),))
    (before,) = store.load().packs
    done = collect(store, Rules(HUGE, plans_kept=1), scratch=tmp_path / "scratch")
    assert done.rewritten == 1
    assert before not in store.load().packs
    assert files_in(store) == store.load().size < done.size_before * 0.4
    assert_whole(store, tmp_path, "abc")
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_pack_that_is_mostly_of_use_stays(tmp_path: Path) -> None:
    store = filled(tmp_path, plans=(plan("new", "abcdefgh", 1),))
    before = store.load().packs
    assert collect(store, Rules(HUGE, plans_kept=1), scratch=tmp_path / "scratch").rewritten == 0
    assert store.load().packs == before
    assert_whole(store, tmp_path, "abcdefgh")


def test_the_least_recently_used_go_first_and_the_limit_holds(tmp_path: Path) -> None:
    store = filled(tmp_path, groups=("abc", "def", "ghi"))
    os.utime(store.pack_path(store.load().entries[key_of("a")].pack))
    limit = store.load().size // 2
    used = ReadOnly(store).last_used(store.load().packs)
    assert used == store.last_used(store.load().packs)
    collect(store, Rules(limit), scratch=tmp_path / "scratch", used=used)
    assert files_in(store) == store.load().size <= limit
    assert set("abc") <= set(names_in(store.load()))
    assert not set("def") & set(names_in(store.load()))


def test_what_a_plan_needs_outlives_what_none_needs(tmp_path: Path) -> None:
    plans = (plan("old", "abc", 1), plan("new", "def", 2))
    store = filled(tmp_path, groups=("abc", "def", "ghi"), plans=plans)
    index = store.load()
    one = index.size // 3 + 1000
    assert {index.entries[key].name for key in garbage(index, Rules(one), {}).keys} == set("abcghi")
    assert garbage(index, Rules(one), {}).plans == {key_of("old")}
    assert {index.entries[key].name for key in garbage(index, Rules(2 * one), {}).keys} == set("ghi")


def test_what_others_save_meanwhile_stays(tmp_path: Path) -> None:
    store = filled(tmp_path, plans=(plan("new", "ab", 1),))

    class Meanwhile(DirectoryStore):
        def save(self, packs: Sequence[Pack], change: Callable[[UnitIndex], UnitIndex]) -> Saved:
            # between the look at the index and its change, somebody uses what is garbage, and adds more
            others = packed(tmp_path / "others", {"z": unit_files("z", 20_000)})
            add = adding(others, ["z"])
            store.save(others, lambda index: add(index).with_plan(plan("theirs", "cz", 2)))
            return store.save(packs, change)

    collect(Meanwhile(store.root), Rules(HUGE, plans_kept=1), scratch=tmp_path / "scratch")
    assert_whole(store, tmp_path, "abcz")


def test_a_damaged_unit_is_found_and_forgotten(tmp_path: Path) -> None:
    store = filled(tmp_path)
    index = store.load()
    entry = index.entries[key_of("c")]
    path = store.pack_path(entry.pack)
    data = bytearray(path.read_bytes())
    data[entry.offset + 9] ^= 1
    path.write_bytes(data)

    found = check_store(store, index)
    assert set(found.damaged) == {entry.key}
    assert found.units == 9

    mend(store, found.damaged, index)
    assert_whole(store, tmp_path, "abdefghij")


def test_a_missing_pack_is_damage(tmp_path: Path) -> None:
    store = filled(tmp_path, groups=("abc", "def"))
    index = store.load()
    store.pack_path(index.entries[key_of("a")].pack).unlink()
    found = check_store(store, index)
    assert {index.entries[key].name for key in found.damaged} == set("abc")
    mend(store, found.damaged, index)
    assert_whole(store, tmp_path, "def")


def test_an_export_is_a_cache_again_elsewhere(tmp_path: Path) -> None:
    store = filled(tmp_path, groups=("abc", "def"), plans=(plan("new", "ab", 1),))
    export(store, tmp_path / "one.tar")
    export(store, tmp_path / "two.tar")
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    (tmp_path / "there").mkdir()
    other = filled(tmp_path / "there", groups=("xyz",))
    import_file(other, tmp_path / "one.tar", scratch=tmp_path / "scratch")
    assert_whole(other, tmp_path, "abcdefxyz")
    assert key_of("new") in other.load().plans
    assert list((tmp_path / "scratch").iterdir()) == []


def rewritten(path: Path, change: Callable[[str, bytes], Mapping[str, bytes]]) -> Path:
    """A tar with other members."""
    made = path.with_name("changed.tar")
    with tarfile.open(path) as old, tarfile.open(made, "w") as new:
        for member in old:
            content = old.extractfile(member)
            assert content is not None
            for name, data in change(member.name, content.read()).items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                new.addfile(info, io.BytesIO(data))
    return made


@pytest.mark.parametrize(
    "change",
    [
        lambda name, data: {name: data[:-1] + b"?"},
        lambda name, data: {} if name == "index" else {name: data},
        lambda name, data: {name: data} if name == "index" else {name.replace("packs/", "packs/../../"): data},
        lambda name, data: {name: data} if name == "index" else {name: data + b"more"},
        lambda name, data: {name: data, "packs/" + "0" * 64: b"stranger"},
        lambda *_: {},
    ],
    ids=["changed", "no index", "other names", "larger", "stranger", "empty"],
)
def test_a_hostile_export_adds_nothing(tmp_path: Path, change: Callable[[str, bytes], Mapping[str, bytes]]) -> None:
    export(filled(tmp_path), tmp_path / "one.tar")
    bad = rewritten(tmp_path / "one.tar", change)
    other = DirectoryStore(tmp_path / "other")
    with pytest.raises(ContentInvalid, match="is no export of a cache"):
        import_file(other, bad, scratch=tmp_path / "scratch")
    assert other.load() == UnitIndex()
    assert not (tmp_path / "scratch").exists() or list((tmp_path / "scratch").iterdir()) == []


def test_links_and_rubbish_are_no_export(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "link.tar", "w") as tar:
        info = tarfile.TarInfo("index")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    (tmp_path / "rubbish.tar").write_bytes(os.urandom(5000))
    for name in ("link.tar", "rubbish.tar"):
        with pytest.raises(ContentInvalid):
            import_file(DirectoryStore(tmp_path / "s"), tmp_path / name, scratch=tmp_path / "scratch")
    with pytest.raises(CacheUnavailable, match="cannot read"):
        import_file(DirectoryStore(tmp_path / "s"), tmp_path / "gone.tar", scratch=tmp_path / "scratch")


def test_an_export_that_lost_a_pack_brings_the_others(tmp_path: Path) -> None:
    store = filled(tmp_path, groups=("abc", "def"))
    gone = store.load().entries[key_of("a")].pack
    export(store, tmp_path / "one.tar")
    less = rewritten(tmp_path / "one.tar", lambda name, data: {} if name.endswith(gone.hex) else {name: data})
    other = DirectoryStore(tmp_path / "other")
    import_file(other, less, scratch=tmp_path / "scratch")
    assert_whole(other, tmp_path, "def")


def test_what_was_not_used_for_long_goes(tmp_path: Path) -> None:
    for name in ("std/old", "std/new", "wrappers/old", "sysroots/new", "bases/old"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep/file").write_bytes(bytes(10_000))
        if name.endswith("old"):
            os.utime(tmp_path / name, (1, 1))
    (tmp_path / "std/.lock").touch()
    os.utime(tmp_path / "std/.lock", (1, 1))
    layers = BlobStore(tmp_path / "made")
    kept, gone = (layers.add_bytes("x/y", data) for data in (b"kept", bytes(5_000)))
    os.utime(gone.path, (1, 1))
    freed = cache_folder.remove_unused(tmp_path, days=30)
    assert (kept.path.exists(), gone.path.exists()) == (True, False)
    left = {path.parent.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("deep")}
    assert left == {"std/new", "sysroots/new", "bases/old"}
    assert (tmp_path / "std/.lock").exists(), "a lock that is taken away is held by nobody"
    assert freed >= 25_000
    shown = {folder.name: folder.size for folder in cache_folder.cache_folders(tmp_path, leave_out="units")}
    assert shown["std"] >= 10_000
    assert set(shown) == {"std", "wrappers", "sysroots", "bases", "made"}


def test_the_units_of_an_index_keep_their_places(tmp_path: Path) -> None:
    store = filled(tmp_path)
    index = store.load()
    entry = index.entries[key_of("a")]
    moved = replace(entry, pack=Digest.of(b"elsewhere"))
    assert index.merged(UnitIndex({moved.key: moved}, {}, {})).entries[entry.key] == entry
    assert UnitIndex({moved.key: moved}, {}, {}).merged(index).entries[entry.key] == entry
