"""Images on bases in Debian's docker-registry, judged by skopeo."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cargoship.oci.layout import read_layout
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.registry.pull import fetch_index
from support.attested import attested_index
from support.elf_files import elf_file
from support.images import AMD64, ARM64
from support.judges import single, unpack
from support.programs import RunCargoship, run
from support.projects import project
from support.pushing import client_of, push
from support.registry import RunningRegistry, running_registry
from support.validate import validate

pytestmark = pytest.mark.tools
_PROGRAMS = {"linux/amd64": "EM_X86_64", "linux/arm64": "EM_AARCH64"}


def binaries(folder: Path) -> list[str]:
    options = []
    for platform, machine in _PROGRAMS.items():
        path = folder / platform.replace("/", "-")
        path.write_bytes(elf_file(machine))
        options += ["--binary", f"{platform}={path}"]
    return options


def test_an_image_stands_on_a_base_of_its_registry(
    run_cargoship: RunCargoship, docker_registry: RunningRegistry, tmp_path: Path
) -> None:
    base = attested_index(tmp_path / "blobs", [AMD64, ARM64])
    with client_of(docker_registry.host) as client:
        push(client, base, "12", repository="bases/debian")
    name = docker_registry.reference("bases/debian", "12")
    app = project(tmp_path / "app", manifest=f'[package.metadata.cargoship]\nbase = "{name}"\n')
    reference = docker_registry.reference("on-base/app")
    cache = tmp_path / "cache"
    env = {"CARGOSHIP_CACHE_DIR": str(cache)}
    record = tmp_path / "record.json"
    options = ["--push", "-t", reference, "--metadata-file", str(record)]
    done = run_cargoship("pack", app, *binaries(tmp_path), *options, env=env)
    published = json.loads(record.read_text())["images"][0]["published"][0]
    # three layers of the base: one that both platforms have, and one for each
    assert (published["mounted"], published["pushed"]) == (3, 4)
    stored = {path.name for path in (cache / "bases" / "sha256").iterdir()}
    assert not stored & {layer.descriptor.digest.hex for image in base.children[:2] for layer in image.layers}
    with client_of(docker_registry.host) as client:
        found = fetch_index(client, Reference.parse(done.stdout.strip()))
    for image, under in zip(found.images, base.children, strict=False):
        document = json.loads(image.manifest.data)
        assert document["annotations"]["org.opencontainers.image.base.name"] == name
        assert document["annotations"]["org.opencontainers.image.base.digest"] == str(base.digest)
        layers = [layer["digest"] for layer in document["layers"]]
        assert layers[: len(under.layers)] == [str(layer.descriptor.digest) for layer in under.layers]
    run("skopeo", "copy", "-q", "--all", "--src-tls-verify=false", f"docker://{reference}", f"oci:{tmp_path}/pulled:1")
    validate(read_layout(tmp_path / "pulled"))

    # the same into a folder needs the bytes, once
    out = f"oci:{tmp_path}/out"
    run_cargoship("pack", app, *binaries(tmp_path), "-o", out, env=env)
    index = read_layout(tmp_path / "out")
    validate(index)
    assert str(index.digest) == done.stdout.strip().partition("@")[2]
    root = unpack(single(out, "arm64", tmp_path / "arm64"), tmp_path / "bundle")
    assert (root / "etc" / "motd").read_text() == "hello\n"
    assert (root / "app" / "app").exists()
    again = run_cargoship("pack", app, *binaries(tmp_path), "--offline", "-o", f"oci:{tmp_path}/again", env=env)
    assert str(index.digest) in again.stdout
    assert "offline: the base" in again.stderr


def test_a_base_goes_from_one_registry_to_another(
    run_cargoship: RunCargoship, docker_registry: RunningRegistry, tmp_path: Path
) -> None:
    base = attested_index(tmp_path / "blobs", [AMD64, ARM64])
    with client_of(docker_registry.host) as client:
        push(client, base, "12", repository="bases/other")
    pinned = f"{docker_registry.host}/bases/other:12@{base.digest}"
    app = project(tmp_path / "app")
    env = {"CARGOSHIP_CACHE_DIR": str(tmp_path / "cache"), "CARGOSHIP_BASE": pinned}
    (tmp_path / "target").mkdir()
    with running_registry(tmp_path / "target") as target:
        options = ["--push", "-t", target.reference("app")]
        done = run_cargoship("pack", app, *binaries(tmp_path), *options, env=env)
        copied = f"oci:{tmp_path}/pulled:1"
        run("skopeo", "copy", "-q", "--all", "--src-tls-verify=false", f"docker://{target.reference('app')}", copied)
    validate(read_layout(tmp_path / "pulled"))
    assert str(read_layout(tmp_path / "pulled").digest) in done.stdout


def test_a_base_that_lacks_a_platform_is_refused_before_anything_is_done(
    run_cargoship: RunCargoship, docker_registry: RunningRegistry, tmp_path: Path
) -> None:
    base = attested_index(tmp_path / "blobs", [AMD64])
    with client_of(docker_registry.host) as client:
        push(client, base, "amd64", repository="bases/one")
    name = docker_registry.reference("bases/one", "amd64")
    app = project(tmp_path / "app")
    done = run_cargoship("pack", app, *binaries(tmp_path), "--base", name, check=False)
    assert (done.returncode, done.stdout) == (17, "")
    assert f"the base {name} has no image for linux/arm64" in done.stderr
    assert "hint: it has linux/amd64" in done.stderr
    missing = docker_registry.reference("bases/none")
    done = run_cargoship("pack", app, *binaries(tmp_path), "--base", missing, check=False)
    assert (done.returncode, done.stdout) == (54, "")
    assert f"{docker_registry.host} has no image bases/none:1" in done.stderr
    digest = f"{docker_registry.host}/bases/none@sha256:{'0' * 64}"
    for words in (("plan",), ("build", "--dry-run")):
        for absent in (f"{docker_registry.host}/bases/none:1", digest):
            planned = run_cargoship(*words, app, "--base", absent, check=False)
            assert (planned.returncode, planned.stdout) == (54, "")
            assert f"{docker_registry.host} has no " in planned.stderr
            assert f"has no {docker_registry.host}" not in planned.stderr, "a registry that has itself"


def test_the_platforms_are_those_of_the_base(
    run_cargoship: RunCargoship, docker_registry: RunningRegistry, tmp_path: Path
) -> None:
    base = attested_index(tmp_path / "blobs", [ARM64, Platform("linux", "mips64le")])
    with client_of(docker_registry.host) as client:
        push(client, base, "1", repository="bases/few")
    name = docker_registry.reference("bases/few", "1")
    app = project(tmp_path / "app", manifest=f'[package.metadata.cargoship]\nbase = "{name}"\nplatforms = "base"\n')
    planned = json.loads(run_cargoship("plan", app, "--json").stdout)
    assert planned["platforms"] == ["linux/arm64"]
    words = ("plan", app, "--json", "--platform", "base")
    assert json.loads(run_cargoship(*words).stdout)["platforms"] == ["linux/arm64"]
    done = run_cargoship(*words, "--base", "static", check=False)
    assert (done.returncode, "no platforms of its own" in done.stderr) == (2, True)
