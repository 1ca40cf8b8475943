"""From documents to what runs: Kubernetes' schemas, Compose and Amazon's command line judge the result."""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support import judges
from support.buildx import newer_client
from support.pair import NAMES, Pair
from support.programs import RunCargoship, run
from support.registry import free_port

pytestmark = pytest.mark.e2e

DEPLOYMENT = """\
# What the front is. cargoship://tiny-front stays in comments.
apiVersion: apps/v1
kind: Deployment
metadata: &meta
  name:  front
  labels: {app: front}
spec:
  replicas: 2
  selector: {matchLabels: {app: front}}
  template:
    metadata: {labels: {app: front}}
    spec:
      containers:
        - {name: web, image: "@front"}   # here
        - name: side
          image: >-
            @back
          args: ['--proxy=@front', "x"]
---

apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly, labels: {app: back}}
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers:
          - name: job
            image: @back/back
"""
SERVICE = '{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "front"}, "spec": {"ports": [{"port": 80}]}}\n'
POD = "apiVersion: v1\r\nkind: Pod\r\nmetadata: {name: p}\r\nspec:\r\n  containers: [{name: p, image: '@back'}]\r\n"
MANIFESTS = {"a.yaml": DEPLOYMENT, "b.json": SERVICE, "deep/c.yml": POD}


def written(text: str) -> str:
    """A manifest as it is before it is resolved."""
    text = text.replace("@back/back", "cargoship://tiny-back/tiny-back")
    return text.replace("@front", "cargoship://tiny-front").replace("@back", "cargoship://tiny-back")


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("manifests")
    for name, text in MANIFESTS.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(written(text).encode())
    return folder


@pytest.fixture(scope="module")
def resolved(
    run_cargoship: RunCargoship, pair: Pair, manifests: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The manifests, resolved into a folder."""
    out = tmp_path_factory.mktemp("resolved")
    done = run_cargoship(
        "resolve", "-f", manifests, "-R", "-o", f"{out}/", "--project", pair.root, env=pair.env, cwd=manifests
    )
    assert done.stdout == ""
    # once for all of them, whether from the unit cache or compiled
    assert done.stderr.count("Assembled") == 1
    return out


@pytest.fixture(scope="module")
def references(resolved: Path) -> dict[str, str]:
    """What was built, as the documents name it."""
    text = (resolved / "a.yaml").read_text()
    found = re.findall(r"[a-z0-9:.]+/pair/(tiny-[a-z]+)@(sha256:[0-9a-f]{64})", text)
    digests = dict(found)
    assert sorted(digests) == sorted(NAMES)
    return digests


def test_only_the_images_differ(pair: Pair, resolved: Path, references: dict[str, str]) -> None:
    front, back = (f"{pair.repository}/{name}@{references[name]}" for name in NAMES)
    assert sorted(str(path.relative_to(resolved)) for path in resolved.rglob("*.*")) == sorted(MANIFESTS)
    for name, text in MANIFESTS.items():
        expected = text.replace("@back/back", back).replace("@front", front).replace("@back", back)
        assert (resolved / name).read_bytes() == expected.encode()


def test_kubernetes_takes_them(resolved: Path) -> None:
    kinds = []
    for name in MANIFESTS:
        for document in yaml.safe_load_all((resolved / name).read_text()):
            import kubernetes_validate  # noqa: PLC0415 - seconds

            kubernetes_validate.validate(document, "1.31", strict=True)
            kinds.append(document["kind"])
    assert sorted(kinds) == ["CronJob", "Deployment", "Pod", "Service"]


def test_the_digests_are_images_for_every_platform(pair: Pair, references: dict[str, str]) -> None:
    for name, digest in references.items():
        index = judges.raw_index(f"{pair.repository}/{name}@{digest}")
        assert sorted(judges.platforms(index)) == ["linux/amd64", "linux/arm64"]


@pytest.fixture
def kubectl(tmp_path: Path) -> Path:
    """A kubectl that keeps what it gets and ends as KUBECTL_CODE says; its folder."""
    script = tmp_path / "bin" / "kubectl"
    script.parent.mkdir()
    script.write_text(
        '#!/bin/sh\necho "$@" > "$0.words"\ncat > "$0.stdin"\necho deployment.apps/front configured\n'
        'echo some words >&2\nexit "${KUBECTL_CODE:-0}"\n'
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return script.parent


def test_kubectl_gets_one_stream(
    run_cargoship: RunCargoship, pair: Pair, manifests: Path, resolved: Path, kubectl: Path
) -> None:
    env = {**pair.env, "PATH": f"{kubectl}:{os.environ['PATH']}"}
    words = ("apply", "-f", "a.yaml", "-f", "deep", "--project", pair.root, "--", "--server-side", "-n", "x y")
    done = run_cargoship(*words, cwd=manifests, env=env)
    assert done.stdout == "deployment.apps/front configured\n"
    assert "some words" in done.stderr
    assert (kubectl / "kubectl.words").read_text() == "apply -f - --server-side -n x y\n"
    expected = (resolved / "a.yaml").read_bytes() + b"---\n" + (resolved / "deep" / "c.yml").read_bytes()
    assert (kubectl / "kubectl.stdin").read_bytes() == expected


def test_a_local_cluster_gets_images_and_documents_without_a_registry(
    run_cargoship: RunCargoship, pair: Pair, manifests: Path, kubectl: Path
) -> None:
    kind = kubectl / "kind"
    kind.write_text('#!/bin/sh\n[ "$1" = load ] || { echo dev; exit; }\ntar -xOf "$3" manifest.json >> "$0.loaded"\n')
    kind.chmod(0o755)
    env = {**pair.env, "PATH": f"{kubectl}:{os.environ['PATH']}"}
    words = ("apply", "-f", "a.yaml", "--project", pair.root, "--cluster", "kind:dev")
    run_cargoship(*words, cwd=manifests, env=env)
    assert (kubectl / "kubectl.words").read_text() == "apply -f - --context kind-dev\n"
    loaded = set(re.findall(r'"([^"]+:cargoship-[0-9a-f]{12})"', (kubectl / "kind.loaded").read_text()))
    applied = yaml.safe_load_all((kubectl / "kubectl.stdin").read_text())
    deployment, job = (each for each in applied if each)
    images = {each["image"] for each in deployment["spec"]["template"]["spec"]["containers"]}
    images.add(job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["image"])
    assert images == loaded
    assert len(images) == len(NAMES)
    run_cargoship(*words, "--", "--context=prod", cwd=manifests, env=env)
    assert (kubectl / "kubectl.words").read_text() == "apply -f - --context=prod\n"


def test_kubectl_that_fails_half_way_loses_nothing(
    run_cargoship: RunCargoship, pair: Pair, manifests: Path, resolved: Path, kubectl: Path, tmp_path: Path
) -> None:
    cache = Path(os.environ["CARGOSHIP_CACHE_DIR"])
    env = {**pair.env, "PATH": f"{kubectl}:{os.environ['PATH']}", "KUBECTL_CODE": "7"}
    done = run_cargoship("apply", "-f", "a.yaml", "--project", pair.root, cwd=manifests, env=env, check=False)
    assert done.returncode == 7
    assert "error: kubectl ended with 7\n" in done.stderr
    kept = Path(re.findall(r"go on with: kubectl apply -f (.*)", done.stderr)[0])
    assert kept.parent == cache / "deploy"
    assert kept.read_bytes() == (resolved / "a.yaml").read_bytes()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert list(tmp_path.glob("*.tmp")) == []


@pytest.mark.parametrize(
    ("command", "tool"),
    [("apply", "kubectl is not on PATH"), ("up", "there is neither"), ("deploy", "aws is not on PATH")],
)
def test_a_tool_that_is_missing_is_reported_before_anything_is_built(
    run_cargoship: RunCargoship, pair: Pair, manifests: Path, tmp_path: Path, command: str, tool: str
) -> None:
    (tmp_path / "git").symlink_to("/usr/bin/git")
    done = run_cargoship(
        command,
        "-f",
        "a.yaml",
        "--project",
        pair.root,
        cwd=manifests,
        env={**pair.env, "PATH": str(tmp_path)},
        check=False,
    )
    assert (done.returncode, done.stdout) == (30, "")
    assert tool in done.stderr
    assert "Compil" not in done.stderr


def answer(port: int) -> str:
    """What a service on this machine says, once it is up."""
    until = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as reply:
                return str(reply.read().decode())
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


COMPOSE = {"docker-compose": {}, "docker compose": newer_client()}
"""The program of old, and Docker's plugin: the first that is there is taken."""


@pytest.mark.parametrize("compose", COMPOSE)
@pytest.mark.parametrize(("platform", "machine"), [("linux/amd64", "x86_64"), ("linux/arm64", "aarch64")])
def test_compose_brings_both_up(
    run_cargoship: RunCargoship, pair: Pair, platform: str, machine: str, compose: str
) -> None:
    ports = {"front": free_port(), "back": free_port()}
    file = pair.root / "compose.yaml"
    text = (
        f"services:\n  front: # from a reference\n    image: cargoship://tiny-front\n    platform: {platform}\n"
        f"    network_mode: host\n    environment: [ 'LISTEN=127.0.0.1:{ports['front']}' ]\n"
        f"  back:\n    build: ./tiny-back # from a folder\n    platform: {platform}\n    network_mode: host\n"
        f"    environment: {{LISTEN: '127.0.0.1:{ports['back']}'}}\n    depends_on: [front]\n"
    )
    file.write_text(text)
    name = f"cargoship-deploy-{machine.replace('_', '-')}"
    # an engine of old keeps one platform of a name: each has a repository of its own
    tags = f"{pair.repository}-{machine}/{{name}}"
    env = {**pair.env, **COMPOSE[compose], "COMPOSE_PROJECT_NAME": name, "CARGOSHIP_TAGS": tags}
    try:
        run_cargoship("up", "--", "-d", cwd=pair.root, env=env)
        for service, port in ports.items():
            assert answer(port) == f"tiny-{service} {machine}"
    finally:
        # the file as it was stops what was started from the resolved one
        down = run(*compose.split(), "down", "-t", "1", cwd=pair.root, env=env, check=False)
    assert down.returncode == 0, down.stderr
    assert file.read_text() == text
    left = run("docker", "ps", "-aq", "--filter", f"label=com.docker.compose.project={name}").stdout
    assert left == ""


def test_compose_needs_no_registry(run_cargoship: RunCargoship, pair: Pair, tmp_path: Path) -> None:
    port = free_port()
    text = (
        f"services:\n  front:\n    image: cargoship://tiny-front\n    network_mode: host\n"
        f"    environment: ['LISTEN=127.0.0.1:{port}']\n"
    )
    (tmp_path / "compose.yml").write_text(text)
    env = {**pair.env, "COMPOSE_PROJECT_NAME": "cargoship-deploy-load", "CARGOSHIP_TAGS": ""}
    try:
        done = run_cargoship("up", "--load", "--project", pair.root, "--", "-d", cwd=tmp_path, env=env)
        assert answer(port).startswith("tiny-front ")
        assert "Pushed" not in done.stderr
        image = run("docker-compose", "ps", "-q", cwd=tmp_path, env=env).stdout.strip()
        name = run("docker", "inspect", "-f", "{{.Config.Image}}", image).stdout.strip()
        assert re.fullmatch(r"tiny-front:cargoship-[0-9a-f]{12}", name)
        run("docker", "rm", "-f", image)
        run("docker", "rmi", name, "tiny-front:latest")
    finally:
        run("docker-compose", "down", "-t", "1", cwd=tmp_path, env=env, check=False)


TASK = """\
{
  "family": "web",
  "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256", "memory": "512",
  "runtimePlatform": {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"},
  "containerDefinitions": [
    {"name": "front", "image": "cargoship://tiny-front", "portMappings": [{"containerPort": 8080}]},
    {"name": "back",  "image": "cargoship://tiny-back",  "essential": false}
  ]
}
"""


@contextlib.contextmanager
def amazon() -> Iterator[dict[str, str]]:
    """moto's ECS on a port of its own; the environment in which `aws` talks to it."""
    port = free_port()
    argv = [str(Path(sys.executable).parent / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_MAX_ATTEMPTS": "10",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
    finally:
        process.terminate()
        process.wait()


def test_amazon_takes_the_task(
    run_cargoship: RunCargoship, pair: Pair, references: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "task.json").write_text(TASK)
    expected = TASK
    for name in NAMES:
        expected = expected.replace(f"cargoship://{name}", f"{pair.repository}/{name}@{references[name]}")
    words = ("deploy", "-f", "task.json", "--project", pair.root)
    assert run_cargoship(*words, "--print", cwd=tmp_path, env=pair.env).stdout == expected
    with amazon() as env:
        query = ("--query", "taskDefinition.taskDefinitionArn", "--output", "text")
        done = run_cargoship(*words, "--", *query, cwd=tmp_path, env={**pair.env, **env})
        task = done.stdout.strip()
        aws = str(Path(sys.executable).parent / "aws")
        run(aws, "ecs", "create-cluster", "--cluster-name", "c", env=env)
        service = ("create-service", "--cluster", "c", "--service-name", "web", "--desired-count", "2")
        made = json.loads(run(aws, "ecs", *service, "--task-definition", task, env=env).stdout)
        assert made["service"]["taskDefinition"] == task
        described = json.loads(run(aws, "ecs", "describe-task-definition", "--task-definition", task, env=env).stdout)
        images = [each["image"] for each in described["taskDefinition"]["containerDefinitions"]]
        assert images == [f"{pair.repository}/{name}@{references[name]}" for name in NAMES]


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (TASK, 2, "task.json:6:33: the task runs on ARM64 (runtimePlatform.cpuArchitecture), and the image is built"),
        (TASK.replace("LINUX", "WINDOWS_SERVER_2022_CORE"), 2, "task.json: the task runs on WINDOWS"),
        (TASK.replace("ARM64", "ARM"), 2, "cpuArchitecture is 'ARM'"),
        ('{"family": "x"}', 24, "task.json: this is no task definition"),
        ("[]", 24, "task.json: this is no task definition"),
    ],
)  # fmt: skip
def test_tasks_that_could_not_run(
    run_cargoship: RunCargoship, pair: Pair, tmp_path: Path, text: str, code: int, said: str
) -> None:
    (tmp_path / "task.json").write_text(text)
    words = ("deploy", "--print", "-f", "task.json", "--project", pair.root, "--platform", "linux/amd64")
    done = run_cargoship(*words, cwd=tmp_path, env=pair.env, check=False)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "Compil" not in done.stderr
