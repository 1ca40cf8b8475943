"""What `docker save` and `podman save` write is an image like any other: Docker 20 knows no image layout."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from support.buildx import engine_in_container
from support.image_corpus import APP, Case, alone, file, link, tar, write_images
from support.programs import RunCargoship, run

pytestmark = pytest.mark.tools

NAME = "localhost/cargoship-saved"


@pytest.mark.parametrize("engine", ["docker", pytest.param("podman", marks=pytest.mark.xdist_group("podman"))])
def test_it_is_verified_and_copied(run_cargoship: RunCargoship, engine: str, tmp_path: Path) -> None:
    # a layer twice, which older Dockers save once
    layers = [tar(*APP), alone(5), tar(file("etc/a", b"a"), link("etc/b", "a")), alone(5)]
    write_images(tmp_path / "made.tar", {f"{NAME}-{engine}:1": Case("saved", layers)})
    run(engine, "load", "-q", "-i", tmp_path / "made.tar")
    try:
        run(engine, "tag", f"{NAME}-{engine}:1", f"{NAME}-{engine}:2")
        several = ("--multi-image-archive",) if engine == "podman" else ()
        run(engine, "save", *several, "-o", tmp_path / "saved.tar", f"{NAME}-{engine}:1", f"{NAME}-{engine}:2")
        own = run(engine, "image", "inspect", "--format", "{{.Id}}", f"{NAME}-{engine}:1").stdout.strip()
    finally:
        run(engine, "rmi", "-f", f"{NAME}-{engine}:1", f"{NAME}-{engine}:2")
    assert "linux/amd64 can start" in run_cargoship("verify", tmp_path / "saved.tar").stdout
    run_cargoship("copy", f"docker-archive:{tmp_path}/saved.tar:{NAME}-{engine}:2", f"oci:{tmp_path}/out:it")
    # an independent reader finds the same in both
    saved, copied = (
        json.loads(run("skopeo", "inspect", "--config", "--raw", place).stdout)
        for place in (f"docker-archive:{tmp_path}/saved.tar:{NAME}-{engine}:2", f"oci:{tmp_path}/out:it")
    )
    assert copied == saved
    run("skopeo", "copy", "-q", f"oci:{tmp_path}/out:it", f"docker-archive:{tmp_path}/again.tar:{NAME}-{engine}:3")
    run(engine, "load", "-q", "-i", tmp_path / "again.tar")
    try:
        again = run(engine, "image", "inspect", "--format", "{{.Id}}", f"{NAME}-{engine}:3").stdout.strip()
        assert again == own
        done = run(engine, "run", "--rm", "--network=none", f"{NAME}-{engine}:3", check=False)
        assert engine == "podman" or done.returncode == 42
    finally:
        run(engine, "rmi", "-f", f"{NAME}-{engine}:3")


def test_a_newer_engine_writes_both_forms(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    """Docker 26 with containerd's image store: a layout, and what older Dockers read beside it."""
    write_images(tmp_path / "made.tar", {f"{NAME}-newer:1": Case("saved", [tar(*APP), alone(5), alone(5)])})
    with engine_in_container() as newer:
        place = newer.file(tmp_path / "made.tar")
        newer.docker("load", "-q", "-i", place)
        newer.docker("save", "-o", "/saved.tar", f"{NAME}-newer:1")
        run("docker", "cp", f"{newer.name}:/saved.tar", tmp_path / "saved.tar")
    with tarfile.open(tmp_path / "saved.tar") as saved:
        assert {"oci-layout", "manifest.json"} <= set(saved.getnames())
    assert "linux/amd64 can start" in run_cargoship("verify", tmp_path / "saved.tar").stdout
    run_cargoship("copy", tmp_path / "saved.tar", f"docker-archive:{tmp_path}/again.tar")
    assert "linux/amd64 can start" in run_cargoship("verify", tmp_path / "again.tar").stdout
