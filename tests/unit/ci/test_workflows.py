"""The workflows of GitHub and GitLab, for every kind of project, by the schemas that the hosts' editors use."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Any

import jsonschema
import pytest
import yaml
from ruamel.yaml import YAML

from cargoship.ci.github import github
from cargoship.ci.gitlab import gitlab
from cargoship.ci.workflow import Job, Workflow

PLATFORMS = (Job("amd64", "--platform linux/amd64"), Job("arm-v7", "--platform linux/arm/v7"))
PACKAGES = (Job("shop", "--package shop"), Job("shop_worker", "--package shop_worker"))
KINDS_OF_PROJECTS = itertools.product(("", "apps/shop"), (False, True), (False, True), ((), PLATFORMS, PACKAGES))
WORKFLOWS = [
    Workflow("1.2.3", PurePosixPath(folder), "main", several=several, own_tags=own, jobs=jobs)
    for folder, several, own, jobs in KINDS_OF_PROJECTS
]
KINDS = {"github-workflows": github, "gitlab-ci": gitlab}


def schema(name: str) -> Any:  # noqa: ANN401 - JSON
    place = files("check_jsonschema") / "builtin_schemas" / "vendor" / f"{name}.json"
    return json.loads(place.read_text(encoding="utf-8"))


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_the_hosts_take_them(kind: str, workflow: Workflow) -> None:
    text = KINDS[kind](workflow)
    # `on` is a truth value to YAML 1.1, and a word to GitHub
    document = YAML(typ="safe", pure=True).load(text)
    jsonschema.Draft7Validator(schema(kind)).validate(document)
    assert "  \n" not in text
    assert text.endswith("\n")


@pytest.mark.parametrize("write", [github, gitlab])
def test_own_tags_are_left_to_the_settings(write: Callable[[Workflow], str]) -> None:
    own, default = (Workflow("1", PurePosixPath(), "main", several=True, own_tags=each) for each in (True, False))
    assert "-t " not in write(own)
    assert "/{name}:{git.short}" in write(default)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=str)
def test_github_jobs_have_the_least_rights_and_pinned_actions(workflow: Workflow) -> None:
    text = github(workflow)
    document = yaml.safe_load(text)
    assert document["permissions"] == {}
    for job in document["jobs"].values():
        assert job["permissions"] == {"contents": "read", "packages": "write"}
        assert job["timeout-minutes"] > 0
        for step in job["steps"]:
            assert "uses" not in step or re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step["uses"])
            # expressions go into scripts through the environment alone: what a stranger names stays a value
            assert "${{" not in step.get("run", "")
    assert text.count("persist-credentials: false") == text.count("uses:")
