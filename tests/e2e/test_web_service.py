"""The main promise: one command, and a service runs on both architectures."""

from __future__ import annotations

import contextlib
import json
import time
import urllib.error
import urllib.parse
import urllib.request
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support import judges
from support.engine import Container, Engine
from support.https import BODY, https_server
from support.programs import REPOSITORY, RunCargoship, run
from support.registry import free_port
from support.sboms import check_sbom, crates_by_cargo
from support.shipped import PLATFORMS, Shipped

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("web_service")]

PROJECT = REPOSITORY / "examples" / "web-service"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
NONROOT = 65532
START_S = 60.0


@dataclass(frozen=True)
class Service:
    """A container of the web service, and how to ask it."""

    container: Container
    url: str

    def get(self, path: str) -> tuple[int, str]:
        """Status and body."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=60) as response:  # noqa: S310 - loopback
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.container.start()
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.container.inspect()["State"]["Running"]:
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                self.get("/health")
                return
            time.sleep(0.2)
        pytest.fail(f"the service does not answer:\n{self.container.logs()}")


@pytest.fixture(scope="module", params=PLATFORMS)
def image(request: pytest.FixtureRequest, engine: Engine, web_service: Shipped) -> tuple[str, str]:
    """Image id and platform, pulled from the registry by the tag."""
    return engine.pull(web_service.reference, request.param), request.param


@pytest.fixture
def service(image: tuple[str, str], engine: Engine) -> Iterator[Service]:
    port = free_port()
    with engine.container(*image, env={"LISTEN": f"127.0.0.1:{port}"}) as container:
        yield Service(container, f"http://127.0.0.1:{port}")


def test_stdout_is_the_digest_reference(web_service: Shipped) -> None:
    name = web_service.reference.rpartition(":")[0]
    lines = web_service.printed.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"{name}@sha256:")


def test_skopeo_sees_both_platforms(web_service: Shipped) -> None:
    index = judges.raw_index(web_service.reference)
    assert tuple(judges.platforms(index)) == PLATFORMS
    assert judges.raw_index(web_service.printed.strip()) == index
    for platform in PLATFORMS:
        architecture = platform.partition("/")[2]
        config = judges.config(web_service.reference, architecture)
        assert config["architecture"] == architecture
        assert config["config"]["Entrypoint"] == ["/app/web-service"]
        assert config["config"]["ExposedPorts"] == {"8080/tcp": {}}
        assert config["config"]["WorkingDir"] == "/app"


def test_other_tools_accept_the_layout(web_service: Shipped, tmp_path: Path) -> None:
    judges.validate(web_service.layout)
    for platform in PLATFORMS:
        architecture = platform.partition("/")[2]
        copied = judges.single(f"docker://{web_service.reference}", architecture, tmp_path / architecture)
        root = judges.unpack(copied, tmp_path / f"bundle-{architecture}")
        binary = root / "app" / "web-service"
        assert binary.read_bytes()[:4] == b"\x7fELF"
        assert binary.stat().st_mode & 0o111
        assert (root / CERTIFICATES.lstrip("/")).stat().st_size > 100_000
        assert (root / "usr/share/zoneinfo/Europe/Berlin").is_file()
        assert f"nonroot:x:{NONROOT}:" in (root / "etc/passwd").read_text()
        assert (root / "tmp").stat().st_mode & 0o7777 == 0o1777


@pytest.mark.parametrize("platform", PLATFORMS)
def test_its_sbom_is_what_cargo_says(web_service: Shipped, run_cargoship: RunCargoship, platform: str) -> None:
    sbom = check_sbom(run_cargoship, web_service.reference, platform, PROJECT)
    (sqlite,) = (each for each in sbom["components"] if each["name"] == "sqlite")
    assert sqlite["cpe"].startswith("cpe:2.3:a:sqlite:sqlite:3.")


def test_its_programs_say_what_they_are_made_of(web_service: Shipped, tmp_path: Path) -> None:
    for platform, triple in zip(PLATFORMS, ("x86_64", "aarch64"), strict=True):
        copied = judges.single(f"oci:{web_service.layout}", platform.partition("/")[2], tmp_path / triple)
        program = judges.unpack(copied, tmp_path / f"bundle-{triple}") / "app" / "web-service"
        # objcopy of this machine reads the program of another one
        run("objcopy", "-I", "elf64-little", "--dump-section", f".dep-v0={tmp_path / triple}.z", program)
        packages = json.loads(zlib.decompress((tmp_path / f"{triple}.z").read_bytes()))["packages"]
        runtime = {(each["name"], each["version"]) for each in packages if each.get("kind", "runtime") == "runtime"}
        assert runtime == crates_by_cargo(PROJECT, f"{triple}-unknown-linux-musl", "normal", "no-proc-macro")


def test_it_answers_and_says_where_it_runs(service: Service, image: tuple[str, str]) -> None:
    service.start()
    machine = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}[image[1]]
    status, body = service.get("/health")
    assert (status, json.loads(body)) == (200, {"status": "ok", "arch": machine})
    started = json.loads(service.container.logs().splitlines()[0])
    assert (started["message"], started["arch"]) == ("listening", machine)


def test_it_writes_sqlite_as_nonroot(service: Service) -> None:
    service.start()
    counts = [json.loads(service.get("/visits")[1])["visits"] for _ in range(3)]
    assert counts == [1, 2, 3]
    owner, content = service.container.member("/home/nonroot/visits.sqlite")
    assert (owner.uid, owner.gid) == (NONROOT, NONROOT)
    assert content.startswith(b"SQLite format 3\0")


def test_https_verifies_against_the_images_certificates(service: Service, image: tuple[str, str]) -> None:
    del image
    with https_server() as server:
        query = "/fetch?" + urllib.parse.urlencode({"url": server.url})
        _, authorities = service.container.member(CERTIFICATES)
        service.start()
        status, body = service.get(query)
        assert status == 502, body
        assert "certificate" in body
        service.container.stop()
        service.container.put(CERTIFICATES, authorities + b"\n" + server.authority)
        service.start()
        status, body = service.get(query)
        assert (status, json.loads(body) if status == 200 else body) == (200, {"status": 200, "bytes": len(BODY)})


def test_it_stops_on_sigterm(service: Service) -> None:
    service.start()
    code = service.container.stop()
    assert code == 0, service.container.logs()
