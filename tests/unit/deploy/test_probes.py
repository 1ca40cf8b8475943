"""What is said of containers that nobody checks, though their image's settings say how."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cargoship.events import Note
from cargoship.settings.health import Healthcheck, HttpProbe
from support.deploying import Workplace

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
        "apiVersion: v1\ncontainers: 7\nx: {containers: [1, {image: 2}, {image: 'x cargoship://app'}]}\n",
    ],
)
def test_where_nothing_is_to_be_said(tmp_path: Path, text: str) -> None:
    assert said(tmp_path, "x.yaml", text) == []
