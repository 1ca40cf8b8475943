"""Images from programs that exist: the installed command, real cargo for the facts, real judges for the result."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cargoship.oci.layout import read_layout
from support.elf_files import elf_file
from support.judges import single, unpack
from support.programs import RunCargoship, run
from support.projects import project
from support.registry import RunningRegistry
from support.validate import validate

pytestmark = pytest.mark.tools

_AMD64 = elf_file("EM_X86_64")
_ARM64 = elf_file("EM_AARCH64")


def programs(folder: Path) -> list[str]:
    """`--binary` options for two platforms."""
    options = []
    for platform, content in (("linux/amd64", _AMD64), ("linux/arm64", _ARM64)):
        path = folder / platform.replace("/", "-")
        path.write_bytes(content)
        options += ["--binary", f"{platform}={path}"]
    return options


def test_the_image_is_what_its_settings_say(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    settings = """description = "An app"
license = "MIT"
[package.metadata.cargoship]
expose = [8080]
env = { RUST_LOG = "info" }
volumes = ["/data"]
include = ["static/** -> /app/static/"]
"""
    app = project(tmp_path / "app", manifest=settings, files={"static/a/b.txt": "b", "static/c.txt": "c"})
    done = run_cargoship("pack", app, *programs(tmp_path), "-o", f"oci:{tmp_path}/out", env={"SOURCE_DATE_EPOCH": "1"})
    index = read_layout(tmp_path / "out")
    validate(index)
    assert done.stdout == f"oci:{tmp_path}/out@{index.digest}\n"
    assert [str(platform) for platform in index.platforms] == ["linux/amd64", "linux/arm64"]
    image = index.children[0]
    assert image.config.user == "65532:65532"
    assert image.config.entrypoint == ("/app/app",)
    assert image.config.env["RUST_LOG"] == "info"
    assert image.config.exposed_ports == ("8080/tcp",)
    assert image.config.labels["org.opencontainers.image.version"] == "1.2.3"
    assert image.config_file.created == "1970-01-01T00:00:01Z"
    root = unpack(single(f"oci:{tmp_path}/out", "arm64", tmp_path / "arm64"), tmp_path / "bundle")
    assert (root / "app" / "app").read_bytes() == _ARM64
    assert (root / "app" / "static" / "a" / "b.txt").read_text() == "b"
    assert (root / "etc" / "ssl" / "certs" / "ca-certificates.crt").stat().st_size > 100_000
    assert (root / "data").is_dir()


def test_platforms_share_the_layers_that_are_the_same(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    app = project(tmp_path / "app", manifest='[package.metadata.cargoship]\ninclude = ["a.txt -> /a.txt"]\n',
                  files={"a.txt": "a"})  # fmt: skip
    run_cargoship("pack", app, *programs(tmp_path), "-o", f"oci:{tmp_path}/out")
    one, other = read_layout(tmp_path / "out").children
    assert [layer.descriptor for layer in one.layers[:2]] == [layer.descriptor for layer in other.layers[:2]]
    assert one.layers[2].descriptor != other.layers[2].descriptor


def test_two_folders_give_the_same_digest(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    digests = set()
    for place in ("one", "another/place"):
        app = project(tmp_path / place / "app")
        digests.add(run_cargoship("pack", app, *programs(tmp_path)).stdout.partition("@")[2])
        shutil.rmtree(app / "target")
    assert len(digests) == 1


def test_a_second_push_uploads_nothing(
    run_cargoship: RunCargoship, docker_registry: RunningRegistry, tmp_path: Path
) -> None:
    app = project(tmp_path / "app")
    reference = docker_registry.reference("packed")
    options: list[str | Path] = ["pack", app, *programs(tmp_path), "-t", reference, "--push"]
    options += ["--metadata-file", tmp_path / "record.json"]
    first = run_cargoship(*options)
    assert json.loads((tmp_path / "record.json").read_text())["images"][0]["published"][0]["pushed"] > 0
    second = run_cargoship(*options)
    assert first.stdout == second.stdout
    assert json.loads((tmp_path / "record.json").read_text())["images"][0]["published"][0]["pushed"] == 0
    shown = json.loads(run("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{reference}").stdout)
    assert [child["platform"]["architecture"] for child in shown["manifests"]] == ["amd64", "arm64"]
    assert "linux/arm64" in run_cargoship("inspect", reference).stdout


@pytest.mark.parametrize(
    ("content", "options", "code", "words"),
    [
        (_ARM64, [], 40, "is a program for linux/arm64, but it is meant for linux/amd64"),
        (b"#!/bin/sh\n", [], 40, "is not a Linux program"),
        (elf_file("EM_X86_64", interpreter="/lib64/ld.so"), [], 40, "asks for /lib64/ld.so"),
        (_AMD64, ["--bin", "other"], 13, "other"),
        (_AMD64, ["-t", "me/UPPER"], 2, "lower case"),
        (_AMD64, ["--push"], 2, "nowhere to push"),
        (_AMD64, ["--push", "-t", "localhost:1/x"], 51, "localhost:1"),
        (_AMD64, ["-o", "oci:/proc/nothing"], 60, "/proc/nothing"),
    ],
)
def test_what_is_wrong_is_said_and_leaves_nothing(
    run_cargoship: RunCargoship, tmp_path: Path, content: bytes, options: list[str], code: int, words: str
) -> None:
    app = project(tmp_path / "app")
    binary = tmp_path / "binary"
    binary.write_bytes(content)
    output = ["-o", f"oci:{tmp_path}/out"] if "-o" not in options else []
    done = run_cargoship("pack", app, "--binary", f"linux/amd64={binary}", *output, *options, check=False)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert "hint:" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_image_that_was_not_verified_says_so(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    app = project(tmp_path / "app")
    binary = tmp_path / "binary"
    binary.write_bytes(_ARM64)
    run_cargoship("pack", app, "--binary", f"linux/amd64={binary}", "--no-verify", "-o", f"oci:{tmp_path}/out")
    assert read_layout(tmp_path / "out").manifest.annotations["dev.cargoship.verified"] == "false"


def test_the_layout_below_target_holds_the_latest_image_alone(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    app = project(tmp_path / "app")
    run_cargoship("pack", app, *programs(tmp_path))
    folder = app / "target" / "cargoship" / "app"
    blobs = len(list((folder / "blobs" / "sha256").iterdir()))
    (tmp_path / "linux-amd64").write_bytes(elf_file("EM_X86_64") + b"changed")
    run_cargoship("pack", app, *(f"{each}" for each in programs(tmp_path)[2:]), "--binary",
                  f"linux/amd64={tmp_path / 'linux-amd64'}")  # fmt: skip
    assert len(list((folder / "blobs" / "sha256").iterdir())) <= blobs
    validate(read_layout(folder))
    # what builds share stays; nothing that was on its way does
    assert {path.name for path in folder.parent.iterdir() if path.name.startswith(".")} <= {".lock", ".blobs"}
