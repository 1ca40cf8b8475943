"""`cargoship rebuild` with a real compiler: the same again, and what is said where the code is another one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.programs import RunCargoship, run
from support.projects import project
from support.registry import RunningRegistry

pytestmark = pytest.mark.tools

ONE = ("--platform", "linux/amd64")


def git(folder: Path, *words: str) -> str:
    named = ("-c", "user.name=me", "-c", "user.email=me@example.org")
    return run("git", "-C", str(folder), *named, *words).stdout.strip()


def committed(folder: Path, said: str) -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", said)
    return git(folder, "rev-parse", "HEAD")


def test_a_program_is_made_again_from_its_commit(
    docker_registry: RunningRegistry, run_cargoship: RunCargoship, tmp_path: Path
) -> None:
    app = project(tmp_path / "app", files={".gitignore": "target\n"})
    git(tmp_path, "init", "-q", str(app))
    run("cargo", "generate-lockfile", "--offline", cwd=app)
    first = committed(app, "one")
    reference = docker_registry.reference("rebuild-app")
    printed = run_cargoship("build", app, *ONE, "-t", reference, "--push").stdout.strip()
    done = run_cargoship("rebuild", printed, app)
    assert done.stdout.endswith("are the same\n")
    assert "not as it was" not in done.stderr
    assert not (app / "target" / ".cargoship-rebuild").exists()

    (app / "src" / "main.rs").write_text('fn main() { println!("something else"); }\n')
    second = committed(app, "two")
    done = run_cargoship("rebuild", printed, app, "--json", check=False)
    assert done.returncode == 44, done.stderr
    assert f"git worktree add FOLDER {first}" in done.stderr
    reported = json.loads(done.stdout)
    assert reported["materials"] == [{"name": "source", "then": first[:12], "now": second[:12]}]
    (image,) = reported["comparison"]["images"]
    assert "/app/app" in json.dumps(image["differences"])

    # as the page says: the commit in a folder beside, and nothing of one's own work is touched
    git(app, "worktree", "add", "-q", str(tmp_path / "then"), first)
    assert run_cargoship("rebuild", printed, tmp_path / "then").stdout.endswith("are the same\n")
