"""`cargoship run`: in the engine and without one, as both processors."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.pair import Pair
from support.programs import RunCargoship
from support.shipped import target_folder

pytestmark = pytest.mark.e2e

PROCESSORS = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}


@pytest.fixture(scope="module")
def without_engine(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH with everything but engines."""
    folder = tmp_path_factory.mktemp("bin")
    for path in Path("/usr/bin").iterdir():
        if not path.name.startswith(("docker", "podman")):
            (folder / path.name).symlink_to(path)
    return str(folder)


@pytest.mark.parametrize("platform", PROCESSORS)
@pytest.mark.parametrize("engine", [True, False], ids=["engine", "no-engine"])
def test_it_runs_with_its_arguments(
    run_cargoship: RunCargoship,
    pair: Pair,
    without_engine: str,
    platform: str,
    engine: bool,  # noqa: FBT001 - data
) -> None:
    env = {**pair.env, **({} if engine else {"PATH": without_engine})}
    words = ("run", "--bin", "tiny-front", "--platform", platform, "--network", "host", "--", "--once", "two words")
    done = run_cargoship(*words, cwd=pair.root, env=env)
    assert done.stdout == f"tiny-front {PROCESSORS[platform]} --once two words\n"
    assert ("without a container engine" in done.stderr) is not engine


@pytest.mark.parametrize("platform", PROCESSORS)
def test_without_an_engine_it_has_the_files_of_its_base(
    run_cargoship: RunCargoship, pair: Pair, gnu_base: Path, without_engine: str, platform: str
) -> None:
    """The loader and the C library of a dynamic program are in the base alone."""
    env = {**pair.env, **target_folder("gnu"), "PATH": without_engine}
    words = ("--bin", "tiny-back", "--libc", "gnu:2.17", "--base", f"oci:{gnu_base}", "--platform", platform)
    done = run_cargoship("run", *words, "--", "--once", cwd=pair.root, env=env)
    assert done.stdout == f"tiny-back {PROCESSORS[platform]} --once\n"


def test_its_exit_code_is_passed_on(run_cargoship: RunCargoship, pair: Pair) -> None:
    words = ("run", "-q", "--bin", "tiny-front", "--network", "host", "-e", "LISTEN=nowhere")
    done = run_cargoship(*words, cwd=pair.root, env=pair.env, check=False)
    assert done.returncode == 101
    assert "invalid socket address" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "there are 2 images: tiny-back, tiny-front"),
        (("--bin", "tiny"), 13, "did you mean"),
        (("--platform", "linux/amd64,linux/arm64"), 2, "one platform is run at a time"),
        (("--platform", "linux/mips"), 17, "linux/mips"),
    ],
)
def test_what_is_refused(run_cargoship: RunCargoship, pair: Pair, words: tuple[str, ...], code: int, said: str) -> None:
    done = run_cargoship("run", *words, cwd=pair.root, env=pair.env, check=False)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "Compil" not in done.stderr


def test_neither_engine_nor_namespaces(run_cargoship: RunCargoship, pair: Pair, tmp_path: Path) -> None:
    done = run_cargoship(
        "run", "--bin", "tiny-front", cwd=pair.root, env={**pair.env, "PATH": str(tmp_path)}, check=False
    )
    assert done.returncode == 61
    assert "docker is not on PATH; podman is not on PATH" in done.stderr
