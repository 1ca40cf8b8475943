from __future__ import annotations

import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from cargoship.errors import ContentInvalid, OutputError, UsageError
from cargoship.oci.archive import write_archive
from cargoship.oci.compress import Compression
from cargoship.oci.descriptor import BytesBlob
from cargoship.oci.index import Index
from cargoship.oci.layout import read_layout
from cargoship.oci.manifest import encode_manifest
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.oci.tree import ManifestTree
from support.images import AMD64, ARM64, files_below, small_image, small_index, unpack_tar
from support.validate import validate

_NAMES = [Reference.parse("app"), Reference.parse("docker.io/me/app:1"), Reference.parse("ghcr.io/me/app:1")]


def test_one_tar_is_a_layout_and_dockers_format(tmp_path: Path) -> None:
    index = small_index(tmp_path / "store")
    write_archive(tmp_path / "image.tar", index, names=_NAMES, native=ARM64)
    unpack_tar(tmp_path / "image.tar", tmp_path / "out")
    found = read_layout(tmp_path / "out", select=index.digest)
    validate(found)
    assert found.raw == index.raw
    (docker,) = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    image = index.children[1]
    assert docker["RepoTags"] == ["app:latest", "me/app:1", "ghcr.io/me/app:1"]
    assert (tmp_path / "out" / docker["Config"]).read_bytes() == image.raw_config
    assert docker["Layers"] == [f"blobs/sha256/{layer.descriptor.digest.hex}" for layer in image.layers]


def test_the_same_index_gives_the_same_archive(tmp_path: Path) -> None:
    for number, platforms in enumerate([(AMD64, ARM64), (ARM64, AMD64)]):
        index = small_index(tmp_path / f"store{number}", platforms)
        write_archive(tmp_path / f"{number}.tar", index, names=_NAMES, native=AMD64)
    assert (tmp_path / "0.tar").read_bytes() == (tmp_path / "1.tar").read_bytes()


def test_a_machine_that_the_image_is_not_for(tmp_path: Path) -> None:
    index = small_index(tmp_path / "store", [ARM64])
    write_archive(tmp_path / "image.tar", index, names=[], native=Platform("linux", "s390x"))
    with tarfile.open(tmp_path / "image.tar") as archive:
        stream = archive.extractfile("manifest.json")
        assert stream is not None
        (docker,) = json.load(stream)
    assert docker["RepoTags"] == []
    assert docker["Config"].endswith(index.children[0].config_blob.descriptor.digest.hex)


def test_zstd_is_not_for_docker(tmp_path: Path) -> None:
    index = small_index(tmp_path / "store", compression=Compression.parse("zstd"))
    with pytest.raises(UsageError, match="zstd"):
        write_archive(tmp_path / "image.tar", index, names=_NAMES, native=AMD64)
    assert not (tmp_path / "image.tar").exists()
    write_archive(tmp_path / "image.tar", index, names=_NAMES, native=AMD64, docker=False)
    with tarfile.open(tmp_path / "image.tar") as archive:
        assert "manifest.json" not in archive.getnames()


def test_layers_that_are_not_handed_on_are_in_no_archive_for_docker(tmp_path: Path) -> None:
    image = small_image(tmp_path / "store")
    kind = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    layers = (replace(image.manifest.layers[0], media_type=kind), *image.manifest.layers[1:])
    root = BytesBlob.of(image.manifest.media_type, encode_manifest(structs.replace(image.manifest, layers=layers)))
    tree = ManifestTree(root, (), tuple(layer.blob for layer in image.layers[1:]), (image.config_blob,))
    with pytest.raises(UsageError, match="not handed on") as raised:
        write_archive(tmp_path / "image.tar", tree, names=_NAMES, native=AMD64)
    assert str(layers[0].digest) in raised.value.message
    assert not (tmp_path / "image.tar").exists()
    write_archive(tmp_path / "image.tar", tree, names=_NAMES, native=AMD64, docker=False)


def test_an_archive_is_whole_or_not_there(tmp_path: Path) -> None:
    index = small_index(tmp_path / "store")
    image = index.children[0]
    bad = structs.replace(image.layers[0], blob=BytesBlob(image.layers[0].descriptor, b"not this"))
    broken = Index(index.raw, (replace(image, layers=(bad, *image.layers[1:])), *index.children[1:]))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "image.tar").write_bytes(b"the one before")
    with pytest.raises(ContentInvalid):
        write_archive(tmp_path / "out" / "image.tar", broken, names=_NAMES, native=AMD64)
    assert files_below(tmp_path / "out") == {"image.tar": b"the one before"}
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file"):
        write_archive(tmp_path / "file" / "image.tar", index, names=_NAMES, native=AMD64)
    with pytest.raises(OutputError, match="directory"):
        write_archive(tmp_path / "out", index, names=_NAMES, native=AMD64)
