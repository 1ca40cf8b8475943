"""How often the content of a layout is read, and where it goes."""

from __future__ import annotations

import io
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from cargoship.errors import ContentInvalid, UsageError
from cargoship.images.files import source_of_files
from cargoship.oci.descriptor import Blob
from cargoship.oci.layout import write_layout
from cargoship.oci.layout_reader import FolderFiles, LayoutReader, read_layout
from cargoship.oci.reference import Reference
from cargoship.oci.target import LayoutTarget
from cargoship.oci.tree import read_tree
from cargoship.registry.chunks import Chunks
from cargoship.registry.copy import copy_image
from cargoship.registry.push import PushOptions
from cargoship.registry.source import ImageSource
from cargoship.testing import InMemoryRegistry
from support.images import AMD64, ARM64, small_index
from support.pushing import Emitted, client_of


@dataclass(frozen=True)
class Counted(FolderFiles):
    """A layout's files, and how many bytes of each were read."""

    read: dict[str, int] = field(default_factory=dict)

    def open(self, name: str) -> BinaryIO:
        return cast("BinaryIO", io.BufferedReader(_Counting(super().open(name), name, self.read)))


class _Counting(io.RawIOBase):
    def __init__(self, stream: BinaryIO, name: str, read: dict[str, int]) -> None:
        super().__init__()
        self._stream, self._name, self._read = cast("io.BufferedReader", stream), name, read

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._stream.seek(offset, whence)

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override] # io passes nothing else
        count = self._stream.readinto(buffer)
        self._read[self._name] = self._read.get(self._name, 0) + count
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    write_layout(tmp_path / "layout", small_index(tmp_path / "blobs", (AMD64, ARM64)), names=[])
    return tmp_path / "layout"


def test_a_copy_reads_every_layer_once_and_checks_it_on_the_way(layout: Path) -> None:
    files = Counted(layout)
    known = source_of_files(LayoutTarget(layout))
    source = ImageSource(known.said, known.root, LayoutReader(files), names=known.names)
    layers = {f"blobs/sha256/{blob.descriptor.digest.hex}": blob for blob in small_layers(layout)}
    with InMemoryRegistry() as registry:
        copied(source, registry)
    assert {name: files.read.get(name, 0) for name in layers} == {
        name: blob.descriptor.size_bytes for name, blob in layers.items()
    }


def test_what_is_there_is_not_read_at_all(layout: Path) -> None:
    files = Counted(layout)
    known = source_of_files(LayoutTarget(layout))
    source = ImageSource(known.said, known.root, LayoutReader(files), names=known.names)
    with InMemoryRegistry() as registry:
        for _ in range(2):
            files.read.clear()
            copied(source, registry)
    assert not {f"blobs/sha256/{blob.descriptor.digest.hex}" for blob in small_layers(layout)} & set(files.read)


def test_content_that_was_changed_is_refused_before_its_end(layout: Path) -> None:
    blob = small_layers(layout)[0]
    path = layout / "blobs" / "sha256" / blob.descriptor.digest.hex
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    with blob.open() as stream, pytest.raises(ContentInvalid):
        shutil.copyfileobj(stream, io.BytesIO())


def small_layers(layout: Path) -> list[Blob]:
    source = source_of_files(LayoutTarget(layout))
    return list(read_tree(source.content, source.root).layers)


def copied(source: ImageSource, registry: InMemoryRegistry) -> None:
    target = Reference.parse(f"{registry.host}/a:1")
    copy_image(
        source, target,
        open_client=lambda host, access: client_of(host, access=access), options=PushOptions(Emitted()),
    )  # fmt: skip


@pytest.mark.parametrize("damaged", [False, True])
def test_a_large_blob_of_a_layout_goes_in_pieces(tmp_path: Path, *, damaged: bool) -> None:
    """It went in one request, of which a cut costs all, and which proxies refuse past some size."""
    folder = tmp_path / "app"
    index = small_index(tmp_path / "blobs", [AMD64])
    write_layout(folder, index, names=[])
    layer = index.children[0].layers[0].descriptor
    if damaged:
        path = folder / "blobs" / "sha256" / layer.digest.hex
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    chunks = Chunks(whole_bytes=layer.size_bytes - 1, chunk_bytes=layer.size_bytes // 3)
    with InMemoryRegistry() as registry, client_of(registry.host, chunks=chunks) as client:
        blob = LayoutReader(FolderFiles(folder)).blob(layer)
        if damaged:
            with pytest.raises(ContentInvalid, match="is damaged"):
                client.upload("me/app", blob)
        else:
            client.upload("me/app", blob)
        assert len([call for call in registry.calls if call.method == "PATCH"]) >= 3
        assert (str(layer.digest) in registry.contents.blobs) is not damaged


@pytest.mark.parametrize(
    ("name", "selected"),
    [
        ("docker.io/library/app:latest", ("app", "app:latest", "docker.io/app", "library/app")),
        ("docker.io/me/app:1", ("me/app:1", "docker.io/me/app:1", "1")),
        ("ghcr.io/me/app:1", ("ghcr.io/me/app:1", "1")),
    ],
)
def test_an_image_is_found_by_the_names_that_engines_take(tmp_path: Path, name: str, selected: tuple[str, ...]) -> None:
    index = small_index(tmp_path / "store")
    write_layout(tmp_path / "layout", index, names=[Reference.parse(name)])
    for each in selected:
        assert read_layout(tmp_path / "layout", select=each).digest == index.digest
    for each in ("me/app:2", "other", "quay.io/me/app:1"):
        with pytest.raises(UsageError, match="has no image"):
            read_layout(tmp_path / "layout", select=each)
