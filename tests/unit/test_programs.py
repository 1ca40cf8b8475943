from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cargoship.errors import ToolMissing
from cargoship.process import Command, SystemRunner
from cargoship.programs import ProgramFinder, without_secrets


def program(path: Path, says: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {says or path}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a `docker` in three of its folders, one of which is called `bin` and linked to from outside."""
    root = tmp_path / "home/code/app"
    for folder in (".", "bin", "crates/web/tools"):
        for name in ("docker", "cargo"):
            program(root / folder / name)
    (root / "Cargo.toml").touch()
    (tmp_path / "linked").symlink_to(root / "bin")
    (root / "out").symlink_to(program(tmp_path / "elsewhere/docker").parent)
    return root


@pytest.mark.parametrize(
    "path",
    [
        "", ".", "bin", "./bin", "../app", "../../code/app/bin", "{project}", "{project}/bin", "{project}/.",
        "{project}/bin/../bin", "{project}/crates/web/tools", "{linked}", "{project}/out", "{project}/missing",
    ],
)  # fmt: skip
def test_nothing_of_the_project_is_found(project: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    env = {"PATH": path.format(project=project, linked=project.parents[2] / "linked"), "HOME": "/root"}
    for folder in (project, project / "crates" / "web"):
        programs = ProgramFinder.outside([folder], env)
        assert programs.find("docker", env) is None
        with pytest.raises(ToolMissing, match="docker is not on PATH"):
            SystemRunner(programs).run(Command(("docker",), cwd=project, env=env))
    runner = SystemRunner(ProgramFinder.outside([project], env))
    beyond = {**env, "PATH": f"{env['PATH']}:{program(project.parents[2] / 'tools/docker').parent}:"}
    assert runner.run(Command(("docker",), cwd=project, env=beyond)).text == f"{project.parents[2]}/tools/docker\n"


def test_what_was_passed_over_is_reported(project: Path) -> None:
    env = {"PATH": f"{project}/bin", "HOME": "/root"}
    reported = ProgramFinder.outside([project], env).reason("docker", env)
    assert reported == f"docker is not on PATH outside of the project, where {project}/bin/docker is not started"
    assert ProgramFinder().reason("docker", {"PATH": "/nowhere"}) == "docker is not on PATH"


def test_where_rust_is_not_installed_the_error_says_where_it_comes_from() -> None:
    with pytest.raises(ToolMissing, match="cargo is not on PATH") as caught:
        SystemRunner().run(Command(("cargo", "metadata"), env={"PATH": "/nowhere"}))
    assert "https://rustup.rs" in (caught.value.hint or "")
    assert "cargoship doctor" in (caught.value.hint or "")


def test_what_cargo_finds_in_the_project_is_found_there(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    env = {"PATH": f":.:bin:{project}/bin", "HOME": "/root"}
    assert ProgramFinder.outside([project], env).find("cargo", env) == project / "bin/cargo"


def test_cargoships_own_environment_may_be_in_the_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aws = program(project / ".venv/bin/aws")
    monkeypatch.setattr(sys, "executable", str(aws.with_name("python")))
    env = {"PATH": f"{aws.parent}:{project}/bin", "HOME": "/root"}
    assert ProgramFinder.outside([project], env).find("aws", env) == aws
    assert ProgramFinder.outside([project], env).find("docker", env) is None


@pytest.mark.parametrize("marked", ["home", "home/code", "."])
def test_a_home_is_no_project(project: Path, tmp_path: Path, marked: str) -> None:
    (tmp_path / marked / ".git").mkdir()
    tool = program(tmp_path / "home/.local/bin/docker")
    env = {"PATH": f"{project}/bin:{tool.parent}", "HOME": str(tmp_path / "home")}
    assert ProgramFinder.outside([project], env).find("docker", env) == tool


def test_the_outermost_project_counts(project: Path) -> None:
    (project.parent / ".git").touch()
    tool = program(project.parent / "scripts/docker")
    env = {"PATH": str(tool.parent), "HOME": "/root"}
    assert ProgramFinder.outside([project], env).find("docker", env) is None
    assert ProgramFinder.outside([project.parents[1]], env).find("docker", env) == tool


def test_programs_that_are_started_do_not_look_in_the_current_folder_either(project: Path) -> None:
    asks = project.parents[2] / "tools/asks"
    asks.parent.mkdir()
    asks.write_text('#!/bin/sh\necho "$PATH"\n')
    asks.chmod(0o755)
    env = {"PATH": f".:{asks.parent}::{project}/bin:bin:"}
    assert SystemRunner().run(Command(("asks",), env=env)).text == f"{asks.parent}:{project}/bin\n"
    assert SystemRunner().run(Command((str(asks),), env=env)).text == f"{env['PATH']}\n"


def test_secrets_stay_here() -> None:
    kept = {"PATH": "/bin", "HOME": "/h", "LANG": "C", "GIT_AUTHOR_NAME": "a", "XDG_CONFIG_HOME": "/c", "SUDO_UID": "1"}
    kept |= {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "/x"}
    secret = [
        "AWS_ACCESS_KEY_ID", "AWS_PROFILE", "CARGO_REGISTRY_TOKEN", "CARGO_REGISTRIES_X_CREDENTIAL_PROVIDER",
        "CARGOSHIP_ENV", "CI_JOB_TOKEN", "CI_REGISTRY_PASSWORD", "DB_PASSWD", "DOCKER_AUTH_CONFIG", "GITHUB_TOKEN",
        "GOOGLE_APPLICATION_CREDENTIALS", "HTTPS_PROXY", "MY_SECRET_2", "SIGNING_KEY", "all_proxy", "npm_config__auth",
    ]  # fmt: skip
    assert without_secrets({**kept, **dict.fromkeys(secret, "hunter2")}) == kept
