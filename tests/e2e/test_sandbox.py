"""Ways out of the sandbox, tried by a program that smoke runs start: as root and not, on both processors.

Each must be closed, for an image whose user is root too, and nothing may be left of the run.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.broken import TRIPLES
from support.gnu_base import write_gnu_base
from support.programs import CARGOSHIP, run, run_as_nobody
from support.projects import project

pytestmark = pytest.mark.e2e

SOURCE = Path(__file__).parents[1] / "support" / "escapes.c"
Pack = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that everybody may read, with the program for two architectures and a base with glibc."""
    folder = Path(tempfile.mkdtemp(prefix="sandbox-", dir="/var/tmp"))
    folder.chmod(0o755)
    for platform, triple in TRIPLES.items():
        run(
            sys.executable, "-m", "ziglang", "cc", "-target", f"{triple}.2.17", "-O1", "-fno-builtin", "-s", SOURCE,
            "-o", f"escapes-{platform[6:]}", cwd=folder,
        )  # fmt: skip
    write_gnu_base(folder / "base")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(params=["root", "nobody"])
def pack(request: pytest.FixtureRequest, place: Path) -> Iterator[Pack]:
    """Packs the program and starts it, as the one who runs the tests or as one without rights."""
    folder = Path(tempfile.mkdtemp(prefix="sandbox-", dir="/var/tmp"))

    def start(words: str, platform: str = "linux/amd64", user: str = "0") -> subprocess.CompletedProcess[str]:
        escapes = place / f"escapes-{platform[6:]}"
        made = project(
            folder / "app",
            manifest=f"""[package.metadata.cargoship]
libc = "gnu"
base = "oci:{place}/base"
user = "{user}"
include = [{{ from = "su", to = "/app/su", mode = "4755" }}]
""",
        )
        shutil.copyfile(escapes, made / "su")
        command = ("pack", made, "--binary", f"{platform}={escapes}", "--smoke", words, "-o", f"oci:{folder}/out")
        env = {"HOST_SECRET": "s3cret"}
        if request.param == "nobody":
            return run_as_nobody(folder, *command, env=env, check=False)
        return run(CARGOSHIP, *command, env=env, check=False)

    yield start
    assert not list(folder.glob("app/target/cargoship/smoke*"))
    shutil.rmtree(folder)


@pytest.fixture
def listening() -> Iterator[tuple[int, str]]:
    """A port and an abstract socket of this machine that take anybody."""
    name = f"cargoship-{os.getpid()}"
    with contextlib.ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind(f"\0{name}")
        unix.listen()
        yield tcp.getsockname()[1], name


@pytest.mark.parametrize("user", ["0", "65532:65532"])
@pytest.mark.parametrize("platform", TRIPLES)
def test_no_way_leads_out(pack: Pack, place: Path, listening: tuple[int, str], platform: str, user: str) -> None:
    marker = place / "base" / "index.json"
    port, name = listening
    done = pack(f"all {marker} {os.getppid()} {port} {name}", platform, user)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("memory", "it took more than 2048 MiB of memory"),
        ("memory shared", "it took more than 2048 MiB of memory"),
    ],
)
def test_memory_of_all_processes_has_a_limit(pack: Pack, words: str, said: str) -> None:
    done = pack(words)
    assert done.returncode == 40
    assert said in done.stderr


@pytest.mark.parametrize("words", ["forks", "disk"])
def test_processes_and_files_have_limits(pack: Pack, words: str) -> None:
    done = pack(words)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("platform", TRIPLES)
def test_no_process_outlasts_the_run(pack: Pack, platform: str) -> None:
    token = f"cargoship-lasting-{os.getpid()}"
    done = pack(f"lasting {token}", platform)
    assert done.returncode == 0, done.stderr
    assert not [each for each in Path("/proc").glob("[0-9]*/cmdline") if token.encode() in read(each)]


def test_a_killed_run_leaves_no_process_and_the_next_run_no_folder(place: Path, tmp_path: Path) -> None:
    token = f"cargoship-killed-{os.getpid()}"
    manifest = f'[package.metadata.cargoship]\nlibc = "gnu"\nbase = "oci:{place}/base"\n'
    made = project(tmp_path / "app", manifest=manifest)
    command = ("pack", made, "--binary", f"linux/amd64={place}/escapes-amd64", "-o", f"oci:{tmp_path}/out", "--smoke")
    started = subprocess.Popen([CARGOSHIP, *map(str, command), f"wait {token}"], stderr=subprocess.DEVNULL)
    assert eventually(lambda: waits(token))
    started.kill()
    started.wait()
    assert eventually(lambda: not waits(token))
    folders = made / "target" / "cargoship"
    assert len(list(folders.glob("smoke-*"))) == 1
    run(CARGOSHIP, *command, "core")
    assert not list(folders.glob("smoke-*"))


def waits(token: str) -> bool:
    """Whether a program of the sandbox is there that has the word."""
    return any(
        read(each).startswith(b"/app/app\0wait\0" + token.encode()) for each in Path("/proc").glob("[0-9]*/cmdline")
    )


def eventually(holds: Callable[[], bool]) -> bool:
    """Wait for something that comes soon."""
    for _ in range(200):
        if holds():
            return True
        time.sleep(0.05)
    return False


def read(path: Path) -> bytes:
    """A file of /proc, whose process may be gone."""
    with contextlib.suppress(OSError):
        return path.read_bytes()
    return b""
