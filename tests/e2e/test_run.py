"""`cargoship run`: in the engine and without one, as both processors."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.pair import Pair
from support.programs import CARGOSHIP, WITHOUT_NAMESPACES, RunCargoship, distribution_rust, run
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
    ("engine", "number"),
    [
        (True, signal.SIGINT),
        (True, signal.SIGTERM),
        (False, signal.SIGINT),
        (False, signal.SIGTERM),
        (False, signal.SIGKILL),
    ],
)  # fmt: skip
def test_a_server_without_handlers_ends_with_a_signal(
    pair: Pair,
    without_engine: str,
    tmp_path: Path,
    engine: bool,  # noqa: FBT001 - data
    number: signal.Signals,
) -> None:
    """As the first process of its namespace it would take no notice, and cargoship would wait for it for ever."""
    port = free_port()
    env = {**os.environ, **distribution_rust(), **pair.env, "TMPDIR": str(tmp_path)}
    env |= {} if engine else {"PATH": without_engine}
    words = ("run", "-q", "--bin", "tiny-front", "--network", "host", "-e", f"LISTEN=127.0.0.1:{port}")
    started = subprocess.Popen(
        [CARGOSHIP, *words], cwd=pair.root, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    try:
        wait_until(lambda: is_listening(port), started)
        started.send_signal(number)
        started.communicate(timeout=5)
        assert started.returncode == (-number if number == signal.SIGKILL else 128 + number)
        wait_until(lambda: not is_listening(port))
    finally:
        started.kill()
        started.communicate()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def is_listening(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def wait_until(holds: Callable[[], bool], process: subprocess.Popen[bytes] | None = None) -> None:
    """Wait for something, as long as a process lives where one is named."""
    for _ in range(18000):  # with what has to be compiled before it
        if holds():
            return
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.1)
    pytest.fail("it did not come")


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


def test_neither_engine_nor_namespaces(pair: Pair, without_engine: str) -> None:
    env = {**pair.env, "PATH": without_engine}
    done = run(*WITHOUT_NAMESPACES, CARGOSHIP, "run", "--bin", "tiny-front", cwd=pair.root, env=env, check=False)
    assert done.returncode == 61
    assert "docker is not on PATH; podman is not on PATH; the sandbox cannot be made: unshare: No space" in done.stderr
