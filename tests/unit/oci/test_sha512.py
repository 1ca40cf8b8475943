"""Content that others name by sha512 (image-spec, descriptor.md, "Registered Algorithms") is checked by that."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from cargoship.errors import ContentInvalid, UsageError
from cargoship.oci.archive import write_archive
from cargoship.oci.descriptor import BytesBlob
from cargoship.oci.digest import Digest, contradicts
from cargoship.oci.index import Index
from cargoship.oci.layout import read_image, read_layout, write_layout
from cargoship.oci.reference import Reference
from cargoship.oci.store import BlobStore
from cargoship.oci.target import split_selection
from cargoship.rootfs.layer_cache import LayerCache
from cargoship.rootfs.view import view_of
from support.images import AMD64, in_sha512, read_archive, small_image, small_index
from support.validate import validate

_DATA = b"hello"
_HEX = hashlib.sha512(_DATA).hexdigest()


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return in_sha512(small_index(tmp_path / "store"))


def test_a_digest_keeps_its_algorithm() -> None:
    digest = Digest.parse(f"sha512:{_HEX}")
    assert digest == Digest.of(_DATA, "sha512") != Digest.of(_DATA)
    assert (str(digest), digest.hex, digest.brief) == (f"sha512:{_HEX}", _HEX, f"sha512:{_HEX[:12]}")
    assert digest.names(_DATA)
    assert not digest.names(b"")
    assert Digest.of(_DATA).names(_DATA)


@pytest.mark.parametrize(
    "text", [f"sha512:{'0' * 64}", f"sha256:{'0' * 128}", f"sha512:{'A' * 128}", f"sha512:{'0' * 129}", "sha512:"]
)
def test_a_digest_has_the_digits_of_its_algorithm(text: str) -> None:
    with pytest.raises(ContentInvalid, match=f"is not a {text[:6]} digest"):
        Digest.parse(text)


def test_a_digest_by_another_algorithm_contradicts_nothing() -> None:
    digest = Digest.of(_DATA)
    assert not contradicts(f"sha512:{_HEX}", digest)
    assert not contradicts(None, digest)
    assert not contradicts(f"blake3:{'0' * 64}", digest)
    assert contradicts(f"sha512:{'0' * 128}", Digest.of(_DATA, "sha512"))
    # what is no digest: skopeo looks at no such header
    assert not contradicts("sha512:12", digest)
    assert not contradicts(f"SHA256:{digest.hex.upper()}", digest)
    assert contradicts(f"sha256:{'0' * 64}", digest)


def test_a_reference_has_such_a_digest() -> None:
    text = f"ghcr.io/me/app:1@sha512:{_HEX}"
    assert Reference.parse(text).digest == Digest.of(_DATA, "sha512")
    assert str(Reference.parse(text)) == text
    with pytest.raises(UsageError, match="is not a sha512 digest"):
        Reference.parse("ghcr.io/me/app@sha512:12")


def test_a_layout_has_it_in_a_folder_of_its_own(index: Index, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    write_layout(layout, index, names=[Reference.parse("app:1")])
    blobs = {path.name: path for path in (layout / "blobs" / "sha512").iterdir()}
    assert list((layout / "blobs" / "sha256").iterdir()) == []
    assert all(hashlib.sha512(path.read_bytes()).hexdigest() == name for name, path in blobs.items())
    assert json.loads((layout / "index.json").read_bytes())["manifests"][0]["digest"] == str(index.digest)
    found = read_layout(layout, select=index.digest)
    validate(found)
    assert found.digest == index.digest
    assert [image.descriptor for image in found.images()] == [image.descriptor for image in index.images()]
    assert split_selection(f"{layout}@{index.digest}", tmp_path) == (layout, index.digest)


def test_a_blob_that_is_not_what_it_is_called_is_refused(index: Index, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    write_layout(layout, index, names=[])
    path = layout / "blobs" / "sha512" / index.children[0].layers[0].descriptor.digest.hex
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(ContentInvalid, match=f"sha512:{path.name} is damaged"):
        read_layout(layout)


def test_an_archive_has_it(index: Index, tmp_path: Path) -> None:
    path = tmp_path / "app.tar"
    write_archive(path, index, names=[Reference.parse("app:1")], native=AMD64)
    found = read_archive(path)
    validate(found)
    assert found.digest == index.digest


def test_both_kinds_are_beside_each_other(index: Index, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    write_layout(layout, index, names=[Reference.parse("app:1")])
    own = small_image(tmp_path / "own")
    usual = small_index(tmp_path / "own", [AMD64])
    write_layout(layout, usual, names=[Reference.parse("app:2")])
    assert read_layout(layout, select="1").digest == index.digest
    assert read_image(layout, select="2", platform=AMD64).digest == own.digest


def test_a_store_keeps_and_forgets_it(tmp_path: Path) -> None:
    store, blob = BlobStore(tmp_path), BytesBlob.of("x", _DATA, "sha512")
    with blob.open() as stream:
        stored = store.add_stream(blob.descriptor, stream)
    assert stored.path == tmp_path / "sha512" / _HEX
    assert store.find(blob.descriptor) == stored
    wrong = BytesBlob.of("x", b"another", "sha512").descriptor
    with blob.open() as stream, pytest.raises(ContentInvalid, match="is not what was promised"):
        store.add_stream(wrong, stream)
    assert store.prune(idle_s=-10) == len(_DATA)
    assert store.find(blob.descriptor) is None


def test_layers_are_looked_into(index: Index, tmp_path: Path) -> None:
    book = LayerCache(tmp_path / "layers")
    for again in (book, LayerCache(tmp_path / "layers")):
        root = view_of(index.children[0].layers, again)
        assert root.find("/usr/bin/app") is not None


def test_one_layer_is_known_by_both_of_its_names(tmp_path: Path) -> None:
    """An image by sha256 and one by sha512 may share the blob of a layer, and differ in what they call its content."""
    usual, other = (small_index(tmp_path / "store", [AMD64]), in_sha512(small_index(tmp_path / "store", [AMD64])))
    book = LayerCache(tmp_path / "layers")
    layers = usual.children[0].layers
    mixed = [type(one)(one.blob, two.diff_id) for one, two in zip(layers, other.children[0].layers, strict=True)]
    for _ in range(2):
        for each in (layers, mixed):
            assert view_of(each, book).find("/usr/bin/app") is not None
