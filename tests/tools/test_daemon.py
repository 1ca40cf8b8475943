"""Images that real engines load."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path

import pytest

from cargoship.destinations import DaemonDestination, Engine
from cargoship.errors import DaemonError
from cargoship.oci.compress import Codec, Compression
from cargoship.oci.index import choose
from cargoship.oci.reference import Reference
from cargoship.process import SystemRunner
from support.images import AMD64, ARM64, small_index
from support.programs import run
from support.pushing import Emitted

pytestmark = pytest.mark.tools
# one at a time: beside another that removes images podman was seen to lose the name of one that it had just loaded
_PODMANS = pytest.mark.xdist_group("podman")
_BOTH = pytest.mark.parametrize("engine", [Engine.DOCKER, pytest.param(Engine.PODMAN, marks=_PODMANS)])


def _load(tmp_path: Path, name: str, engine: Engine | None, codec: Codec = Codec.GZIP) -> str:
    """Load a small image under two names; its config's digest, which is the engine's id for it."""
    index = small_index(tmp_path / "blobs", (AMD64, ARM64), compression=Compression.of(codec), mark=name)
    names = (Reference.parse(f"{name}:1"), Reference.parse(name))
    destination = DaemonDestination(names, SystemRunner(), dict(os.environ), Emitted(), tmp_path / "scratch", engine)
    destination.publish(index)
    return choose(index, AMD64).config_blob.descriptor.digest.hex


@_BOTH
def test_an_engine_has_the_image_under_its_names(tmp_path: Path, engine: Engine) -> None:
    name = f"example.com/test/{uuid.uuid4().hex}"
    expected = _load(tmp_path, name, engine)
    try:
        for tag in ("1", "latest"):
            (found,) = json.loads(run(engine.value, "image", "inspect", f"{name}:{tag}").stdout)
            assert found["Id"].removeprefix("sha256:") == expected
            assert (found["Architecture"], found["Config"]["User"]) == ("amd64", "65532:65532")
    finally:
        run(engine.value, "rmi", "-f", f"{name}:1", f"{name}:latest", check=False)


def test_some_engine_is_found(tmp_path: Path) -> None:
    name = f"example.com/test/{uuid.uuid4().hex}"
    expected = _load(tmp_path, name, None)
    try:
        found = run("docker", "image", "inspect", "--format", "{{.Id}}", f"{name}:1").stdout.strip()
        assert found == f"sha256:{expected}"
    finally:
        run("docker", "rmi", "-f", f"{name}:1", f"{name}:latest", check=False)


@_PODMANS
def test_podman_reads_zstd(tmp_path: Path) -> None:
    name = f"example.com/test/{uuid.uuid4().hex}"
    expected = _load(tmp_path, name, Engine.PODMAN, Codec.ZSTD)
    try:
        found = run("podman", "image", "inspect", "--format", "{{.Id}}", f"{name}:1").stdout.strip()
        assert found == expected
    finally:
        run("podman", "rmi", "-f", f"{name}:1", f"{name}:latest", check=False)


def test_an_engine_that_cannot_be_reached_is_reported_in_its_words(tmp_path: Path) -> None:
    index = small_index(tmp_path / "blobs")
    env = {**os.environ, "DOCKER_HOST": "unix:///nonexistent/docker.sock"}
    destination = DaemonDestination((), SystemRunner(), env, Emitted(), tmp_path / "scratch", Engine.DOCKER)
    with pytest.raises(DaemonError, match=r"(?i)docker daemon"):
        destination.publish(index)
