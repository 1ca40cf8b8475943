"""How an image is run, from its settings and its base."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from cargoship.assemble import layers_of
from cargoship.bases.base import Base
from cargoship.cargo.project import Binary, Package
from cargoship.image_inputs import ImageInputs
from cargoship.image_layers import image_config
from cargoship.oci.compress import Codec, Compression
from cargoship.oci.config import ImageConfig
from cargoship.oci.decompress import open_reader
from cargoship.oci.layer import BlobStore, Layer
from cargoship.plan import ImagePlan
from cargoship.settings.include import IncludedFile
from cargoship.settings.model import Settings


def image(**settings: object) -> ImagePlan:
    binary = Binary("app", "app")
    package = Package("id", "app", "1.0.0", Path("/p/Cargo.toml"), Path("/p"), (binary,))
    return ImagePlan("app", package, (binary,), Settings(**settings), (), {"a": "image"}, {})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("user", "written"),
    [
        ("nonroot", "65532:65532"),
        ("nonroot:nonroot", "65532:65532"),
        ("nonroot:0", "65532:0"),
        ("root", "root"),
        ("1000", "1000"),
        ("1000:1000", "1000:1000"),
        ("www-data:adm", "www-data:adm"),
    ],
)
def test_nonroot_is_written_in_numbers(user: str, written: str) -> None:
    assert image_config(image(user=user), ImageConfig()).user == written


def test_the_settings_win_over_the_base_and_add_to_it() -> None:
    base = ImageConfig(env={"PATH": "/base", "A": "base", "B": "base"}, labels={"a": "base", "b": "base"},
                       exposed_ports=("1/tcp",), volumes=("/v",), stop_signal="SIGQUIT", cmd=("sh",))  # fmt: skip
    made = image_config(image(env={"B": "mine"}, expose=("2/udp",), args=("serve",)), base)
    assert made.env == {"PATH": "/base", "A": "base", "B": "mine"}
    assert made.labels == {"a": "image", "b": "base"}
    assert (made.exposed_ports, made.volumes) == (("1/tcp", "2/udp"), ("/v",))
    assert (made.entrypoint, made.cmd) == (("/app/app",), ("serve",))
    assert (made.stop_signal, made.working_dir) == ("SIGQUIT", "/app")


def test_without_a_base_there_is_still_a_path() -> None:
    assert "/usr/bin" in image_config(image(), ImageConfig()).env["PATH"]


def members(layer: Layer) -> dict[str, tuple[int, int, int]]:
    """Mode and owner of everything in a layer."""
    with (
        layer.blob.open() as raw,
        open_reader(raw) as plain,
        tarfile.open(fileobj=plain, mode="r|") as archive,
    ):
        return {each.name: (each.mode, each.uid, each.gid) for each in archive}


def test_files_come_before_binaries_and_volumes_belong_to_the_user(tmp_path: Path) -> None:
    for name in ("program", "text"):
        (tmp_path / name).write_text(name)
    plan = image(volumes=("/data/db",), workdir="/work")
    files = (IncludedFile(tmp_path / "text", "/etc/app/text", 0o640, 0, 7),)
    compression = Compression.of(Codec.NONE)
    sources = ImageInputs(plan, files, {}, BlobStore(tmp_path / "store"), BlobStore(tmp_path / "kept"), compression)
    base = Base("scratch", None, None, (), ImageConfig(), has_loader=False)
    included, binary = layers_of(sources, base, {"app": tmp_path / "program"}, epoch=0)
    found = members(included)
    assert found["etc/app/text"] == (0o640, 0, 7)
    assert found["data/db"] == (0o755, 65532, 65532)
    assert found["data"] == (0o755, 0, 0)
    assert found["work"] == (0o755, 65532, 65532)
    assert members(binary)["app/app"] == (0o755, 0, 0)


def test_a_program_unpacked_again_is_not_compressed_again(tmp_path: Path) -> None:
    plan = image()
    kept = BlobStore(tmp_path / "kept")
    base = Base("scratch", None, None, (), ImageConfig(), has_loader=False)
    made: list[Layer] = []
    for name in ("one", "two"):
        scratch = tmp_path / name
        scratch.mkdir()
        (scratch / "app").write_bytes(b"the same program")
        sources = ImageInputs(plan, (), {}, BlobStore(scratch / "store"), kept, Compression.of(Codec.GZIP))
        made += layers_of(sources, base, {"app": scratch / "app"}, epoch=0, unpacked=scratch)
        for path in kept.root.glob("sha256/*"):
            # who makes the layer again writes over this
            path.write_bytes(bytes(path.stat().st_size))
    first, second = made
    assert first == second
    with second.blob.open() as stream:
        assert set(stream.read()) == {0}


def test_a_program_unpacked_again_with_another_content_is_another_layer(tmp_path: Path) -> None:
    kept = BlobStore(tmp_path / "kept")
    base = Base("scratch", None, None, (), ImageConfig(), has_loader=False)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    found = []
    for content in (b"before", b"behind"):
        (scratch / "app").write_bytes(content)
        os.utime(scratch / "app", (1, 1))
        sources = ImageInputs(image(), (), {}, BlobStore(tmp_path / "own"), kept, Compression.of(Codec.NONE))
        (layer,) = layers_of(sources, base, {"app": scratch / "app"}, epoch=0, unpacked=scratch)
        with layer.blob.open() as raw, tarfile.open(fileobj=raw) as archive:
            member = archive.extractfile("app/app")
            assert member is not None
            found.append(member.read())
    assert found == [b"before", b"behind"]
