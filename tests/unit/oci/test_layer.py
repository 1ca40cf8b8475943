from __future__ import annotations

import errno
import io
import multiprocessing
import os
import resource
import time
from pathlib import Path, PosixPath
from typing import NoReturn

import pytest

from cargoship.errors import ContentInvalid, OutputError
from cargoship.oci.compress import Codec, Compression
from cargoship.oci.descriptor import Descriptor
from cargoship.oci.digest import Digest
from cargoship.oci.layer import BlobStore, Layer, build_layer
from cargoship.oci.store import Memo
from cargoship.oci.tar import LayerEntry
from support.images import GZIP, files_below


def layer_of(store: Path, *entries: LayerEntry, compression: Compression = GZIP, epoch: int = 0) -> Layer:
    return build_layer(entries, store=BlobStore(store), compression=compression, epoch=epoch, created_by="test")


def old_file(path: Path, content: bytes) -> Path:
    """A file whose time stamps lie back far enough to be trusted."""
    path.write_bytes(content)
    time.sleep(0.05)
    return path


def memos(store: Path) -> list[Path]:
    return sorted((store / "memo").glob("*")) if (store / "memo").exists() else []


@pytest.mark.parametrize("codec", Codec)
def test_a_layer_is_what_it_says(tmp_path: Path, codec: Codec) -> None:
    layer = layer_of(tmp_path, LayerEntry.file("a/b", b"x" * 5000), compression=Compression.of(codec))
    with layer.blob.open() as stream:
        assert Digest.of_stream(stream) == (layer.descriptor.digest, layer.descriptor.size_bytes)
    assert (layer.diff_id == layer.descriptor.digest) is (codec is Codec.NONE)
    assert not list((tmp_path / "tmp").iterdir())


def test_two_folders_give_the_same_bytes(tmp_path: Path) -> None:
    layers: list[Layer] = []
    for name in ("one", "two"):
        source = tmp_path / name
        source.mkdir()
        (source / "app").write_bytes(b"app" * 999)
        os.utime(source / "app", (len(layers), 5))
        (source / "app").chmod(0o600 + len(layers))
        layers.append(layer_of(tmp_path / f"store-{name}", LayerEntry.file("app", source / "app", 0o755)))
    assert layers[0].descriptor == layers[1].descriptor
    assert layers[0].diff_id == layers[1].diff_id


def test_an_unchanged_input_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = old_file(tmp_path / "app", b"app")
    first = layer_of(tmp_path / "store", LayerEntry.file("app", source))
    assert len(memos(tmp_path / "store")) == 1
    monkeypatch.setattr("cargoship.oci.layer.write_tar", lambda *_: pytest.fail("it was written again"))
    assert layer_of(tmp_path / "store", LayerEntry.file("app", source)).descriptor == first.descriptor


@pytest.mark.parametrize("change", ["content", "touch", "replaced", "mode", "epoch", "compression", "path"])
def test_a_changed_input_is_another_memo(tmp_path: Path, change: str) -> None:
    source = old_file(tmp_path / "app", b"app")
    layer_of(tmp_path / "store", LayerEntry.file("app", source))
    entry, epoch, compression = LayerEntry.file("app", source), 0, GZIP
    match change:
        case "content":
            status = source.stat()
            source.write_bytes(b"new")
            os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))  # ctime still tells
        case "touch":
            os.utime(source, (1, 1))
        case "replaced":
            old_file(tmp_path / "other", b"new").replace(source)
        case "mode":
            entry = LayerEntry.file("app", source, 0o755)
        case "epoch":
            epoch = 1
        case "compression":
            compression = Compression.parse("gzip:1")
        case _:
            entry = LayerEntry.file("elsewhere", source)
    time.sleep(0.05)
    layer = layer_of(tmp_path / "store", entry, epoch=epoch, compression=compression)
    fresh = layer_of(tmp_path / "fresh", entry, epoch=epoch, compression=compression)
    assert layer.descriptor == fresh.descriptor
    assert len(memos(tmp_path / "store")) == 2


def test_a_file_written_just_now_is_not_remembered(tmp_path: Path) -> None:
    source = tmp_path / "app"
    source.write_bytes(b"app")
    os.utime(source, ns=(1, time.time_ns() + 10**12))  # the clock is wrong: no later change would show for sure
    layer_of(tmp_path / "store", LayerEntry.file("app", source))
    assert not memos(tmp_path / "store")


@pytest.mark.parametrize("damage", ["gone", "short", "no json", "wrong json", "huge", "folder"])
def test_a_damaged_store_costs_time_alone(tmp_path: Path, damage: str) -> None:
    source = old_file(tmp_path / "app", b"app")
    first = layer_of(tmp_path / "store", LayerEntry.file("app", source))
    (memo,) = memos(tmp_path / "store")
    blob = BlobStore(tmp_path / "store").path(first.descriptor.digest)
    match damage:
        case "gone":
            blob.unlink()
        case "short":
            blob.write_bytes(b"")
        case "no json":
            memo.write_bytes(b"\xff\0")
        case "wrong json":
            memo.write_text('{"digest": "sha256:zz", "size_bytes": 4, "diff_id": "../../x"}')
        case "huge":
            memo.write_bytes(b"[" * 10_000_000)
        case _:
            memo.unlink()
            memo.mkdir()
            (memo / "x").touch()
    again = layer_of(tmp_path / "store", LayerEntry.file("app", source))
    assert again.descriptor == first.descriptor
    assert blob.stat().st_size == first.descriptor.size_bytes


def test_nothing_is_left_behind_by_an_error(tmp_path: Path) -> None:
    class Boom(PosixPath):
        def open(self, *_: object, **__: object) -> NoReturn:
            raise KeyboardInterrupt

    source = Boom(old_file(tmp_path / "app", b"app"))
    with pytest.raises(KeyboardInterrupt):
        layer_of(tmp_path / "store", LayerEntry.file("app", source))
    assert files_below(tmp_path / "store") == {}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_store_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OutputError, match=os.strerror(code)) as caught:
        layer_of(tmp_path / "store", LayerEntry.file("app", b"app"))
    assert str(tmp_path / "store") in caught.value.message
    assert caught.value.hint
    assert files_below(tmp_path / "store") == {}


def test_a_full_disk(tmp_path: Path) -> None:
    """A limit on the size of files stands in for a full disk: the kernel refuses the write."""
    (tmp_path / "big").write_bytes(os.urandom(3_000_000))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        for codec in Codec:
            with pytest.raises(OutputError, match="too large"):
                layer_of(
                    tmp_path / "store", LayerEntry.file("big", tmp_path / "big"), compression=Compression.of(codec)
                )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files_below(tmp_path / "store") == {}


def test_a_store_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file"):
        layer_of(tmp_path / "file" / "store", LayerEntry.file("app", b"app"))


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    for name, age_s in (("old", 7200), ("young", 60)):
        (tmp_path / "tmp" / name).touch()
        os.utime(tmp_path / "tmp" / name, (time.time() - age_s,) * 2)
    layer_of(tmp_path, LayerEntry.file("app", b"app"))
    assert [path.name for path in (tmp_path / "tmp").iterdir()] == ["young"]


def _build(store: Path, source: Path) -> None:
    for number in range(20):
        layer_of(store, LayerEntry.file("app", source), LayerEntry.file("n", str(number).encode()))


@pytest.mark.thorough
def test_several_processes_share_a_store(tmp_path: Path) -> None:
    source = old_file(tmp_path / "app", os.urandom(100_000))
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_build, args=(tmp_path / "store", source)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    blobs = list((tmp_path / "store" / "sha256").iterdir())
    assert len(blobs) == 20
    assert all(Digest.of(blob.read_bytes()).hex == blob.name for blob in blobs)
    assert not list((tmp_path / "store" / "tmp").iterdir())


def test_prune_removes_what_has_not_been_used_for_long(tmp_path: Path) -> None:
    source = old_file(tmp_path / "app", b"app")
    kept = layer_of(tmp_path / "store", LayerEntry.file("app", source))
    gone = layer_of(tmp_path / "store", LayerEntry.file("other", source))
    store = BlobStore(tmp_path / "store")
    for layer in (kept, gone):
        os.utime(store.path(layer.descriptor.digest), (1, 1))
    assert store.find(kept.descriptor), "used again"
    assert store.prune(idle_s=3600) == gone.descriptor.size_bytes
    assert store.find(kept.descriptor)
    assert not store.find(gone.descriptor)
    assert len(memos(tmp_path / "store")) == 1
    assert store.prune(idle_s=3600) == 0
    assert BlobStore(tmp_path / "nothing").prune() == 0


def test_a_stream_is_checked(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    descriptor = Descriptor("text/plain", Digest.of(b"hello"), 5)
    for wrong in (b"hellx", b"hell", b"hello!", b""):
        with pytest.raises(ContentInvalid):
            store.add_stream(descriptor, io.BytesIO(wrong))
    assert files_below(tmp_path) == {}
    assert store.add_stream(descriptor, io.BytesIO(b"hello")).path.read_bytes() == b"hello"
    assert store.add_stream(descriptor, io.BytesIO(b"not read, for it is there")).descriptor == descriptor
    assert store.add_bytes("text/plain", b"hello").descriptor == descriptor


def test_a_memo_holds_no_more_than_it_should(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    memo = Memo(str(Digest.of(b"a")), 3, str(Digest.of(b"b")))
    store.remember("key", memo)
    assert store.recall("key") == memo
    assert store.recall("other") is None
