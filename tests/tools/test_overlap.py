"""Blobs travel while the rest is made, and yet nothing has a name before everything is there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cargoship.testing import Fault, InMemoryRegistry
from support.elf_files import elf_file
from support.programs import CARGOSHIP, RunCargoship, distribution_rust
from support.projects import project

pytestmark = pytest.mark.tools


@pytest.fixture
def registry() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        yield running


def binaries(folder: Path, *names: str, machine: str = "EM_X86_64") -> list[str]:
    options = []
    for name in names:
        path = folder / machine / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(elf_file(machine) + name.encode())
        options += ["--binary", f"linux/amd64={path}"]
    return options


def two_services(folder: Path) -> Path:
    """A workspace whose images share their base and an included file."""
    settings = '[package.metadata.cargoship]\ninclude = ["shared.txt -> /shared.txt"]\n'
    for name in ("one", "two"):
        project(folder / name, name=name, manifest=settings, files={"shared.txt": "shared"})
    (folder / "Cargo.toml").write_text('[workspace]\nmembers = ["one", "two"]\nresolver = "2"\n')
    return folder


def test_what_services_share_is_sent_once(
    run_cargoship: RunCargoship, registry: InMemoryRegistry, tmp_path: Path
) -> None:
    root = two_services(tmp_path / "root")
    record = tmp_path / "record.json"
    env = {"CARGOSHIP_CACHE_DIR": str(tmp_path / "cache")}
    run_cargoship(
        "pack", root, *binaries(tmp_path, "one", "two"), "--push", "-t", f"{registry.host}/{{name}}:1",
        "--metadata-file", record, env=env,
    )  # fmt: skip
    published = [image["published"][0] for image in json.loads(record.read_text())["images"]]
    # base and file: sent to one repository, mounted into the other; program and config: one for each
    assert sum(each["mounted"] for each in published) == 2
    assert sum(each["pushed"] for each in published) == 2 + 4
    assert set(registry.tags("one")) == set(registry.tags("two")) == {"1"}
    kinds = ["tag" if "/manifests/1" in call.path else "blob" for call in registry.calls if call.method == "PUT"]
    assert kinds.index("tag") > 6


def test_nothing_is_named_when_one_image_cannot_be_made(
    run_cargoship: RunCargoship, registry: InMemoryRegistry, tmp_path: Path
) -> None:
    root = two_services(tmp_path / "root")
    good = binaries(tmp_path, "one")
    bad = binaries(tmp_path, "two", machine="EM_AARCH64")
    done = run_cargoship("pack", root, *good, *bad, "--push", "-t", f"{registry.host}/{{name}}:1", check=False)
    assert done.returncode == 40
    assert not registry.tags("one")
    assert not [call for call in registry.calls if "/manifests/" in call.path and call.method == "PUT"]


def test_an_interrupt_ends_uploads_that_hang(registry: InMemoryRegistry, tmp_path: Path) -> None:
    app = project(tmp_path / "app")
    # the first upload is the question whether this user may push
    registry.faults.append(Fault("HEAD", "/blobs/", status=418, delay_s=60.0, times=None))
    env = {**os.environ, **distribution_rust(), "CARGOSHIP_CACHE_DIR": str(tmp_path / "cache")}
    with subprocess.Popen(
        [CARGOSHIP, "pack", app, *binaries(tmp_path, "app"), "--push", "-t", f"{registry.host}/app:1"],
        env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 60
        while not registry.faults[0].hits and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate()
    assert (process.returncode, stdout) == (130, "")
    assert stderr.endswith("error: interrupted\n")
    assert "Traceback" not in stderr
    assert 418 not in {call.status for call in registry.calls}, "the answer has not been waited for"
    assert not list((tmp_path / "app" / "target" / "cargoship" / ".blobs" / "tmp").iterdir())
