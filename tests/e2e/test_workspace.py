"""Several services of one workspace, for glibc with a floor."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

from support import judges
from support.engine import Engine
from support.programs import REPOSITORY, RunCargoship
from support.registry import RunningRegistry, free_port
from support.shipped import PLATFORMS, target_folder

pytestmark = pytest.mark.e2e

SERVICES = ("counter", "greeter")


def glibc_versions(binary: Path) -> list[tuple[int, ...]]:
    """Every GLIBC_x.y that a program asks its loader for."""
    with binary.open("rb") as stream:
        needs = ELFFile(stream).get_section_by_name(".gnu.version_r")
        assert isinstance(needs, GNUVerNeedSection)
        names = [version.name for _, versions in needs.iter_versions() for version in versions]
    return sorted(
        tuple(map(int, name.removeprefix("GLIBC_").split("."))) for name in names if name.startswith("GLIBC_")
    )


def test_each_service_is_an_image(gnu_workspace: subprocess.CompletedProcess[str]) -> None:
    names = [line.partition("@")[0].rpartition("/")[2] for line in gnu_workspace.stdout.splitlines()]
    assert sorted(names) == list(SERVICES)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("service", SERVICES)
def test_the_glibc_floor_is_honoured(
    gnu_workspace: subprocess.CompletedProcess[str],
    docker_registry: RunningRegistry,
    tmp_path: Path,
    service: str,
    platform: str,
) -> None:
    del gnu_workspace
    reference = docker_registry.reference(service, "gnu")
    layout = judges.single(f"docker://{reference}", platform.partition("/")[2], tmp_path / "layout")
    root = judges.unpack(layout, tmp_path / "bundle")
    versions = glibc_versions(root / "app" / service)
    assert versions
    assert versions[-1] <= (2, 17)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_it_runs_on_a_base_with_glibc(
    gnu_workspace: subprocess.CompletedProcess[str], docker_registry: RunningRegistry, engine: Engine, platform: str
) -> None:
    del gnu_workspace
    image = engine.pull(docker_registry.reference("greeter", "gnu"), platform)
    # an address that cannot be listened on ends the program: it has started, which is what is asked
    with engine.container(image, platform, env={"LISTEN": f"192.0.2.1:{free_port()}"}) as container:
        container.start()
        container.wait()
        assert "AddrNotAvailable" in container.logs()


def test_gnu_without_glibc_in_the_base_is_refused(run_cargoship: RunCargoship, gnu_workspace: object) -> None:
    del gnu_workspace
    done = run_cargoship(
        "build", REPOSITORY / "examples" / "workspace", "--libc", "gnu:2.17", env=target_folder("gnu"), check=False
    )
    assert done.returncode == 40, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
