"""The probe of health checks: made by the toolchain, in an image without a shell, asked by Docker itself."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from cargoship.elf.read import read_elf
from cargoship.oci.layout import read_layout
from support.emulated_images import ON_ARM
from support.engine import Container, Engine
from support.gnu_base import write_gnu_base
from support.kept import cache_folder
from support.programs import RunCargoship, program, run
from support.projects import project
from support.registry import free_port

pytestmark = pytest.mark.e2e

IMAGE = "cargoship-test/health:1"
_SERVER = r"""
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ADDRESS PORT STATUS DELAY: answers every request with the status, or never where it is 0; begins after the delay */
int main(int argc, char **argv) {
  int six = strchr(argv[1], ':') != 0, on = 1;
  sleep(atoi(argv[4]));
  int listening = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
  setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
  struct sockaddr_in6 sixth = {.sin6_family = AF_INET6, .sin6_port = htons(atoi(argv[2]))};
  inet_pton(AF_INET, argv[1], &four.sin_addr);
  inet_pton(AF_INET6, argv[1], &sixth.sin6_addr);
  if (bind(listening, six ? (void *)&sixth : (void *)&four, six ? sizeof sixth : sizeof four)) return 3;
  listen(listening, 16);
  for (;;) {
    char buffer[4096];
    int one = accept(listening, 0, 0);
    read(one, buffer, sizeof buffer);
    if (strcmp(argv[3], "0") == 0) continue;
    char answer[] = "HTTP/1.1 ??? x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    memcpy(answer + 9, argv[3], 3);
    write(one, answer, sizeof answer - 1);
    close(one);
  }
}
"""


@dataclass(frozen=True)
class Place:
    """An image in the engine, and the port that its health check asks."""

    engine: Engine
    port: int
    probe: Path
    """The program from the image."""
    emulator: tuple[str, ...] = ()
    """What starts it on this machine."""


@pytest.fixture(scope="module")
def place(run_cargoship: RunCargoship, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder, port = tmp_path_factory.mktemp("health"), free_port()
    (folder / "server.c").write_text(_SERVER)
    zig = (sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-linux-gnu.2.17", "-O1", "-s")
    run(*zig, "server.c", "-o", "server", cwd=folder)
    write_gnu_base(folder / "base")
    settings = f"""[package.metadata.cargoship]
libc = "gnu"
base = "oci:{folder}/base"
expose = [{port}]
healthcheck = {{ http = "/health", port = {port}, interval = "1s", timeout = "2s", start-period = "4s", retries = 2 }}
"""
    app = project(folder / "app", manifest=settings)
    done = run_cargoship(
        "pack", app, "--binary", f"linux/amd64={folder}/server", "-t", IMAGE, "-o", f"docker-archive:{folder}/image.tar"
    )
    assert "healthcheck" not in done.stderr
    engine = Engine.find()
    engine.load(folder / "image.tar")
    with engine.container(IMAGE, "linux/amd64") as container:
        member, content = container.member("/app/cargoship-probe")
    assert (member.mode & 0o7777, member.uid) == (0o755, 0)
    assert 100_000 < len(content) < 600_000
    probe = folder / "probe"
    probe.write_bytes(content)
    probe.chmod(0o755)
    yield Place(engine, port, probe)
    engine.remove(IMAGE)


@contextlib.contextmanager
def running(place: Place, address: str, status: int = 200, delay_s: int = 0, *options: str) -> Iterator[Container]:
    arguments = (address, str(place.port), str(status), str(delay_s))
    # Docker's own limit counts the start of the probe too, for which a busy machine may want more than a moment; how
    # long the probe waits for an answer stands in its command
    patient = ("--health-timeout=20s", *options)
    with place.engine.container(IMAGE, "linux/amd64", *arguments, options=patient) as container:
        container.start()
        yield container


def state(container: Container) -> Any:  # noqa: ANN401 - as Docker says it
    return container.inspect()["State"]["Health"]


def settled(container: Container, *, but: str = "starting", limit_s: float = 30) -> Any:  # noqa: ANN401
    """What Docker says once it says something else."""
    end = time.monotonic() + limit_s
    while (found := state(container))["Status"] == but:
        assert time.monotonic() < end, found
        time.sleep(0.2)
    return found


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1", "::"])  # noqa: S104 - as servers do
def test_a_program_that_answers_is_healthy(place: Place, address: str) -> None:
    options = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")
    with running(place, address, 200, 0, *options) as container:
        found = settled(container)
        assert found["Status"] == "healthy"
        assert "status 200" in found["Log"][-1]["Output"]
        assert container.inspect()["Config"]["User"] == "65532:65532"


def test_it_starts_and_then_is_healthy(place: Place) -> None:
    with running(place, "127.0.0.1", 204, 2) as container:
        assert state(container)["Status"] == "starting"
        assert settled(container)["Status"] == "healthy"


@pytest.mark.parametrize(
    ("status", "words"), [(503, "status 503"), (404, "status 404"), (0, "no answer within 1500 ms")]
)
def test_one_that_does_not_is_unhealthy(place: Place, status: int, words: str) -> None:
    with running(place, "127.0.0.1", status) as container:
        found = settled(container)
        assert found["Status"] == "unhealthy"
        assert {each["ExitCode"] for each in found["Log"]} == {1}
        assert words in found["Log"][-1]["Output"]


def test_one_that_does_not_listen_is_unhealthy(place: Place) -> None:
    with running(place, "127.0.0.1", 200, 60) as container:
        found = settled(container)
        assert found["Status"] == "unhealthy"
        said = found["Log"][-1]["Output"]
        assert f"127.0.0.1:{place.port}: Connection refused" in said
        assert f"[::1]:{place.port}: Connection refused" in said


def asked(place: Place, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [*place.emulator, place.probe, *words], capture_output=True, text=True, check=False, timeout=30, env={}
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


@pytest.fixture
def served() -> Iterator[tuple[int, health.HealthServicer]]:
    server, port = grpc.server(ThreadPoolExecutor(2)), free_port()
    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    yield port, servicer
    server.stop(None).wait()


def test_grpc(place: Place, served: tuple[int, health.HealthServicer]) -> None:
    port, servicer = served
    status = health_pb2.HealthCheckResponse
    servicer.set("good.v1.Service", status.SERVING)
    servicer.set("bad.v1.Service", status.NOT_SERVING)
    assert asked(place, "grpc", str(port), "") == (0, f"grpc 127.0.0.1:{port}: SERVING\n")
    assert asked(place, "grpc", str(port), "good.v1.Service")[0] == 0
    assert asked(place, "grpc", str(port), "bad.v1.Service") == (
        1,
        f"grpc 127.0.0.1:{port} bad.v1.Service: NOT_SERVING\n",
    )
    code, said = asked(place, "grpc", str(port), "none.v1.Service")
    assert (code, "UNKNOWN" in said) == (1, True)


def test_on_arm64(
    run_cargoship: RunCargoship, place: Place, served: tuple[int, health.HealthServicer], tmp_path: Path
) -> None:
    """The probe of another architecture's image, in QEMU: it finds what is asked, and sees what is wrong."""
    (tmp_path / "program").write_bytes(ON_ARM)
    manifest = "[package.metadata.cargoship]\nexpose = [1]\nhealthcheck = { tcp = 1 }\n"
    app = project(tmp_path / "app", manifest=manifest)
    run_cargoship("pack", app, "--binary", f"linux/arm64={tmp_path}/program", "-o", f"rootfs:{tmp_path}/out")
    (probe,) = (tmp_path / "out").rglob("app/cargoship-probe")
    assert read_elf(probe).machine == "EM_AARCH64"
    other = replace(place, probe=probe, emulator=(program("qemu-aarch64-static"),))
    port, servicer = served
    servicer.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    assert asked(other, "tcp", str(port))[0] == 0
    assert asked(other, "grpc", str(port), "") == (1, f"grpc 127.0.0.1:{port}: NOT_SERVING\n")
    servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    assert asked(other, "grpc", str(port), "")[0] == 0
    assert asked(other, "file", str(tmp_path / "program"), "300")[0] == 0
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listening:
        port = listening.getsockname()[1]
        answers = iter([b"HTTP/1.1 200 x\r\n\r\n", b"HTTP/1.1 503 x\r\n\r\n"])

        def answering() -> None:
            for each in answers:
                with listening.accept()[0] as one:
                    one.recv(4096)
                    one.sendall(each)

        threading.Thread(target=answering, daemon=True).start()
        assert asked(other, "http", str(port), "/")[0] == 0
        assert asked(other, "http", str(port), "/") == (1, f"http://[::1]:{port}/: status 503\n")
        assert asked(other, "--timeout-ms", "500", "http", str(port), "/")[0] == 1


def test_grpc_of_a_server_that_has_none(place: Place) -> None:
    with grpc_server_without_health() as port:
        code, said = asked(place, "grpc", str(port), "")
        assert (code, "does it serve grpc.health.v1?" in said) == (1, True)


@contextlib.contextmanager
def grpc_server_without_health() -> Iterator[int]:
    server, port = grpc.server(ThreadPoolExecutor(2)), free_port()
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    yield port
    server.stop(None).wait()


def test_tcp(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert asked(place, "tcp", str(port))[0] == 0
    assert asked(place, "tcp", str(port))[0] == 1


def test_a_file(place: Place, tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    assert asked(place, "file", str(alive), "30")[0] == 1
    alive.touch()
    assert asked(place, "file", str(alive), "30")[0] == 0
    os.utime(alive, (time.time() - 60, time.time() - 60))
    code, said = asked(place, "file", str(alive), "30")
    assert (code, said) == (1, f"{alive}: changed 60 s ago, which is more than 30 s\n")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\0" * 100,
        b"HTTP/1.1",
        b"HTTP/1.1 abc\r\n\r\n",
        b"SSH-2.0-x\r\n",
        b"x" * 200_000,
        b"HTTP/1.1 100 y\r\n\r\n",
    ],
)
def test_answers_that_are_none(place: Place, answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = str(listening.getsockname()[1])

        def answering() -> None:
            for _ in range(2):
                with listening.accept()[0] as one, contextlib.suppress(OSError):
                    one.recv(4096)
                    one.sendall(answer)

        thread = threading.Thread(target=answering, daemon=True)
        thread.start()
        assert asked(place, "--timeout-ms", "2000", "http", port, "/")[0] == 1
        assert asked(place, "--timeout-ms", "2000", "grpc", port, "")[0] == 1
        thread.join(10)


def test_words_that_it_does_not_know(place: Place) -> None:
    for words in ([], ["http"], ["http", "no", "/"], ["tcp", "70000"], ["--timeout-ms", "x", "tcp", "1"]):
        code, said = asked(place, *words)
        assert (code, bool(said)) == (1, True)


def test_the_same_bytes_from_an_empty_cache(run_cargoship: RunCargoship, place: Place, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    # standard libraries are expensive, and are not what is asked here
    (cache / "std").symlink_to(cache_folder() / "std")
    shutil.copy(place.probe, tmp_path / "app-program")
    manifest = "[package.metadata.cargoship]\nhealthcheck = { tcp = 99 }\n"
    app = project(tmp_path / "app", manifest=manifest)
    binary = tmp_path / "app-program"
    env = {"CARGOSHIP_CACHE_DIR": str(cache), "RUSTFLAGS": "-Cdebuginfo=2", "CARGO_PROFILE_RELEASE_STRIP": "none"}
    done = run_cargoship("pack", app, "--binary", f"linux/amd64={binary}", "-o", f"oci:{tmp_path}/out", env=env)
    assert "the healthcheck of app asks port 99, which expose does not have" in done.stderr
    (made,) = (cache / "probes").glob("*/cargoship-probe")
    assert hashlib.sha256(made.read_bytes()).digest() == hashlib.sha256(place.probe.read_bytes()).digest()
    (image,) = read_layout(tmp_path / "out").children
    assert image.config.healthcheck == {"Test": ["CMD", "/app/cargoship-probe", "tcp", "99"]}
