"""Images that cannot start are refused before any byte of them is sent; mended, they are accepted, and start.

Docker is the judge of both: what is refused here does not start there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from cargoship.testing import InMemoryRegistry
from support.broken import CORPUS, Bases, Case, Programs, Way, compile_programs
from support.engine import Engine
from support.programs import RunCargoship, run
from support.projects import project
from support.registry import RunningRegistry

pytestmark = pytest.mark.e2e
PLATFORMS = ("linux/amd64", "linux/arm64")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    return compile_programs(tmp_path_factory.mktemp("programs"))


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory, programs: Programs) -> Bases:
    return Bases(tmp_path_factory.mktemp("bases"), programs)


def packing(way: Way, folder: Path, programs: Programs, bases: Bases) -> list[str]:
    """The command that makes an image in one way."""
    libc = "" if "libc =" in way.settings else 'libc = "gnu"'
    settings = f'[package.metadata.cargoship]\n{libc}\nbase = "{bases[way.base]}"\n{way.settings}\n'
    app = project(folder, manifest=settings, files={"a.txt": "hello\n"})
    return ["pack", str(app), *programs.options(way.program, **way.others)]


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case.name)
def test_an_image_that_cannot_start(
    case: Case,
    programs: Programs,
    bases: Bases,
    run_cargoship: RunCargoship,
    docker_registry: RunningRegistry,
    engine: Engine,
    tmp_path: Path,
) -> None:
    broken = packing(case.broken, tmp_path / "app", programs, bases)
    with InMemoryRegistry() as registry:
        done = run_cargoship(*broken, "--push", "-t", f"{registry.host}/app:1", check=False)
        assert (done.returncode, done.stdout) == (40, ""), done.stderr
        assert case.says in done.stderr
        assert f"hint: {case.hint}" in done.stderr or case.hint in done.stderr.partition("hint:")[2]
        assert case.platform in done.stderr
        assert not registry.contents.blobs
        assert not [call for call in registry.calls if call.body or call.method == "PUT"]

    # it is no better for being pushed all the same
    forced = docker_registry.reference("broken")
    run_cargoship(*broken, "--no-verify", "--push", "-t", forced)
    verified = run_cargoship("verify", "--json", forced, check=False)
    document = json.loads(verified.stdout)
    assert (verified.returncode, document["ok"]) == (40, False)
    broken_ones = [image["platform"] for image in document["images"] if not image["ok"]]
    assert case.platform in broken_ones
    assert started(engine, forced, [case.platform]) == []

    mended = docker_registry.reference("mended")
    run_cargoship(*packing(case.mended, tmp_path / "mended" / "app", programs, bases), "--push", "-t", mended)
    assert "can start" in run_cargoship("verify", mended).stdout
    assert started(engine, mended, PLATFORMS) == list(PLATFORMS)


def started(engine: Engine, reference: str, platforms: Sequence[str]) -> list[str]:
    """The platforms on which Docker can run it."""
    able = []
    for platform in platforms:
        image = engine.pull(reference, platform)
        done = run("docker", "run", "--rm", "--network=none", "--platform", platform, image, check=False)
        if done.returncode == 0 and done.stdout == "hello\n":
            able.append(platform)
        run("docker", "rmi", "-f", image)
    return able
