"""Units into packs and back: the same files, the same bytes each time, and nothing outside of the build directory."""

from __future__ import annotations

import _thread
import os
import stat
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cargoship.errors import CacheUnavailable, ContentInvalid
from cargoship.oci.digest import Digest
from cargoship.oci.zstd import CompressionParameter, ZstdCompressor
from cargoship.unitcache.builds import RECORD, is_output
from cargoship.unitcache.packs.frame import STAGING, FileKind, FileRecord, check, write_head
from cargoship.unitcache.packs.index import PackInfo, UnitEntry, UnitIndex
from cargoship.unitcache.packs.pack import Pack, UnitFile
from cargoship.unitcache.packs.packing import pack_writer
from cargoship.unitcache.stores.directory import DirectoryStore
from cargoship.unitcache.stores.store import PackSource
from cargoship.unitcache.unpacking import FrameReader, UnpackResult, unpack_single, unpack_units
from support.units import adding, entries_of, key_of, noise, packed, tree, unit_files

STAMP_NS = 1_600_000_000_123_456_789


def saved(tmp_path: Path, packs: tuple[Pack, ...], names: list[str]) -> tuple[DirectoryStore, UnitIndex]:
    store = DirectoryStore(tmp_path / "store")
    return store, store.save(packs, adding(packs, names)).index


def put_back(store: DirectoryStore, index: UnitIndex, into: Path, *, keep: bool = False) -> UnpackResult:
    return unpack_units(store, index, index.entries.values(), into, stamp_ns=STAMP_NS, keep=keep)


def test_units_come_back_as_they_were(tmp_path: Path) -> None:
    units = {name: unit_files(name, 3000) for name in ("serde", "rand", "syn")}
    packs = packed(tmp_path / "scratch", units)
    store, index = saved(tmp_path, packs, list(units))

    done = put_back(store, index, tmp_path / "target")

    assert done.keys == {key_of(name) for name in units}
    assert not done.failed
    assert tree(tmp_path / "target") == {path: data for files in units.values() for path, data in files.items()}
    assert {path.lstat().st_mtime_ns for path in (tmp_path / "target").rglob("*")} == {STAMP_NS}
    assert list(tmp_path.joinpath("scratch").iterdir()) == [], "a store on the same file system takes the packs"


def test_links_modes_and_empty_folders_come_back(tmp_path: Path) -> None:
    made = tmp_path / "made"
    out = made / "release/build/z-01/out"
    (out / "empty").mkdir(parents=True)
    (out / "libz.so.1").write_bytes(b"elf")
    (out / "libz.so").symlink_to("libz.so.1")
    (out / "full").symlink_to(out / "libz.so.1")
    (out / "folder").symlink_to("../out/empty")
    (out / "run").write_bytes(b"#!")
    (out / "run").chmod(0o755)
    (out / "again").hardlink_to(out / "run")
    paths = sorted(path for path in made.rglob("*") if path.is_symlink() or path.is_file() or path.name == "empty")
    with pack_writer(tmp_path / "scratch") as writer:
        writer.add(key_of("z"), [UnitFile(path.relative_to(made).as_posix(), path) for path in paths])
        packs = writer.close()
        assert writer.refused == {}
    store, index = saved(tmp_path, packs, ["z"])

    assert not put_back(store, index, tmp_path / "target").failed

    found = tmp_path / "target/release/build/z-01/out"
    assert found.joinpath("libz.so").readlink() == Path("libz.so.1")
    assert found.joinpath("full").readlink() == Path("libz.so.1"), "a full path would lead to another machine's folder"
    assert found.joinpath("folder").resolve() == (found / "empty").resolve()
    assert found.joinpath("empty").is_dir()
    assert found.joinpath("again").samefile(found / "run")
    assert found.joinpath("run").stat().st_mode & stat.S_IXUSR
    assert not found.joinpath("libz.so.1").stat().st_mode & stat.S_IXUSR


def test_a_program_comes_alone(tmp_path: Path) -> None:
    """Of a unit with more in it: each folder that is made and removed costs a disk as much as a file."""
    made = tmp_path / "made"
    units = {
        "app": {
            "t/release/deps/app-1": 0o755,
            "t/release/deps/app-1.d": 0o644,
            "t/release/.fingerprint/app-1/x": 0o644,
        },
        "web": {"wasm32/release/deps/web.wasm": 0o755},
        "record": {RECORD: 0o644},
        "none": {"t/release/deps/lib.rlib": 0o644, "t/release/deps/lib.so": 0o755},
        "two": {"t/release/deps/a": 0o755, "t/release/deps/b": 0o755},
    }
    with pack_writer(tmp_path / "scratch") as writer:
        for name, files in units.items():
            for path, mode in files.items():
                (made / path).parent.mkdir(parents=True, exist_ok=True)
                (made / path).write_text(f"{name} {path}")
                (made / path).chmod(mode)
            writer.add(key_of(name), [UnitFile(path, made / path) for path in files])
        packs = writer.close()
    store, index = saved(tmp_path, packs, list(units))
    gone = replace(index.entries[key_of("app")], key=key_of("gone"), pack=Digest.of(b"another"))
    lies = replace(index.entries[key_of("app")], key=key_of("lies"), frame=Digest.of(b"something else"))

    found = unpack_single(store, index, [*index.entries.values(), gone, lies], is_output, tmp_path / "into")

    assert set(found) == {key_of(name) for name in ("app", "web", "record")}
    assert {name: found[key_of(name)].read_text() for name in ("app", "web", "record")} == {
        "app": "app t/release/deps/app-1", "web": "web wasm32/release/deps/web.wasm", "record": "record record",
    }  # fmt: skip
    assert [os.access(found[key_of(name)], os.X_OK) for name in ("app", "web", "record")] == [True, True, False]
    assert sorted(tmp_path.joinpath("into").iterdir()) == sorted(found.values()), "and no folder"
    with pytest.raises(CacheUnavailable):
        unpack_single(store, index, index.entries.values(), is_output, made / RECORD)


def test_packs_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    units = {f"crate{n}": unit_files(f"crate{n}", 40_000) for n in range(20)}
    first = packed(tmp_path / "a", units, pack_bytes=100_000, threads=1)
    second = packed(tmp_path / "b", units, pack_bytes=100_000, threads=4)
    assert len(first) > 3
    assert [(pack.digest, pack.placed) for pack in first] == [(pack.digest, pack.placed) for pack in second]
    for pack in first:
        assert Digest.of(pack.path.read_bytes()) == pack.digest
        assert pack.size == pack.path.stat().st_size >= 100_000 or pack is first[-1]


def test_metadata_that_lies_beside_its_library_costs_nothing(tmp_path: Path) -> None:
    metadata = noise("metadata", 3 << 20)
    (alone,) = packed(tmp_path / "a", {"x": {"deps/x.rmeta": metadata}})
    (both,) = packed(tmp_path / "b", {"x": {"deps/x.rlib": metadata + noise("code", 1000), "deps/x.rmeta": metadata}})
    assert both.size < alone.size * 1.01


def test_metadata_is_found_in_a_library_that_no_window_covers(tmp_path: Path) -> None:
    """A library begins with its metadata; all that follows there must not lie between the two copies."""
    metadata = noise("m", 400_000)
    files = {"release/deps/liba-01.rlib": metadata + bytes(20 << 20), "release/deps/liba-01.rmeta": metadata}
    assert packed(tmp_path, {"a": files})[0].size < 1.1 * len(metadata)


@pytest.mark.parametrize("link", ["/etc/passwd", "../../../outside", "nowhere", ".."])
def test_a_unit_with_a_link_that_leads_elsewhere_is_not_packed(tmp_path: Path, link: str) -> None:
    (tmp_path / "link").symlink_to(link)
    with pack_writer(tmp_path / "scratch") as writer:
        writer.add(key_of("a"), [UnitFile("out/link", tmp_path / "link")])
        writer.add(key_of("b"), [UnitFile("out/file", b"content")])
        (pack,) = writer.close()
        assert "not in its unit" in writer.refused[key_of("a")]
    assert [placed.key for placed in pack.placed] == [key_of("b")]


def test_a_file_that_went_meanwhile_loses_its_unit_only(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pack_writer(tmp_path / "scratch") as writer:
        writer.add(key_of("a"), [UnitFile("out/file", tmp_path / "gone")])
        writer.add(key_of("b"), [UnitFile("out/fifo", tmp_path / "fifo")])
        writer.add(key_of("c"), [UnitFile("../file", b"")])
        assert writer.close() == ()
        assert set(writer.refused) == {key_of("a"), key_of("b"), key_of("c")}


def test_what_is_there_may_stay(tmp_path: Path) -> None:
    packs = packed(tmp_path / "scratch", {"a": {"deps/one": b"1", "deps/two": b"2"}})
    store, index = saved(tmp_path, packs, ["a"])
    (tmp_path / "target/deps").mkdir(parents=True)
    (tmp_path / "target/deps/one").write_bytes(b"mine")
    put_back(store, index, tmp_path / "target", keep=True)
    assert tree(tmp_path / "target") == {"deps/one": b"mine", "deps/two": b"2"}
    put_back(store, index, tmp_path / "target")
    assert tree(tmp_path / "target") == {"deps/one": b"1", "deps/two": b"2"}


def test_the_fingerprint_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packs = packed(tmp_path / "scratch", {"serde": unit_files("serde")})
    store, index = saved(tmp_path, packs, ["serde"])
    seen: list[set[str]] = []
    rename = Path.rename

    def note(path: Path, target: Path) -> Path:
        seen.append({file for file in tree(tmp_path / "target") if not file.startswith(STAGING)})
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", note)
    put_back(store, index, tmp_path / "target")
    assert seen == [{path for path in unit_files("serde") if "/deps/" in path}]


@pytest.mark.parametrize("folder", ["release/build/z-0123456789abcdef", "build/z/0123456789abcdef"], ids=["v1", "v2"])
@pytest.mark.parametrize("keep", [False, True])
def test_a_folder_that_is_there_already_is_filled(tmp_path: Path, folder: str, keep: bool) -> None:  # noqa: FBT001
    files = {f"{folder}/out/a": b"a", f"{folder}/out/deep/b": b"b", f"{folder}/fingerprint/x": b"x"}
    store, index = saved(tmp_path, packed(tmp_path / "scratch", {"z": files}), ["z"])
    target = tmp_path / "target"
    (target / folder / "out/deep").mkdir(parents=True)
    (target / folder / "out/deep/b").write_bytes(b"mine")
    (target / folder / "out/other").write_bytes(b"mine too")

    assert not put_back(store, index, target, keep=keep).failed

    left = tree(target)
    assert left.pop(f"{folder}/out/other") == b"mine too"
    assert left == {**files, f"{folder}/out/deep/b": b"mine" if keep else b"b"}
    assert not (target / STAGING).exists()


HOSTILE = {
    "upwards": [FileRecord("../evil", FileKind.FILE, 4)],
    "upwards inside": [FileRecord("deps/../../evil", FileKind.FILE, 4)],
    "absolute": [FileRecord("/evil", FileKind.FILE, 4)],
    "empty": [FileRecord("", FileKind.FILE, 4)],
    "dot": [FileRecord("./evil", FileKind.FILE, 4)],
    "double slash": [FileRecord("deps//evil", FileKind.FILE, 4)],
    "backslash": [FileRecord("deps\\evil", FileKind.FILE, 4)],
    "control character": [FileRecord("deps/ev\x00il", FileKind.FILE, 4)],
    "newline": [FileRecord("deps/ev\nil", FileKind.FILE, 4)],
    "long name": [FileRecord("x" * 300, FileKind.FILE, 4)],
    "staging": [FileRecord(f"{STAGING}/evil", FileKind.FILE, 4)],
    "twice": [FileRecord("a", FileKind.FILE, 2), FileRecord("a", FileKind.FILE, 2)],
    "below a file": [FileRecord("a", FileKind.FILE, 2), FileRecord("a/b", FileKind.FILE, 2)],
    "below a link": [FileRecord("a", FileKind.LINK, target="../../outside"), FileRecord("a/evil", FileKind.FILE, 4)],
    "below an inner link": [
        FileRecord("b/x", FileKind.FILE),
        FileRecord("a", FileKind.LINK, target="b"),
        FileRecord("a/evil", FileKind.FILE, 4),
    ],
    "link upwards": [FileRecord("a", FileKind.LINK, target="../outside"), FileRecord("b", FileKind.FILE, 4)],
    "link to root": [FileRecord("a", FileKind.LINK, target="/etc"), FileRecord("b", FileKind.FILE, 4)],
    "link to the build directory": [FileRecord("d/a", FileKind.LINK, target=".."), FileRecord("b", FileKind.FILE, 4)],
    "link through a link": [
        FileRecord("d/in", FileKind.FOLDER),
        FileRecord("d/a", FileKind.LINK, target="in"),
        FileRecord("d/b", FileKind.LINK, target="a/../../outside"),
        FileRecord("b", FileKind.FILE, 4),
    ],
    "same as outside": [FileRecord("a", FileKind.SAME, target="../outside"), FileRecord("b", FileKind.FILE, 4)],
    "same as a link": [
        FileRecord("b", FileKind.FILE, 4),
        FileRecord("l", FileKind.LINK, target="b"),
        FileRecord("s", FileKind.SAME, target="l"),
    ],
    "same as a later one": [FileRecord("s", FileKind.SAME, target="b"), FileRecord("b", FileKind.FILE, 4)],
    "folder with content": [FileRecord("a", FileKind.FOLDER, 4)],
    "less content": [FileRecord("a", FileKind.FILE, 3)],
    "more content": [FileRecord("a", FileKind.FILE, 5)],
    "much more content": [FileRecord("a", FileKind.FILE, 1 << 31)],
}


def hostile_head(rows: list[FileRecord]) -> bytes:
    """A head that `write_head` would refuse to write."""
    text = b'{"format":1,"files":' + b"[" + b",".join(_row(row) for row in rows) + b"]}"
    return len(text).to_bytes(4, "big") + text


def _row(row: FileRecord) -> bytes:
    import json  # noqa: PLC0415

    return json.dumps([row.path, row.kind.value, row.size, row.target]).encode()


def hostile_store(
    tmp_path: Path, content: bytes, *, entry: dict[str, int] | None = None
) -> tuple[DirectoryStore, UnitIndex]:
    """A store with one unit of this content, whose digests are all right: only the content is not."""
    data = ZstdCompressor().compress(content, ZstdCompressor.FLUSH_FRAME)
    return raw_store(tmp_path, data, len(content), entry or {})


def raw_store(tmp_path: Path, data: bytes, unpacked: int, changed: dict[str, int]) -> tuple[DirectoryStore, UnitIndex]:
    digest = Digest.of(data)
    path = tmp_path / "evil.pack"
    path.write_bytes(data)
    pack = Pack(path, digest, len(data), ())
    store = DirectoryStore(tmp_path / "store")
    index = store.save([pack], lambda index: index).index
    made = UnitEntry(key_of("evil"), digest, 0, len(data), digest, unpacked)
    made = replace(made, **changed)  # type: ignore[arg-type] # all of these fields are numbers
    return store, index.with_entries([made])


@pytest.mark.parametrize("rows", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_unit_writes_nothing(tmp_path: Path, rows: list[FileRecord]) -> None:
    target = tmp_path / "work/target"
    (tmp_path / "work/outside").mkdir(parents=True)
    store, index = hostile_store(tmp_path, hostile_head(rows) + b"evil")
    before = tree(tmp_path / "work")

    done = put_back(store, index, target)

    assert set(done.failed) == {key_of("evil")}
    assert tree(tmp_path / "work") == before
    assert not any(path.is_symlink() for path in (tmp_path / "work").rglob("*"))


NASTY = st.sampled_from(["a", "b", "c", "d", "..", ".", "", "deps", "x/y", "/", "\\", "\x00", "\u202e", STAGING, "é"])
paths = st.lists(NASTY, min_size=1, max_size=4).map("/".join)
rows = st.builds(
    FileRecord, paths, st.sampled_from(FileKind), st.sampled_from([0, 0, 1, 4]), st.one_of(st.just(""), paths)
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(rows, max_size=5))
def test_no_unit_reaches_beyond_its_build_directory(tmp_path: Path, made: list[FileRecord]) -> None:
    root = Path(tempfile.mkdtemp(dir=tmp_path))
    (root / "outside").mkdir()
    (root / "target/deps").mkdir(parents=True)
    (root / "target/deps/out").symlink_to(root / "outside")
    store, index = hostile_store(root, hostile_head(made) + b"evil" * len(made))
    content = sum(row.size for row in made)
    entry = index.entries[key_of("evil")]
    entry = replace(entry, unpacked=len(hostile_head(made)) + content)

    done = unpack_units(store, index, [entry], root / "target", stamp_ns=STAMP_NS)

    assert tree(root / "outside") == {}
    assert {path.name for path in root.iterdir()} == {"outside", "target", "store"}
    for path in (root / "target").rglob("*"):
        if path.is_symlink() and path.name != "out":
            assert path.resolve().is_relative_to((root / "target").resolve())
    if done.failed:
        assert tree(root / "target") == {}


def test_the_head_is_read_strictly(tmp_path: Path) -> None:
    good = write_head([FileRecord("a", FileKind.FILE, 4)])
    for number, content in enumerate(
        (
            b"",
            b"\xff\xff\xff\xff",
            b"\x00\x00\x00\x02{}evil",
            b'\x00\x00\x00\x09{"format":',
            good.replace(b'"format":1', b'"format":2') + b"evil",
            good.replace(b'"f"', b'"q"') + b"evil",
            good.replace(b'"files":', b'"extra":1,"files":') + b"evil",
            good,
            good + b"evil and more",
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        store, index = hostile_store(folder, content or b"\x00")
        assert put_back(store, index, folder / "target").failed, content
        assert tree(folder / "target") == {}


def test_a_unit_that_unpacks_to_more_than_it_says_is_stopped(tmp_path: Path) -> None:
    bomb = write_head([FileRecord("a", FileKind.FILE, 4)]) + bytes(50 << 20)
    store, index = hostile_store(tmp_path, bomb, entry={"unpacked": len(bomb) - (50 << 20) + 4})
    put_back(store, index, tmp_path / "target")
    assert sum(len(data) for data in tree(tmp_path / "target").values()) <= 4


@pytest.mark.parametrize(
    "changed",
    [{"offset": -1}, {"offset": 10}, {"length": 0}, {"length": 1 << 40}, {"unpacked": 0}, {"unpacked": 1 << 50}],
    ids=str,
)
def test_an_entry_outside_of_its_pack_is_refused(tmp_path: Path, changed: dict[str, int]) -> None:
    store, index = hostile_store(tmp_path, write_head([FileRecord("a", FileKind.FILE, 4)]) + b"evil", entry=changed)
    done = put_back(store, index, tmp_path / "target")
    assert "outside of its pack" in done.failed[key_of("evil")]
    assert tree(tmp_path / "target") == {}


@pytest.mark.parametrize(
    "data", [b"", b"not zstd at all", b"\x28\xb5\x2f\xfd" + bytes(50)], ids=["empty", "text", "zeros"]
)
def test_what_is_no_frame_is_refused(tmp_path: Path, data: bytes) -> None:
    store, index = raw_store(tmp_path, data or b"x", 100, {})
    assert put_back(store, index, tmp_path / "target").failed
    assert tree(tmp_path / "target") == {}


def test_a_pack_that_was_changed_is_found_out(tmp_path: Path) -> None:
    names = ["a", "b", "c"]
    packs = packed(tmp_path / "scratch", {name: unit_files(name) for name in names})
    store, index = saved(tmp_path, packs, names)
    entry = index.entries[key_of("b")]
    path = store.pack_path(entry.pack)
    data = bytearray(path.read_bytes())
    data[entry.offset + entry.length // 2] ^= 1
    path.write_bytes(data)

    done = put_back(store, index, tmp_path / "target")

    assert set(done.failed) == {key_of("b")}
    assert done.keys == {key_of("a"), key_of("c")}
    assert not any("libb" in path for path in tree(tmp_path / "target"))


def test_a_pack_that_is_gone_is_a_miss(tmp_path: Path) -> None:
    packs = packed(tmp_path / "scratch", {"a": unit_files("a")})
    store, index = saved(tmp_path, packs, ["a"])
    store.pack_path(packs[0].digest).unlink()
    assert set(put_back(store, index, tmp_path / "target").failed) == {key_of("a")}
    (entry,) = entries_of(packs, ["a"])
    assert unpack_units(store, UnitIndex(), [entry], tmp_path / "target", stamp_ns=1).failed == {
        entry.key: "its pack is gone"
    }


def test_nothing_is_written_through_a_link_in_the_build_directory(tmp_path: Path) -> None:
    packs = packed(tmp_path / "scratch", {"a": {"deps/evil": b"evil"}, "b": {"other/good": b"good"}})
    store, index = saved(tmp_path, packs, ["a", "b"])
    (tmp_path / "outside").mkdir()
    (tmp_path / "target").mkdir()
    (tmp_path / "target/deps").symlink_to(tmp_path / "outside")
    done = put_back(store, index, tmp_path / "target")
    assert set(done.failed) == {key_of("a")}
    assert tree(tmp_path / "outside") == {}
    assert (tmp_path / "target/other/good").read_bytes() == b"good"


def test_a_link_of_one_unit_is_no_way_out_for_another(tmp_path: Path) -> None:
    rows = [FileRecord("d/inner/x", FileKind.FILE), FileRecord("d/deps", FileKind.LINK, target="inner")]
    check(rows)
    with pytest.raises(ContentInvalid):
        check([*rows, FileRecord("d/deps/y", FileKind.FILE)])
    store, index = hostile_store(tmp_path, write_head(rows))
    put_back(store, index, tmp_path / "target")
    packs = packed(tmp_path / "scratch", {"b": {"d/deps/y": b"y"}})
    index = store.save(packs, adding(packs, ["b"])).index
    assert put_back(store, index, tmp_path / "target").failed
    assert "d/inner/y" not in tree(tmp_path / "target")


def test_a_build_directory_that_cannot_be_written_is_said_once(tmp_path: Path) -> None:
    packs = packed(tmp_path / "scratch", {"a": unit_files("a")})
    store, index = saved(tmp_path, packs, ["a"])
    (tmp_path / "target").write_bytes(b"a file")
    with pytest.raises(CacheUnavailable, match="cannot write"):
        put_back(store, index, tmp_path / "target")


def test_an_index_entry_of_an_unknown_pack_is_a_miss(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    pack = key_of("pack")
    entry = UnitEntry(key_of("a"), pack, 0, 5, pack, 5)
    index = UnitIndex({entry.key: entry}, {}, {pack: PackInfo(5, 1)})
    assert "No such file" in put_back(store, index, tmp_path / "target").failed[entry.key]


def test_an_interrupt_does_not_wait_for_a_connection_that_has_stalled(tmp_path: Path) -> None:
    names = [f"crate{number}" for number in range(6)]
    packs = packed(tmp_path / "scratch", {name: unit_files(name, 20_000) for name in names}, pack_bytes=10_000)
    store, index = saved(tmp_path, packs, names)
    stalled, go_on, gone_on = threading.Event(), threading.Event(), threading.Event()

    class Stalled(DirectoryStore):
        @contextmanager
        def open_pack(self, pack: Digest, size: int, wanted: Sequence[UnitEntry]) -> Iterator[PackSource]:
            if not stalled.is_set():
                stalled.set()
                _thread.interrupt_main()
            go_on.wait(60)
            gone_on.set()
            with super().open_pack(pack, size, wanted) as source:
                yield source

    with pytest.raises(KeyboardInterrupt):
        put_back(Stalled(store.root), index, tmp_path / "target")
    assert not gone_on.is_set()
    go_on.set()
    assert tree(tmp_path / "target") == {}


def test_a_window_that_takes_more_memory_than_ours_is_refused() -> None:
    """What a unit takes while it is unpacked is counted beforehand."""
    head = write_head((FileRecord("release/a", FileKind.FILE, 1),))
    for window_log, fits in ((26, True), (27, False)):
        compressor = ZstdCompressor(options={CompressionParameter.window_log: window_log})
        data = compressor.compress(head + b"1") + compressor.flush()
        content = FrameReader(data, len(head) + 1)
        if fits:
            assert content.rows()
        else:
            with pytest.raises(ContentInvalid, match="cannot be unpacked"):
                content.rows()
