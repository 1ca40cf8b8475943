"""What `docker save` and `podman save` write, read as the image layout that it could be."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import pytest

from cargoship.errors import ContentInvalid, UsageError
from cargoship.oci.archive_reader import ArchiveFiles
from cargoship.oci.descriptor import MediaType
from cargoship.oci.digest import Digest
from cargoship.oci.saved_reader import SavedFiles
from support.image_corpus import ONE, Case, alone, write_images
from support.images import read_archive

LINKS = {"a/layer.tar": (tarfile.SYMTYPE, "../b/layer.tar"), "c.tar": (tarfile.LNKTYPE, "b/layer.tar")}


def archive(
    path: Path,
    files: Mapping[str, bytes],
    links: Mapping[str, tuple[bytes, str]] | None = None,
    *,
    again: Mapping[str, bytes] | None = None,
) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in [*files.items(), *(again or {}).items()]:
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


OTHER = json.dumps({**json.loads(config(ONE)), "config": {"Entrypoint": ["/other"]}}).encode()


@pytest.mark.parametrize(
    ("again", "links"),
    [
        ({"c.json": OTHER}, {}),
        ({"./c.json": OTHER}, {}),
        ({"/c.json": OTHER}, {}),
        ({"x/../c.json": OTHER}, {}),
        ({"manifest.json": saved(("o.json", ["1.tar"], None))}, {}),
        ({"x/../manifest.json": saved(("o.json", ["1.tar"], None))}, {}),
        ({}, {"c.json": (tarfile.SYMTYPE, "o.json")}),
        ({}, {"c.json": (tarfile.LNKTYPE, "o.json")}),
        ({}, {"c.json": (tarfile.FIFOTYPE, "")}),
    ],
)
def test_a_file_that_nothing_vouches_for_is_there_once(
    tmp_path: Path, again: Mapping[str, bytes], links: Mapping[str, tuple[bytes, str]]
) -> None:
    """Docker unpacks the archive and has the last, skopeo reads it in place and has the first."""
    files = {"c.json": config(ONE), "1.tar": ONE, "manifest.json": saved(("c.json", ["1.tar"], None)), "o.json": OTHER}
    with pytest.raises(ContentInvalid, match="twice, of which each reader may take another"):
        read_archive(archive(tmp_path / "saved.tar", files, links, again=again))


def test_a_file_in_a_link_is_no_config(tmp_path: Path) -> None:
    files = {"d/c.json": config(ONE), "e/c.json": OTHER, "1.tar": ONE}
    files["manifest.json"] = saved(("d/c.json", ["1.tar"], None))
    with pytest.raises(ContentInvalid, match=r"has d/c\.json in what is no folder"):
        read_archive(archive(tmp_path / "saved.tar", files, {"d": (tarfile.SYMTYPE, "e")}))


def test_names_are_those_of_the_folder_that_it_would_be_unpacked_to(tmp_path: Path) -> None:
    files = {"./c.json": config(ONE), "/a//1.tar": ONE, "./manifest.json": saved(("c.json", ["a/1.tar"], None))}
    assert len(tuple(read_archive(archive(tmp_path / "saved.tar", files)).images())) == 1


@pytest.mark.parametrize("name", ["index.json", "x/../index.json", "oci-layout"])
def test_an_index_is_there_once(tmp_path: Path, name: str) -> None:
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": b'{"schemaVersion":2,"manifests":[]}'}
    with pytest.raises(ContentInvalid, match="twice, of which each reader may take another"):
        read_archive(archive(tmp_path / "saved.tar", files, again={name: b"{}"}))


def test_fields_are_read_as_docker_reads_them(tmp_path: Path) -> None:
    files = {"c.json": config(ONE), "1.tar": ONE, "o.json": OTHER}
    small = b'[{"config": "c.json", "layers": ["1.tar"], "repotags": ["a:1"]}]'
    assert read_archive(archive(tmp_path / "small.tar", {**files, "manifest.json": small}), select="a:1").children
    both = b'[{"Config": "c.json", "config": "o.json", "Layers": ["1.tar"]}]'
    with pytest.raises(ContentInvalid, match="two fields `Config`"):
        read_archive(archive(tmp_path / "both.tar", {**files, "manifest.json": both}))


def test_what_is_named_often_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small list named a large packed layer thousands of times, and each time it was hashed."""
    hashed: list[int] = []
    of_stream = Digest.of_stream

    def counted(stream: BinaryIO) -> tuple[Digest, int]:
        hashed.append(1)
        return of_stream(stream)

    monkeypatch.setattr("cargoship.oci.saved_reader.Digest.of_stream", counted)
    layers = {"1.tar": gzip.compress(ONE, mtime=0)}
    files = {"c.json": config(ONE, ONE, ONE), **layers}
    files["manifest.json"] = saved(*[("c.json", ["1.tar", "2.tar", "1.tar"], None)] * 3)
    SavedFiles(ArchiveFiles(archive(tmp_path / "saved.tar", files, {"2.tar": (tarfile.LNKTYPE, "1.tar")})))
    assert hashed == [1]


@pytest.mark.parametrize(
    ("images", "said"),
    [
        ([("c0.json", [], ["a"] * 10_001)], "has 10001 names of images"),
        ([(f"c{number}.json", [], None) for number in range(9)], "configs in .* are larger than is accepted"),
    ],
)
def test_what_is_kept_in_memory_has_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: list[tuple[str, list[str], list[str] | None]], said: str
) -> None:
    monkeypatch.setattr("cargoship.oci.saved_reader._CONFIGS_BYTES_MAX", 8000)
    large = b'{"author": "%s"}' % (b"a" * 900)
    files = {name: large for name, _, _ in images}
    with pytest.raises(ContentInvalid, match=said):
        read_archive(archive(tmp_path / "saved.tar", {**files, "manifest.json": saved(*images)}))


def test_what_older_dockers_load_is_in_the_layout_beside_it(tmp_path: Path) -> None:
    """Both forms in one archive, as Docker 25 writes them; who reads one must not speak of another image."""
    write_images(tmp_path / "both.tar", {"localhost/app:1": Case("app", [ONE]), "localhost/other:1": Case("o", [ONE])})
    with tarfile.open(tmp_path / "both.tar") as tar:
        files = {each.name: stream.read() for each in tar if (stream := tar.extractfile(each)) is not None}
    assert len(tuple(read_archive(tmp_path / "both.tar", select="localhost/app:1").images())) == 1
    (one, other) = json.loads(files["manifest.json"])
    own = config(alone(1))
    own_name = f"blobs/sha256/{hashlib.sha256(own).hexdigest()}"
    for wrong in (
        [{**one, "Config": own_name}],
        [one, {**other, "Layers": []}],
        [{**one, "RepoTags": other["RepoTags"]}, {**other, "RepoTags": one["RepoTags"]}],
        [{**one, "Config": other["Config"], "Layers": ["elsewhere.tar"]}],
    ):
        changed = {**files, own_name: own, "elsewhere.tar": ONE, "manifest.json": json.dumps(wrong).encode()}
        with pytest.raises(ContentInvalid, match="has an image that index"):
            read_archive(archive(tmp_path / "changed.tar", changed), select="localhost/app:1")


def test_a_layout_beside_it_with_endless_images_is_refused(tmp_path: Path) -> None:
    """Many entries that name large indexes, which name the same manifests."""
    write_images(tmp_path / "both.tar", {"localhost/app:1": Case("app", [ONE])})
    with tarfile.open(tmp_path / "both.tar") as tar:
        files = {each.name: stream.read() for each in tar if (stream := tar.extractfile(each)) is not None}
    (entry,) = json.loads(files["index.json"])["manifests"]
    entries = []
    for number in range(5):
        index = {"schemaVersion": 2, "mediaType": MediaType.OCI_INDEX, "annotations": {"n": str(number)}}
        raw = json.dumps({**index, "manifests": [entry]}).encode()
        digest = hashlib.sha256(raw).hexdigest()
        files[f"blobs/sha256/{digest}"] = raw
        entries.append({"mediaType": MediaType.OCI_INDEX, "digest": f"sha256:{digest}", "size": len(raw)})
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [entry, *entries * 400]}).encode()
    read_archive(archive(tmp_path / "repeated.tar", files), select="localhost/app:1")
    manifests, one = [], json.loads(files["blobs/sha256/" + entry["digest"][7:]])
    for number in range(1001):
        raw = json.dumps({**one, "annotations": {"n": str(number)}}).encode()
        digest = hashlib.sha256(raw).hexdigest()
        files[f"blobs/sha256/{digest}"] = raw
        manifests.append({**entry, "digest": f"sha256:{digest}", "size": len(raw)})
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": manifests}).encode()
    with pytest.raises(ContentInvalid, match="more than 1000 images"):
        read_archive(archive(tmp_path / "endless.tar", files), select=None)
