"""`cargoship base pin`, with real cargo and Debian's docker-registry."""

from __future__ import annotations

from pathlib import Path

import pytest

import cargoship
from support.images import AMD64, small_index
from support.programs import RunCargoship, distribution_rust
from support.projects import project
from support.pushing import client_of, push
from support.registry import RunningRegistry

pytestmark = pytest.mark.tools


def settings(base: str) -> str:
    return f'\n[package.metadata.cargoship]\nexpose = [8080] # kept\nbase = "{base}" # kept too\n'


def test_a_base_gets_its_digest_and_later_a_new_one(
    run_cargoship: RunCargoship, docker_registry: RunningRegistry, tmp_path: Path
) -> None:
    name = docker_registry.reference("pin/debian", "12")
    first = small_index(tmp_path / "blobs", [AMD64])
    with client_of(docker_registry.host) as client:
        push(client, first, "12", "latest", repository="pin/debian")
    app = project(tmp_path / "app", manifest=settings(name))
    manifest = app / "Cargo.toml"
    manifest.chmod(0o640)
    before = manifest.read_text()
    done = run_cargoship("base", "pin", app)
    assert done.stdout == f"{name}@{first.digest}\n"
    assert manifest.read_text() == before.replace(name, f"{name}@{first.digest}")
    assert manifest.stat().st_mode & 0o777 == 0o640
    inode = manifest.stat().st_ino
    assert "is up to date" in run_cargoship("base", "pin", "-p", "app", app).stderr
    assert manifest.stat().st_ino == inode
    second = small_index(tmp_path / "other")
    with client_of(docker_registry.host) as client:
        push(client, second, "12", repository="pin/debian")
    env = {**distribution_rust(), "CARGOSHIP_CACHE_DIR": str(tmp_path / "cache"), "PATH": "/usr/bin:/bin"}
    (pinned,) = cargoship.pin_base(app, env=env)
    assert pinned == cargoship.PinnedBase(manifest, f"{name}@{first.digest}", f"{name}@{second.digest}")
    assert manifest.read_text() == before.replace(name, f"{name}@{second.digest}")


def test_a_workspaces_base_is_pinned_where_it_is_written(
    run_cargoship: RunCargoship, docker_registry: RunningRegistry, tmp_path: Path
) -> None:
    index = small_index(tmp_path / "blobs", [AMD64])
    with client_of(docker_registry.host) as client:
        push(client, index, "latest", repository="pin/shared")
    name = f"{docker_registry.host}/pin/shared"
    root = tmp_path / "workspace"
    project(root / "a", name="a")
    project(root / "b", name="b", manifest=settings("scratch"))
    project(root / "c", name="c", manifest=settings(f"{name}@{index.digest}"))
    own = {member: (root / member / "Cargo.toml").read_text() for member in "abc"}
    text = '[workspace]\nmembers = ["a", "b", "c"]\nresolver = "2"\n[workspace.metadata.cargoship]\nbase = "%s"\n'
    (root / "Cargo.toml").write_text(text % name)
    done = run_cargoship("base", "pin", root)
    assert done.stdout == f"{name}:latest@{index.digest}\n{name}@{index.digest}\n"
    assert (root / "Cargo.toml").read_text() == text % f"{name}:latest@{index.digest}"
    assert {member: (root / member / "Cargo.toml").read_text() for member in "abc"} == own


@pytest.mark.parametrize(
    ("base", "code", "words"),
    [
        ("static", 2, "no base in Cargo.toml is an image in a registry"),
        ("oci:../base", 2, "no base in Cargo.toml is an image in a registry"),
        ("localhost:1/debian:12", 51, "localhost:1"),
        ("ghcr.io/UPPER/x:1", 20, "cargoship.base"),
        ("{host}/pin/none:1", 54, "has no"),
    ],
)
def test_what_cannot_be_pinned_stays_as_it_is(
    run_cargoship: RunCargoship, docker_registry: RunningRegistry, tmp_path: Path, base: str, code: int, words: str
) -> None:
    app = project(tmp_path / "app", manifest=settings(base.replace("{host}", docker_registry.host)))
    before = (app / "Cargo.toml").read_text()
    done = run_cargoship("base", "pin", app, check=False)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert (app / "Cargo.toml").read_text() == before
