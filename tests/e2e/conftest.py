"""Images that the end-to-end tests share. Each is compiled once, in target folders that outlive a run of the tests.

cargo decides what is fresh in them, as it does for a user.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.gnu_base import write_gnu_base
from support.pair import Pair, write_pair
from support.programs import REPOSITORY, RunCargoship, run
from support.registry import RunningRegistry
from support.shipped import Shipped, target_folder


@pytest.fixture(scope="session")
def web_service(
    run_cargoship: RunCargoship, docker_registry: RunningRegistry, tmp_path_factory: pytest.TempPathFactory
) -> Shipped:
    """examples/web-service, built as the README says, pushed, and written to a layout too."""
    reference = docker_registry.reference("web")
    layout = tmp_path_factory.mktemp("web-service") / "layout"
    project = REPOSITORY / "examples" / "web-service"
    done = run_cargoship(
        "build", project, "-t", reference, "--push", "-o", f"oci:{layout}", env=target_folder("musl")
    )  # fmt: skip
    return Shipped(reference, done.stdout, layout)


@pytest.fixture(scope="session")
def gnu_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base with glibc for both architectures, as an OCI layout."""
    return write_gnu_base(tmp_path_factory.mktemp("gnu-base"))


@pytest.fixture(scope="session")
def gnu_workspace(
    run_cargoship: RunCargoship, docker_registry: RunningRegistry, gnu_base: Path
) -> subprocess.CompletedProcess[str]:
    """examples/workspace for glibc 2.17 and later, both services, pushed as {name}:gnu."""
    return run_cargoship(
        "build", REPOSITORY / "examples" / "workspace", "--libc", "gnu:2.17", "--base", f"oci:{gnu_base}",
        "-t", f"{docker_registry.host}/{{name}}:gnu", "--push", env=target_folder("gnu"),
    )  # fmt: skip


@pytest.fixture(scope="session")
def pair(docker_registry: RunningRegistry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two tiny services, as source; what the engine got of them is removed afterwards."""
    yield write_pair(tmp_path_factory.mktemp("pair"), f"{docker_registry.host}/pair")
    found = run("docker", "images", "-q", "--filter", f"reference={docker_registry.host}/pair*/*", check=False)
    for image in dict.fromkeys(found.stdout.split()):
        run("docker", "rmi", "-f", image, check=False)
