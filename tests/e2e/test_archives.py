"""One archive for every engine, and the engine's own `load`."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import pytest

from support.engine import Engine
from support.programs import REPOSITORY, RunCargoship, run
from support.shipped import Shipped, target_folder

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("web_service")]

PROJECT = REPOSITORY / "examples" / "web-service"
NATIVE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
NAME = "localhost/cargoship-archive:1"


@pytest.fixture(scope="module")
def archives(
    run_cargoship: RunCargoship, web_service: Shipped, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """The web service as both kinds of archive, from one command; it has been compiled before."""
    del web_service
    folder = tmp_path_factory.mktemp("archives")
    found = {kind: folder / f"{kind}.tar" for kind in ("docker-archive", "oci-archive")}
    outputs = [word for kind, path in found.items() for word in ("-o", f"{kind}:{path}")]
    run_cargoship("build", PROJECT, "-t", NAME, *outputs, env=target_folder("musl"))
    return found


def remove(engine: str) -> None:
    run(engine, "rmi", "-f", NAME, check=False)


def test_docker_loads_it(archives: dict[str, Path], engine: Engine) -> None:
    remove("docker")
    engine.load(archives["docker-archive"])
    image = engine.image(NAME)
    assert (image["Architecture"], image["Config"]["Entrypoint"]) == (NATIVE, ["/app/web-service"])
    remove("docker")


def test_podman_loads_it(archives: dict[str, Path]) -> None:
    remove("podman")
    run("podman", "load", "-q", "-i", archives["docker-archive"])
    (image,) = json.loads(run("podman", "image", "inspect", NAME).stdout)
    assert (image["Architecture"], image["Config"]["Entrypoint"]) == (NATIVE, ["/app/web-service"])
    remove("podman")


@pytest.mark.parametrize(
    ("kind", "transport", "architecture"),
    [
        ("docker-archive", "docker-archive", NATIVE),
        ("docker-archive", "oci-archive", "arm64"),
        ("oci-archive", "oci-archive", "amd64"),
        ("oci-archive", "oci-archive", "arm64"),
    ],
)
def test_skopeo_reads_it(archives: dict[str, Path], kind: str, transport: str, architecture: str) -> None:
    done = run(
        "skopeo", f"--override-arch={architecture}", "--override-os=linux", "inspect", "--config",
        f"{transport}:{archives[kind]}",
    )  # fmt: skip
    assert json.loads(done.stdout)["architecture"] == architecture


def test_load_gives_it_to_the_engine(run_cargoship: RunCargoship, engine: Engine, web_service: Shipped) -> None:
    del web_service
    name = "localhost/cargoship-load:1"
    run("docker", "rmi", "-f", name, check=False)
    run_cargoship("build", PROJECT, "-t", name, "--load", env=target_folder("musl"))
    assert engine.image(name)["Architecture"] == NATIVE
    run("docker", "rmi", "-f", name)
