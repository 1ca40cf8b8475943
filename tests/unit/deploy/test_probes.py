"""What is said of containers that nobody checks, though their image's settings say how."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from cargoship.events import Note
from cargoship.settings.health import Healthcheck, HttpProbe
from support.deploying import Workplace
from support.judges import check_compose, check_pod, check_task
from support.programs import REPOSITORY

CHECK = Healthcheck(HttpProbe("/health", 8080), interval_ns=10**10)
POD = '{"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 10}'
DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
spec:
  template:
    spec:
      initContainers: [{name: init, image: cargoship://app}]
      containers:
      - {name: web, image: cargoship://app%s}
      - {name: other, image: cargoship://plain}
"""
TASK = {"containerDefinitions": [{"name": "web", "image": "cargoship://app"}]}


def said(tmp_path: Path, name: str, text: str) -> list[str]:
    place = Workplace(tmp_path, {"app": ["app"], "plain": ["plain"]})
    place.builder.checks["app"] = CHECK
    place.resolve((name, text.encode()))
    return [event.text for event in place.events if isinstance(event, Note) and "nothing checks" in event.text]


def test_a_container_of_kubernetes(tmp_path: Path) -> None:
    (note,) = said(tmp_path, "k.yaml", DEPLOYMENT % "")
    assert note.startswith("k.yaml: nothing checks the container web; ")
    assert note.endswith(f' {{"readinessProbe": {POD}}}')


@pytest.mark.parametrize("probe", ["livenessProbe", "readinessProbe", "startupProbe"])
def test_one_that_has_a_probe(tmp_path: Path, probe: str) -> None:
    assert said(tmp_path, "k.yaml", DEPLOYMENT % f", {probe}: {{tcpSocket: {{port: 1}}}}") == []


@pytest.mark.parametrize("name", ["task.json", "task.yaml"])
def test_a_task_definition(tmp_path: Path, name: str) -> None:
    (note,) = said(tmp_path, name, json.dumps(TASK))
    command = '["CMD", "/app/cargoship-probe", "http", "8080", "/health"]'
    assert note.endswith(f' {{"healthCheck": {{"command": {command}, "interval": 10}}}}')


@pytest.mark.parametrize(
    "text",
    [
        "services: {web: {image: cargoship://app}}\n",
        "image: cargoship://app\n",
        "apiVersion: v1\ncontainers: 7\nx: {containers: [1, {image: 2}, {image: web}], said: 'x cargoship://app'}\n",
    ],
)
def test_where_nothing_is_to_be_said(tmp_path: Path, text: str) -> None:
    assert said(tmp_path, "x.yaml", text) == []


def resolved(tmp_path: Path, name: str, text: str) -> str:
    place = Workplace(tmp_path, {"web": ["web"]})
    place.builder.checks["web"] = CHECK
    (document,) = place.resolve((name, text.encode())).documents
    assert not [each for each in place.events if isinstance(each, Note) and "nothing checks" in each.text]
    assert place.reference("web") in document.data.decode()
    return document.data.decode()


def test_the_documents_of_the_documentation(tmp_path: Path) -> None:
    """What docs/health.md has for each is resolved, and is what its schema takes."""
    text = (REPOSITORY / "docs/health.md").read_text()
    kubelet, by_probe, compose = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (task,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    for probe in (kubelet, by_probe):
        container = {"name": "web", "image": "cargoship://web", **yaml.safe_load(probe)}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": [container]}}
        check_pod(yaml.safe_load(resolved(tmp_path, "pod.yaml", json.dumps(pod))))
    check_compose(yaml.safe_load(resolved(tmp_path, "compose.yaml", compose)))
    check_task(json.loads(resolved(tmp_path, "task.json", task)) | {"family": "web"})
