"""What `docker save` and `podman save` write, read as the image layout that it could be."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from cargoship.errors import ContentInvalid, UsageError
from cargoship.oci.descriptor import MediaType
from support.image_corpus import ONE, Case, alone
from support.images import read_archive

LINKS = {"a/layer.tar": (tarfile.SYMTYPE, "../b/layer.tar"), "c.tar": (tarfile.LNKTYPE, "b/layer.tar")}


def archive(path: Path, files: Mapping[str, bytes], links: Mapping[str, tuple[bytes, str]] | None = None) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        for name, (kind, to) in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, to
            tar.addfile(member)
    return path


def saved(*images: tuple[str, list[str], list[str] | None]) -> bytes:
    return json.dumps([{"Config": c, "Layers": layers, "RepoTags": tags} for c, layers, tags in images]).encode()


def config(*layers: bytes) -> bytes:
    return Case("app", list(layers)).config()


def test_a_saved_image_has_its_config_and_layers(tmp_path: Path) -> None:
    files = {"b/layer.tar": ONE, "c.json": config(ONE, ONE, ONE)}
    files["manifest.json"] = saved(("c.json", ["a/layer.tar", "b/layer.tar", "c.tar"], ["me/app:1", "me/app:2"]))
    path = archive(tmp_path / "saved.tar", files, LINKS)
    index = read_archive(path)
    (image,) = index.images()
    assert image.raw_config == files["c.json"]
    own = f"sha256:{hashlib.sha256(ONE).hexdigest()}"
    assert [(str(each.descriptor.digest), each.descriptor.media_type) for each in image.layers] == [
        (own, MediaType.OCI_LAYER)
    ] * 3
    for name in ("me/app:1", "me/app:2", "docker.io/me/app:2"):
        assert read_archive(path, select=name).digest == index.digest
    with pytest.raises(UsageError, match="has no image me/app:3"):
        read_archive(path, select="me/app:3")


def test_of_several_images_one_is_named(tmp_path: Path) -> None:
    files = {"1.json": config(ONE), "2.json": config(alone(1)), "1.tar": ONE, "2.tar": gzip.compress(alone(1), mtime=0)}
    files["manifest.json"] = saved(("1.json", ["1.tar"], ["one:1"]), ("2.json", ["2.tar"], ["two:1"]))
    path = archive(tmp_path / "saved.tar", files)
    with pytest.raises(UsageError, match="has several images"):
        read_archive(path)
    (image,) = read_archive(path, select="two:1").images()
    assert image.layers[0].descriptor.media_type == MediaType.OCI_LAYER_GZIP
    assert image.layers[0].diff_id == image.config_file.diff_ids[0] != image.layers[0].descriptor.digest


def test_one_without_a_name_is_taken(tmp_path: Path) -> None:
    files = {"c.json": config(ONE), "1.tar": ONE, "manifest.json": saved(("c.json", ["1.tar"], None))}
    assert len(tuple(read_archive(archive(tmp_path / "saved.tar", files)).images())) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"manifest.json": b"{}"}, "manifest.json is not valid"),
        ({"manifest.json": b"[" * 100_000}, "manifest.json is not valid"),
        ({"manifest.json": saved(*[("c.json", ["1.tar"], None)] * 1001)}, "has 1001 images"),
        ({"manifest.json": saved(("none.json", ["1.tar"], None))}, "has no none.json"),
        ({"manifest.json": saved(("../c.json", ["1.tar"], None))}, r"has no \.\./c.json"),
        ({"manifest.json": saved(("c.json", ["none.tar"], None))}, "has no none.tar"),
        ({"manifest.json": saved(("c.json", [], None))}, "names 0 layers, and its config c.json has 1"),
        ({"c.json": b"no config"}, "not valid"),
        ({"1.tar": alone(2)}, "is damaged"),
    ],
    ids=["no list", "nested", "many", "no config", "above", "no layer", "fewer layers", "bad config", "other layer"],
)
def test_damage_is_one_error(tmp_path: Path, change: Mapping[str, bytes], said: str) -> None:
    files = {"c.json": config(ONE), "1.tar": ONE, "manifest.json": saved(("c.json", ["1.tar"], None)), **change}
    with pytest.raises(ContentInvalid, match=said):
        read_archive(archive(tmp_path / "saved.tar", files))


def test_links_that_lead_nowhere_or_in_a_circle_are_nothing(tmp_path: Path) -> None:
    files = {"c.json": config(ONE), "manifest.json": saved(("c.json", ["1.tar"], None))}
    for links in (
        {"1.tar": (tarfile.SYMTYPE, "2.tar"), "2.tar": (tarfile.SYMTYPE, "1.tar")},
        {"1.tar": (tarfile.SYMTYPE, "/etc/passwd")},
        {"1.tar": (tarfile.SYMTYPE, "../../etc/passwd")},
    ):
        with pytest.raises(ContentInvalid, match="has no "):
            read_archive(archive(tmp_path / "saved.tar", files, links))


def test_what_is_packed_is_said_with_what_unpacks_it(tmp_path: Path) -> None:
    path = tmp_path / "saved.tar.gz"
    path.write_bytes(gzip.compress(b"x" * 4096))
    with pytest.raises(ContentInvalid, match="is packed with gzip") as raised:
        read_archive(path)
    assert raised.value.hint == f"unpack it first: gzip -dk {path}"


def test_a_tar_of_anything_else_holds_no_image(tmp_path: Path) -> None:
    with pytest.raises(ContentInvalid, match="holds no image"):
        read_archive(archive(tmp_path / "a.tar", {"a": b"b"}))
