"""This project's own workflow and forms: what GitHub would take, with the action that generated workflows pin."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import yaml

from cargoship.ci import github
from support.programs import REPOSITORY, run

pytestmark = pytest.mark.tools

WORKFLOW = REPOSITORY / ".github" / "workflows" / "ci.yml"


def test_github_takes_the_workflow() -> None:
    judge = Path(sys.executable).parent / "check-jsonschema"
    run(judge, "--builtin-schema", "vendor.github-workflows", WORKFLOW)


def test_it_is_held_as_tightly_as_those_that_are_generated() -> None:
    text = WORKFLOW.read_text()
    assert set(re.findall(r"uses: (.*)", text)) == {github._CHECKOUT}
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert job["permissions"] == {"contents": "read"}
        assert job["timeout-minutes"] <= 90


def test_what_it_starts_is_there() -> None:
    started = re.findall(r"run: (?:bash )?(\S*(?:scripts|\.ci)/\S+)", WORKFLOW.read_text())
    assert started == [".ci/run", "scripts/check", "scripts/test"]
    assert all((REPOSITORY / name).stat().st_mode & 0o111 for name in started)


@pytest.mark.parametrize(
    "form", sorted((REPOSITORY / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml")), ids=lambda form: form.stem
)
def test_forms_ask_something(form: Path) -> None:
    asked = yaml.safe_load(form.read_text())
    assert asked["name"]
    assert asked["description"]
    assert [part["attributes"]["label"] for part in asked["body"] if part["type"] != "markdown"]
