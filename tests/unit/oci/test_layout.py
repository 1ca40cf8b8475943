from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cargoship.errors import ContentInvalid, OutputError, PlatformUnknown, UsageError
from cargoship.oci.compress import Compression
from cargoship.oci.descriptor import BytesBlob
from cargoship.oci.digest import Digest
from cargoship.oci.index import Index, index_of
from cargoship.oci.layer import Layer
from cargoship.oci.layout import read_image, read_layout, write_layout
from cargoship.oci.manifest import encode_json
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from support.images import AMD64, ARM64, files_below, small_image, small_index
from support.validate import validate


def names(*texts: str) -> list[Reference]:
    return [Reference.parse(text) for text in texts]


def entries(layout: Path) -> dict[str | None, str]:
    """ref.name to digest."""
    document = json.loads((layout / "index.json").read_bytes())
    return {
        entry.get("annotations", {}).get("org.opencontainers.image.ref.name"): entry["digest"]
        for entry in document["manifests"]
    }


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_what_is_written_can_be_read(tmp_path: Path, compression: str) -> None:
    index = small_index(tmp_path / "store", compression=Compression.parse(compression))
    write_layout(tmp_path / "layout", index, names=names("app:1", "ghcr.io/me/app:2"))
    for select in (None, "1", "docker.io/library/app:1", "ghcr.io/me/app:2", index.digest):
        found = read_layout(tmp_path / "layout", select=select)
        validate(found)
        assert found.raw == index.raw
        assert [layer.created_by for layer in found.children[0].layers] == ["shared", "own"]
    for image in index.children:
        assert read_image(tmp_path / "layout", platform=image.platform).raw_manifest == image.raw_manifest
    with pytest.raises(PlatformUnknown) as caught:
        read_image(tmp_path / "layout", platform=Platform("linux", "s390x"))
    assert caught.value.hint == "it has linux/amd64, linux/arm64"


def test_blobs_are_links_to_the_store(tmp_path: Path) -> None:
    index = small_index(tmp_path / "store")
    write_layout(tmp_path / "layout", index, names=[])
    layer = index.children[0].layers[0].descriptor.digest.hex
    assert (tmp_path / "layout/blobs/sha256" / layer).samefile(tmp_path / "store/sha256" / layer)


def test_a_layout_on_another_file_system_gets_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = small_index(tmp_path / "store")
    write_layout(tmp_path / "linked", index, names=names("app"))

    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    write_layout(tmp_path / "copied", index, names=names("app"))
    assert files_below(tmp_path / "linked") == files_below(tmp_path / "copied")
    victim = index.children[0].layers[0]
    path = tmp_path / "store/sha256" / victim.descriptor.digest.hex
    path.write_bytes(b"x" * victim.descriptor.size_bytes)
    with pytest.raises(ContentInvalid):
        write_layout(tmp_path / "third", index, names=names("app"))
    assert not (tmp_path / "third" / "index.json").exists()
    assert not [path for path in files_below(tmp_path / "third") if ".tmp" in path]


def test_names_are_replaced_and_strangers_stay(tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    one, two = small_index(tmp_path / "store", [AMD64]), small_index(tmp_path / "store", [ARM64])
    write_layout(layout, one, names=names("app:1", "app:latest"))
    document = json.loads((layout / "index.json").read_bytes())
    foreign = {**document["manifests"][0], "annotations": {"org.opencontainers.image.ref.name": "theirs", "x": "y"}}
    document["manifests"].append(foreign)
    (layout / "index.json").write_text(json.dumps(document))
    write_layout(layout, two, names=names("app:latest"))
    assert entries(layout) == {"1": str(one.digest), "latest": str(two.digest), "theirs": str(one.digest)}
    assert foreign in json.loads((layout / "index.json").read_bytes())["manifests"]
    write_layout(layout, two, names=names("app:theirs"))
    assert entries(layout)["theirs"] == str(two.digest)
    before = files_below(layout)
    write_layout(layout, two, names=names("app:theirs"))
    assert files_below(layout) == before


def test_what_strangers_say_of_their_entries_stays(tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    index = small_index(tmp_path / "store", [AMD64])
    write_layout(layout, index, names=names("app:1"))
    document = json.loads((layout / "index.json").read_bytes())
    foreign = {
        **document["manifests"][0],
        "annotations": {"org.opencontainers.image.ref.name": "theirs"},
        "artifactType": "application/x",
        "data": base64.b64encode(index.raw).decode(),
        "urls": ["https://example.com/index"],
        "platform": {
            "os": "windows", "architecture": "amd64", "os.version": "10.0.1", "os.features": ["win32k"],
            "features": ["sse4"],
        },
    }  # fmt: skip
    document |= {"manifests": [foreign], "annotations": {"theirs": "too"}}
    (layout / "index.json").write_text(json.dumps(document))
    write_layout(layout, index, names=names("app:2"))
    found = json.loads((layout / "index.json").read_bytes())
    assert foreign in found["manifests"]
    assert found["annotations"] == {"theirs": "too"}


def test_one_tag_of_two_repositories(tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    one, two = small_index(tmp_path / "store", [AMD64]), small_index(tmp_path / "store", [ARM64])
    for _ in range(2):
        write_layout(layout, one, names=names("web"))
        write_layout(layout, two, names=names("worker"))
    assert entries(layout) == {"latest": str(one.digest), "docker.io/library/worker:latest": str(two.digest)}
    assert read_layout(layout, select="docker.io/library/web:latest").raw == one.raw
    with pytest.raises(UsageError, match="several"):
        read_layout(layout)
    with pytest.raises(UsageError, match="no image other") as caught:
        read_layout(layout, select="other")
    assert "docker.io/library/worker:latest" in (caught.value.hint or "")


def test_without_a_name_there_is_one_entry(tmp_path: Path) -> None:
    index = small_index(tmp_path / "store")
    for _ in range(2):
        write_layout(tmp_path / "layout", index, names=[])
    assert entries(tmp_path / "layout") == {None: str(index.digest)}


def test_writers_wait_for_each_other(tmp_path: Path) -> None:
    index = small_index(tmp_path / "store")
    layout = tmp_path / "layout"
    threads = [
        threading.Thread(target=write_layout, args=(layout, index), kwargs={"names": names(f"app:{number}")})
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(entries(layout)) == {str(number) for number in range(8)}


def test_a_damaged_layout_is_not_written_to(tmp_path: Path) -> None:
    index = small_index(tmp_path / "store")
    layout = tmp_path / "layout"
    write_layout(layout, index, names=[])
    (layout / "index.json").write_text("{")
    before = files_below(layout)
    with pytest.raises(ContentInvalid):
        write_layout(layout, small_index(tmp_path / "store", [AMD64]), names=[])
    assert files_below(layout) == before
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        write_layout(tmp_path / "file", index, names=[])


def test_a_damaged_blob_is_mended(tmp_path: Path) -> None:
    index = small_index(tmp_path / "store")
    layout = tmp_path / "layout"
    write_layout(layout, index, names=[])
    layer = index.children[0].layers[0].descriptor
    path = layout / "blobs/sha256" / layer.digest.hex
    path.unlink()
    path.write_bytes(b"short")
    other = layout / "blobs/sha256" / index.children[1].layers[1].descriptor.digest.hex
    other.unlink()
    other.symlink_to("/etc/passwd")
    write_layout(layout, index, names=[])
    validate(read_layout(layout))


def test_indexes_inside_indexes(tmp_path: Path) -> None:
    inner = small_index(tmp_path / "store", [AMD64])
    layout = tmp_path / "layout"
    write_layout(layout, inner, names=[])
    outer = nest(layout, inner.descriptor.digest, len(inner.raw), 1)
    found = read_layout(layout)
    assert found.digest == outer
    assert [image.platform for image in found.images()] == [AMD64]
    assert [blob.descriptor.digest for blob in found.manifests()][1:] == [inner.digest, outer]
    validate(found)
    assert read_image(layout, platform=AMD64).platform == AMD64
    write_layout(tmp_path / "again", found, names=[])
    validate(read_layout(tmp_path / "again"))
    nest(layout, outer, len(found.raw), 4)
    for read in (read_layout, lambda root: read_image(root, platform=AMD64)):
        with pytest.raises(ContentInvalid, match="more in it than is accepted"):
            read(layout)


def nest(layout: Path, digest: Digest, size_bytes: int, times: int) -> Digest:
    """Wrap what the layout holds into so many more indexes."""
    for _ in range(times):
        entry = {
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "digest": str(digest),
            "size": size_bytes,
            "annotations": {},
        }
        raw = encode_json({"schemaVersion": 2, "mediaType": entry["mediaType"], "manifests": [entry]})
        digest, size_bytes = Digest.of(raw), len(raw)
        (layout / "blobs/sha256" / digest.hex).write_bytes(raw)
        entry |= {"digest": str(digest), "size": size_bytes}
        (layout / "index.json").write_bytes(encode_json({"schemaVersion": 2, "manifests": [entry]}))
    return digest


def test_an_image_without_an_index(tmp_path: Path) -> None:
    index = small_index(tmp_path / "store", [ARM64])
    layout = tmp_path / "layout"
    write_layout(layout, index, names=[])
    edit(layout / "index.json", lambda document: document.update(manifests=json.loads(index.raw)["manifests"]))
    edit(layout / "index.json", lambda document: document["manifests"][0].pop("platform"))
    found = read_layout(layout)
    validate(found)
    assert found.children[0].raw_manifest == index.children[0].raw_manifest
    assert read_image(layout, platform=ARM64).digest == found.children[0].digest
    with pytest.raises(PlatformUnknown, match="linux/amd64"):
        read_image(layout, platform=AMD64)


def test_other_artifacts_are_carried_along(tmp_path: Path) -> None:
    empty = BytesBlob.of("application/vnd.oci.empty.v1+json", b"{}")
    document = BytesBlob.of("application/spdx+json", b'{"spdxVersion": "SPDX-2.3"}')
    image = small_image(tmp_path / "store")
    manifest = json.loads(image.raw_manifest) | {"artifactType": "application/spdx+json"}
    for name, blob in (("config", empty), ("layers", document)):
        entry = {"mediaType": blob.descriptor.media_type, "digest": str(blob.descriptor.digest), "size": len(blob.data)}
        manifest[name] = entry if name == "config" else [entry]
    artifact = type(image)(encode_json(manifest), empty.data, (Layer(document, document.descriptor.digest),))
    index = index_of([image, artifact], annotations={})
    write_layout(tmp_path / "layout", index, names=[])
    found = read_layout(tmp_path / "layout")
    validate(found)
    assert found.platforms == (AMD64,)
    assert len(found.children) == 2
    assert read_image(tmp_path / "layout", platform=AMD64).digest == image.digest


def edit(path: Path, change: Callable[[Any], object]) -> None:
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))


def _truncate(layout: Path, path: Path) -> None:
    del layout
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:-1])


def _flip(layout: Path, path: Path) -> None:
    del layout
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(bytes([data[0] ^ 1]) + data[1:])


def _grow(layout: Path, path: Path) -> None:
    data = path.read_bytes()
    _truncate(layout, path)
    path.write_bytes(data + b" ")


def _symlink(layout: Path, path: Path) -> None:
    outside = layout.parent / "outside"
    shutil.copy(path, outside)
    path.unlink()
    path.symlink_to(outside)


def _pipe(layout: Path, path: Path) -> None:
    del layout
    path.unlink()
    os.mkfifo(path)


def _folder(layout: Path, path: Path) -> None:
    del layout
    path.unlink()
    path.mkdir()


def _missing(layout: Path, path: Path) -> None:
    del layout
    path.unlink()


_DAMAGES = [_truncate, _flip, _symlink, _pipe, _folder, _missing]


@pytest.mark.parametrize(
    ("what", "damage"),
    [
        *itertools.product(["index", "manifest", "config", "layer"], [*_DAMAGES, _grow]),
        *itertools.product(["oci-layout", "index.json"], _DAMAGES),
    ],
)
def test_layouts_that_are_refused(tmp_path: Path, what: str, damage: Callable[[Path, Path], None]) -> None:
    layout, index = written(tmp_path)
    image = index.children[1]
    digests = {
        "index": index.digest,
        "manifest": image.digest,
        "config": image.config_blob.descriptor.digest,
        "layer": image.layers[0].descriptor.digest,
    }
    damage(layout, layout / "blobs" / "sha256" / digests[what].hex if what in digests else layout / what)
    for read in (read_layout, lambda root: read_image(root, platform=ARM64)):
        with pytest.raises(ContentInvalid):
            read(layout)


def written(tmp_path: Path) -> tuple[Path, Index]:
    index = small_index(tmp_path / "store")
    write_layout(tmp_path / "layout", index, names=[])
    return tmp_path / "layout", index


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("size", 10**15),
        ("size", 3),
        ("digest", "sha256:../../../../../../etc/passwd"),
        ("digest", "sha512:" + "0" * 128),
        ("digest", "sha256:" + "0" * 64),
        ("mediaType", "text/html"),
        ("mediaType", "application/vnd.oci.image.manifest.v1+json"),
    ],
)
def test_entries_that_lie(tmp_path: Path, key: str, value: object) -> None:
    layout, _ = written(tmp_path)
    edit(layout / "index.json", lambda document: document["manifests"][0].update({key: value}))
    with pytest.raises(ContentInvalid):
        read_layout(layout)


def test_a_huge_document_is_not_read(tmp_path: Path) -> None:
    layout, _ = written(tmp_path)
    with (layout / "index.json").open("r+b") as stream:
        stream.truncate(10**12)  # sparse
    with pytest.raises(ContentInvalid, match="larger"):
        read_layout(layout)


def test_too_many_manifests(tmp_path: Path) -> None:
    layout, index = written(tmp_path)
    child = json.loads(index.raw)["manifests"][0]
    raw = encode_json({"schemaVersion": 2, "manifests": [child] * 1001})
    digest = Digest.of(raw)
    (layout / "blobs/sha256" / digest.hex).write_bytes(raw)
    edit(layout / "index.json", lambda document: document["manifests"][0].update(digest=str(digest), size=len(raw)))
    with pytest.raises(ContentInvalid, match="more in it than is accepted"):
        read_layout(layout)


def test_a_config_with_another_number_of_layers(tmp_path: Path) -> None:
    image = small_image(tmp_path / "store")
    config = json.loads(image.raw_config)
    config["rootfs"]["diff_ids"].pop()
    raw = encode_json(config)
    manifest = json.loads(image.raw_manifest)
    manifest["config"] |= {"digest": str(Digest.of(raw)), "size": len(raw)}
    write_layout(
        tmp_path / "layout", index_of([type(image)(encode_json(manifest), raw, image.layers)], annotations={}), names=[]
    )
    with pytest.raises(ContentInvalid, match="2 layers"):
        read_layout(tmp_path / "layout")


def test_no_layout_at_all(tmp_path: Path) -> None:
    with pytest.raises(ContentInvalid, match="oci-layout"):
        read_layout(tmp_path)
