"""A project that would have something started by everybody who looks at it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.programs import distribution_rust

pytestmark = pytest.mark.tools

CARGOSHIP = Path(sys.executable).with_name("cargoship")
TOOLS = (
    "git",
    "docker",
    "podman",
    "kubectl",
    "aws",
    "docker-compose",
    "docker-credential-evil",
    "zig",
    "sh",
    "apt-get",
)


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


@pytest.fixture
def project(tmp_path: Path, canary: Path) -> Path:
    """Everything in it that could be taken for a program of this machine's makes the canary."""
    root = tmp_path / "project"
    script = f"#!/bin/sh\necho $0 $* >> {canary}\nexit 1\n"
    files = {
        "Cargo.toml": '[package]\nname = "hostile"\nversion = "0.1.0"\nedition = "2021"\nbuild = "build.rs"\n'
        '[[bin]]\nname = "--config=build.rustc-wrapper=1"\npath = "src/main.rs"\n',
        "Cargo.lock": 'version = 3\n\n[[package]]\nname = "hostile"\nversion = "0.1.0"\n',
        "src/main.rs": "fn main() {}\n",
        "build.rs": f'fn main() {{ std::fs::write("{canary}", "build.rs").unwrap() }}\n',
        ".cargo/config.toml": (
            f'[build]\nrustc = "{root}/evil"\nrustc-wrapper = "{root}/evil"\n'
            f'rustc-workspace-wrapper = "{root}/evil"\nrustflags = ["-Zcodegen-backend={root}/evil"]\n'
            '[alias]\nmetadata = "build"\n'
            f'[registry]\nglobal-credential-providers = ["{root}/evil"]\n'
        ),
        "engine/config.json": '{"credsStore": "../evil", "credHelpers": {"127.0.0.1:9": "evil"}}',
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name in ("evil", *TOOLS, *(f"bin/{name}" for name in TOOLS)):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(script)
        (root / name).chmod(0o755)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    subprocess.run(["git", "config", "core.fsmonitor", str(root / "evil")], cwd=root, check=True)
    return root


def environment(project: Path) -> dict[str, str]:
    path = os.pathsep.join(["", ".", "bin", str(project), str(project / "bin"), os.environ["PATH"], ""])
    return {**distribution_rust(), "PATH": path, "DOCKER_CONFIG": str(project / "engine")}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("plan",), 0),
        (("dockerfile",), 0),
        (("init",), 0),
        (("init", "--ci", "github"), 0),
        (("recipe", "prepare"), 0),
        (("schema",), 0),
        (("inspect", "127.0.0.1:9/x"), 51),
        (("cache", "stats"), 0),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_to_look_is_not_to_run(project: Path, canary: Path, words: tuple[str, ...], code: int) -> None:
    env = {**environment(project), "CARGOSHIP_CACHE_DIR": str(project.parent / "cache")}
    done = subprocess.run([CARGOSHIP, *words], cwd=project, env=env, capture_output=True, text=True, check=False)
    assert not canary.exists(), canary.read_text()
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr


def test_the_project_is_hostile(project: Path, canary: Path) -> None:
    env = environment(project)
    subprocess.run(["docker", "version"], cwd=project, env=env, check=False)
    subprocess.run(["cargo", "build", "--offline"], cwd=project, env=env, check=False)
    subprocess.run(["/usr/bin/git", "status"], cwd=project, env=env, check=False)
    started = canary.read_text()
    assert "docker version" in started
    assert "rustc -vV" in started
    assert f"{project}/evil 2 " in started, "git has not asked its monitor"
