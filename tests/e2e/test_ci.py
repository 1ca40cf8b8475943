"""Workflows: by the hosts' own schemas, and each step run in order against a registry, from clean clones."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from support import judges
from support.actions import Machine, action, github, gitlab
from support.engine import Engine
from support.pair import NAMES, write_pair
from support.programs import REPOSITORY, RunCargoship, run
from support.pushing import client_of
from support.registry import RunningRegistry
from support.shipped import PLATFORMS

pytestmark = pytest.mark.e2e

GITHUB, GITLAB = ".github/workflows/image.yml", ".gitlab-ci.yml"
SCHEMAS = {GITHUB: "vendor.github-workflows", GITLAB: "vendor.gitlab-ci"}
TIME = {"GIT_AUTHOR_DATE": "1000000000 +0000", "GIT_COMMITTER_DATE": "1000000000 +0000"}


def git(folder: Path, *words: str) -> str:
    names = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    return run("git", *names, *words, cwd=folder, env=TIME).stdout.strip()


def judge(path: Path, schema: str) -> None:
    run(str(Path(sys.executable).parent / "check-jsonschema"), "--builtin-schema", schema, path)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with the two services in a folder of it."""
    root = tmp_path / "repository"
    (root / "app").mkdir(parents=True)
    write_pair(root / "app", "unused")
    (root / ".gitignore").write_text("target\n")
    run("cargo", "generate-lockfile", "--offline", cwd=root / "app", env={"CARGO": "/usr/bin/cargo"}, check=False)
    git(root, "init", "-q", "-b", "main")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "first")
    return root


@pytest.fixture
def machine(tmp_path: Path, repository: Path, docker_registry: RunningRegistry) -> Machine:
    return Machine(tmp_path / "machine", repository, docker_registry.host)


def committed(repository: Path, run_cargoship: RunCargoship, *words: str) -> str:
    """Let cargoship write the workflow, judge it, and commit it; the commit."""
    path = GITHUB if "github" in words else GITLAB
    assert f"wrote {repository / path}" in run_cargoship("init", repository / "app", *words).stderr
    judge(repository / path, SCHEMAS[path])
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "workflow")
    return git(repository, "rev-parse", "HEAD")


def compiled(summaries: str) -> int:
    """How many units the jobs compiled, as their summaries tell."""
    return sum(map(int, re.findall(r"(\d+) units? compiled", summaries)))


def tags(registry: RunningRegistry, repository: str) -> list[str]:
    with client_of(registry.host) as client:
        # this registry lists what refers to an image under tags made of digests
        return sorted(tag for tag in client.tags(repository) if not tag.startswith("sha256-"))


def check_images(registry: RunningRegistry, engine: Engine, repository: str, tag: str) -> None:
    """Both services are there for both platforms, and run."""
    for name in NAMES:
        reference = f"{registry.host}/{repository}/{name}:{tag}"
        assert sorted(judges.platforms(judges.raw_index(reference))) == list(PLATFORMS)
        for platform in PLATFORMS:
            said = engine.output(engine.pull(reference, platform), platform, "--once")
            assert said.startswith(f"{name} {'x86_64' if platform.endswith('amd64') else 'aarch64'}")
            engine.remove(reference)


@pytest.mark.parametrize(
    "matrix", [(), ("--matrix", "platform"), ("--matrix", "package")], ids=["one", "platform", "package"]
)
def test_github(
    run_cargoship: RunCargoship,
    repository: Path,
    machine: Machine,
    docker_registry: RunningRegistry,
    engine: Engine,
    matrix: tuple[str, ...],
) -> None:
    sha = committed(repository, run_cargoship, "--ci", "github", *matrix)
    name = f"Me/App-{matrix[-1] if matrix else 'one'}"
    event = {"event_name": "push", "token": "secret", "event": {}}
    env = {
        "GITHUB_REPOSITORY": name, "GITHUB_ACTOR": "me", "GITHUB_SHA": sha, "GITHUB_REF_TYPE": "branch",
        "GITHUB_REF_NAME": "main",
    }  # fmt: skip
    github(machine, GITHUB, event, env)
    for image in NAMES:
        assert tags(docker_registry, f"{name.lower()}/{image}") == sorted([sha[:12], "main"])
    check_images(docker_registry, engine, name.lower(), "main")
    assert machine.clones == (3 if matrix else 1)
    assert "cargoship==" in (machine.root / "installed").read_text()
    assert "secret" not in machine.said
    assert compiled(machine.summaries) > 0
    # the last job tells of all images, by digest and with their tags
    last = machine.summaries.rpartition("| --- | --- |")[2] if matrix else machine.summaries
    assert all(f"{docker_registry.host}/{name.lower()}/{image}@sha256:" in last for image in NAMES)
    assert "`main`" in last
    if "platform" not in matrix:
        return
    # one service changes: the second run takes all else from the cache, and a release moves `latest`
    code = repository / "app" / NAMES[0] / "src" / "main.rs"
    code.write_text(code.read_text().replace("8080", "8081"))
    git(repository, "commit", "-aqm", "change")
    second = git(repository, "rev-parse", "HEAD")
    machine.summaries = ""
    github(machine, GITHUB, event, {**env, "GITHUB_SHA": second, "GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "v1.0.0"})
    assert tags(docker_registry, f"{name.lower()}/{NAMES[0]}") == sorted(
        [sha[:12], second[:12], "main", "v1.0.0", "latest"]
    )
    # a job for each platform, and in each the one program that changed
    assert compiled(machine.summaries) == len(PLATFORMS)


def test_a_pull_request_from_a_fork_publishes_nothing(
    run_cargoship: RunCargoship, repository: Path, machine: Machine, docker_registry: RunningRegistry
) -> None:
    sha = committed(repository, run_cargoship, "--ci", "github")
    pull = {"event_name": "pull_request", "token": "t", "event": {"pull_request": {"head": {"repo": {"fork": True}}}}}
    env = {
        "GITHUB_REPOSITORY": "Me/Fork", "GITHUB_ACTOR": "me", "GITHUB_SHA": sha, "GITHUB_REF_NAME": "7/merge",
        "GITHUB_HEAD_REF": "fix",
    }  # fmt: skip
    github(machine, GITHUB, pull, env)
    assert tags(docker_registry, f"me/fork/{NAMES[0]}") == []
    assert tags(docker_registry, "me/fork-cache") == []


@pytest.mark.parametrize("matrix", [(), ("--matrix", "platform")], ids=["one", "platform"])
def test_gitlab(
    run_cargoship: RunCargoship,
    repository: Path,
    machine: Machine,
    docker_registry: RunningRegistry,
    engine: Engine,
    matrix: tuple[str, ...],
) -> None:
    sha = committed(repository, run_cargoship, "--ci", "gitlab", *matrix)
    name = f"group/app-{matrix[-1] if matrix else 'one'}"
    env = {
        "CI_REGISTRY": docker_registry.host, "CI_REGISTRY_IMAGE": f"{docker_registry.host}/{name}",
        "CI_REGISTRY_USER": "me", "CI_REGISTRY_PASSWORD": "secret", "CI_PROJECT_ID": "1", "GITLAB_CI": "true",
        "CI_COMMIT_SHA": sha, "CI_COMMIT_BRANCH": "main", "CI_PIPELINE_SOURCE": "push",
    }  # fmt: skip
    gitlab(machine, GITLAB, env)
    for image in NAMES:
        assert tags(docker_registry, f"{name}/{image}") == sorted([sha[:12], "main"])
    check_images(docker_registry, engine, name, sha[:12])
    assert machine.clones == (3 if matrix else 1)
    assert "secret" not in machine.said
    if matrix:
        return
    other = {**env, "CI_REGISTRY_IMAGE": f"{docker_registry.host}/fork", "CI_PIPELINE_SOURCE": "merge_request_event"}
    gitlab(machine, GITLAB, {**other, "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "2"})
    assert tags(docker_registry, f"fork/{NAMES[0]}") == tags(docker_registry, "fork/cache") == []


def test_the_action_builds_pushes_and_gives_digests(machine: Machine, docker_registry: RunningRegistry) -> None:
    where = f"{docker_registry.host}/action"
    inputs = {
        "path": "app", "tags": f"{where}/{{name}}:1\n{where}/{{name}}:2\n",
        "platforms": "linux/amd64", "arguments": "-p tiny-front -o 'oci:two words'", "registry": docker_registry.host,
        "password": "secret", "cache": f"registry:{where}/units", "rust": "1.96.0",
    }  # fmt: skip
    gives = action(machine, REPOSITORY / "action.yml", inputs, {"actor": "me"})
    (image,) = gives["images"].splitlines()
    assert image == f"{where}/tiny-front@{gives['digest']}"
    assert json.loads(Path(gives["metadata"]).read_text())["containerimage.digest"] == gives["digest"]
    assert tags(docker_registry, "action/tiny-front") == ["1", "2"]
    assert tags(docker_registry, "action/units") != []
    installed = (machine.root / "installed").read_text()
    assert f"pipx install --force {REPOSITORY}\n" in installed
    assert "rustup toolchain install 1.96.0 " in installed
    assert "secret" not in machine.said
    # another run of it, of a fork's pull request: it reads what is compiled, and writes nothing
    fork = {"actor": "me", "event": {"pull_request": {"head": {"repo": {"fork": True}}}}}
    again = action(machine, REPOSITORY / "action.yml", {**inputs, "push": "false"}, fork)
    assert again["digest"] == gives["digest"]
    assert (machine.root / f"clone-{machine.clones}" / "two words" / "index.json").is_file()
