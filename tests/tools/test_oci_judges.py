"""Other people's programs read what the image library writes."""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from cargoship.bases.static import static_entries
from cargoship.oci.archive import write_archive
from cargoship.oci.compress import Compression
from cargoship.oci.config import ImageConfig
from cargoship.oci.image import make_image
from cargoship.oci.index import Index, index_of
from cargoship.oci.layer import BlobStore, build_layer
from cargoship.oci.layout import read_layout, write_layout
from cargoship.oci.reference import Reference
from cargoship.oci.tar import LayerEntry
from support.images import AMD64, ARM64, CREATED, EPOCH
from support.validate import validate

pytestmark = pytest.mark.tools

_NAME = "cargoship-judged"
_NAMES = [Reference.parse(f"{_NAME}:1"), Reference.parse(f"registry.example/me/{_NAME}:latest")]
_LONG = "opt/" + "d" * 90 + "/" + "e" * 90 + "/größe"


def run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def an_index(store: Path, compression: str) -> Index:
    """Two platforms on the static base, with all kinds of entries."""
    blobs, codec = BlobStore(store), Compression.parse(compression)
    entries = [
        LayerEntry.file("usr/bin/app", b"#!/bin/true\n", 0o755),
        LayerEntry.file(_LONG, b"long", 0o640, 5_000_000, 7),
        LayerEntry.symlink("usr/bin/link", "../../" + "t" * 120),
        LayerEntry.directory("data", 0o1770, 65532, 65532),
    ]
    base = build_layer(static_entries(), store=blobs, compression=codec, epoch=EPOCH, created_by="base")
    images = []
    for platform in (AMD64, ARM64):
        own = [*entries, LayerEntry.file("arch", str(platform).encode())]
        layer = build_layer(own, store=blobs, compression=codec, epoch=EPOCH, created_by="app")
        config = ImageConfig(
            user="65532:65532",
            exposed_ports=("8080/tcp",),
            env={"A": "b=c"},
            entrypoint=("/usr/bin/app",),
            cmd=("x",),
            volumes=("/data",),
            working_dir="/data",
            labels={"l": "m"},
            stop_signal="SIGINT",
            healthcheck={"Test": ["CMD", "/usr/bin/app"], "Interval": 5_000_000_000},
        )
        image = make_image(
            platform=platform, config=config, layers=[base, layer], created=CREATED, annotations={"a": "b"}
        )
        images.append(image)
    index = index_of(images, annotations={"c": "d"})
    validate(index)
    return index


@pytest.fixture(scope="module", params=["gzip", "none"])
def archive(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    write_archive(folder / "image.tar", an_index(folder / "store", request.param), names=_NAMES, native=AMD64)
    return folder / "image.tar"


@pytest.fixture(scope="module", params=["gzip", "zstd", "none"])
def layout(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("layout")
    write_layout(folder / "layout", an_index(folder / "store", request.param), names=_NAMES)
    return folder / "layout"


def test_skopeo_reads_the_layout(layout: Path, tmp_path: Path) -> None:
    found = json.loads(run("skopeo", "inspect", f"oci:{layout}:1"))
    assert (found["Architecture"], len(found["Layers"]), found["Env"]) == ("amd64", 2, ["A=b=c"])
    run("skopeo", "copy", "--all", "--preserve-digests", f"oci:{layout}:1", f"oci:{tmp_path}/copy:1")
    copied = read_layout(tmp_path / "copy", select="1")
    validate(copied)
    assert copied.raw == read_layout(layout, select="1").raw
    run("skopeo", "--override-arch", "arm64", "copy", f"oci:{layout}:latest", f"dir:{tmp_path}/dir")


def test_umoci_unpacks_the_layout(layout: Path, tmp_path: Path) -> None:
    assert set(run("umoci", "ls", "--layout", layout).split()) == {"1", "latest"}
    # umoci does not go through an index, and is older than zstd: skopeo chooses the image and its compression
    run("skopeo", "copy", f"oci:{layout}:1", f"oci:{tmp_path}/single:1", "--dest-compress-format", "gzip")
    run("umoci", "unpack", "--rootless", "--image", f"{tmp_path}/single:1", f"{tmp_path}/bundle")
    root = tmp_path / "bundle" / "rootfs"
    assert (root / _LONG).read_bytes() == b"long"
    assert (root / "arch").read_bytes() == b"linux/amd64"
    assert (root / "usr/bin/link").readlink() == Path("../../" + "t" * 120)
    assert (root / "usr/share/zoneinfo/UTC").exists()
    process = json.loads((tmp_path / "bundle" / "config.json").read_bytes())["process"]
    assert (process["args"], process["cwd"], process["user"]["uid"]) == (["/usr/bin/app", "x"], "/data", 65532)


def test_oci_image_tool_agrees_with_manifests_and_configs(layout: Path) -> None:
    index = read_layout(layout, select="1")
    blobs = layout / "blobs" / "sha256"
    run("oci-image-tool", "validate", "--type", "imageIndex", blobs / index.digest.hex)
    for image in index.children:
        run("oci-image-tool", "validate", "--type", "config", blobs / image.config_blob.descriptor.digest.hex)
        # its schema is older than zstd layers
        if image.layers[0].descriptor.media_type.endswith("zstd"):
            continue
        run("oci-image-tool", "validate", "--type", "manifest", blobs / image.digest.hex)


@pytest.mark.parametrize("form", ["docker-archive:{}", "oci-archive:{}:1"])
def test_skopeo_reads_the_archive(archive: Path, tmp_path: Path, form: str) -> None:
    source = form.format(archive)
    found = json.loads(run("skopeo", "inspect", "--config", source))
    assert (found["architecture"], found["config"]["Entrypoint"]) == ("amd64", ["/usr/bin/app"])
    run("skopeo", "copy", source, f"dir:{tmp_path}/dir")


def check_engine(program: str, archive: Path, names: list[str]) -> None:
    try:
        said = run(program, "load", "-i", archive)
        for name in names:
            assert name in said
            (image,) = json.loads(run(program, "image", "inspect", name))
            config = image["Config"]
            assert (image["Architecture"], image["Os"]) == ("amd64", "linux")
            assert (config["User"], config["Entrypoint"], config["Cmd"]) == ("65532:65532", ["/usr/bin/app"], ["x"])
            assert (config["WorkingDir"], config["StopSignal"]) == ("/data", "SIGINT")
            assert config["Labels"] == {"l": "m"}
        container = run(program, "create", names[0]).strip()
        try:
            exported = archive.parent / f"{program}.tar"
            run(program, "export", "-o", exported, container)
        finally:
            run(program, "rm", "-v", container)
        with tarfile.open(exported) as tar:
            members = {member.name.removesuffix("/"): member for member in tar.getmembers()}
        long, home = members[_LONG], members["home/nonroot"]
        assert (long.mode & 0o7777, long.uid, long.gid, long.mtime) == (0o640, 5_000_000, 7, EPOCH)
        assert (home.mode & 0o7777, home.uid, home.gid) == (0o700, 65532, 65532)
        assert members["tmp"].mode & 0o7777 == 0o1777
        assert members["data"].mode & 0o7777 == 0o1770
    finally:
        for name in names:
            subprocess.run([program, "rmi", "-f", name], capture_output=True, check=False)


def test_docker_loads_the_archive(archive: Path) -> None:
    names = [f"{_NAME}:1", f"registry.example/me/{_NAME}:latest"]
    check_engine("docker", archive, names)


# one at a time: beside another that removes images podman was seen to lose the name of one that it had just loaded
@pytest.mark.xdist_group("podman")
def test_podman_loads_the_archive(archive: Path) -> None:
    names = [f"localhost/{_NAME}:1", f"registry.example/me/{_NAME}:latest"]
    check_engine("podman", archive, names)
