"""The workflows of GitHub and GitLab, for every kind of project, by the schemas that the hosts' editors use."""

from __future__ import annotations

import itertools
import json
import re
import shlex
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml
from ruamel.yaml import YAML

from cargoship.ci.github import github
from cargoship.ci.gitlab import gitlab
from cargoship.ci.workflow import Job, Matrix, Workflow, job_keys, workflow_of
from cargoship.errors import UsageError
from support import results

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


OTHERS = [
    Workflow(
        "1.2.3", PurePosixPath(), "main", several=False, own_tags=True, jobs=jobs,
        registries=("quay.io", "9.example.com:5000", "ghcr.io", "registry.gitlab.com"), rust="1.96.0",
    )
    for jobs in ((), PLATFORMS)
]  # fmt: skip
WORKFLOWS += OTHERS
SIGNED = [
    Workflow("cargoship==1.2.3", PurePosixPath(), "main", several=False, own_tags=False, jobs=jobs, sign=sign)
    for jobs in ((), PLATFORMS)
    for sign in ("keyless", "env://COSIGN_PRIVATE_KEY", "keys/cosign key")
]


@pytest.mark.parametrize("workflow", WORKFLOWS + SIGNED, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_the_hosts_take_them(kind: str, workflow: Workflow) -> None:
    text = KINDS[kind](workflow)
    # `on` is a truth value to YAML 1.1, and a word to GitHub
    document = YAML(typ="safe", pure=True).load(text)
    import jsonschema  # noqa: PLC0415 - seconds

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


@pytest.mark.parametrize("workflow", SIGNED, ids=str)
def test_a_job_has_what_signing_takes_and_pull_requests_do_not(workflow: Workflow) -> None:
    text = github(workflow)
    document = yaml.safe_load(text)
    for job in document["jobs"].values():
        assert job["permissions"].get("id-token") == ("write" if workflow.sign == "keyless" else None)
        for step in job["steps"]:
            for value in (value for value in step.get("env", {}).values() if "COSIGN" in value):
                assert value.startswith("${{ github.event_name != 'pull_request' && secrets.COSIGN_")
            if "cargoship merge" in step.get("run", ""):
                assert f"--sign {shlex.quote(str(workflow.sign))}" in step["run"]
    assert ("cargoship[sign]==1.2.3" in text) == (workflow.sign == "keyless")
    pipeline = yaml.safe_load(gitlab(workflow))
    assert ("id_tokens" in pipeline["default"]) == (workflow.sign == "keyless")


def test_what_signs_is_installed_whatever_cargoship_comes_from() -> None:
    for source, expected in (
        ("https://example.com/c.whl", '"cargoship[sign] @ https://example.com/c.whl"'),
        ("dist/c.whl", '/$CARGOSHIP_SOURCE[sign]"'),
    ):
        workflow = Workflow(source, PurePosixPath(), "main", several=False, own_tags=True, sign="keyless")
        assert expected in github(workflow)
        assert expected in gitlab(workflow)


@pytest.mark.parametrize("workflow", OTHERS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_tags_on_another_registry_get_a_login_there_and_its_secrets_are_reported(kind: str, workflow: Workflow) -> None:
    text = KINDS[kind](workflow)
    head = [line for line in text.splitlines() if line.startswith("#")]
    for host, name in (("quay.io", "QUAY_IO"), ("9.example.com:5000", "REGISTRY_9_EXAMPLE_COM_5000")):
        (reported,) = (line for line in head if line.startswith(f"# {host} wants"))
        assert f"{name}_USERNAME and {name}_PASSWORD" in reported
        assert f"{name}_CA" in "\n".join(head)
        assert f"cargoship login {host} " in text
        assert f"certs.d/{host}" in text
    own = {"github-workflows": "ghcr.io", "gitlab-ci": "registry.gitlab.com"}[kind]
    assert f"cargoship login {own} " not in text, "its login is known"


@pytest.mark.parametrize("jobs", [(), PLATFORMS])
def test_later_jobs_get_digests_and_rust_does_not_float(jobs: tuple[Job, ...]) -> None:
    made = Workflow("1", PurePosixPath(), "main", several=False, own_tags=False, jobs=jobs, rust="1.96.0")
    document = yaml.safe_load(github(made))
    assert "workflow_dispatch" in document[True], "YAML 1.1 takes `on` for a truth value"
    last = list(document["jobs"].values())[-1]
    assert last["outputs"] == {"images": "${{ steps.images.outputs.images }}"}
    assert [step["id"] for step in last["steps"] if "id" in step] == ["images"]
    steps = [step.get("name") for job in document["jobs"].values() for step in job["steps"]]
    assert steps.count("Install Rust") == 1, "merging compiles nothing"
    assert document["env"]["RUST_VERSION"] == "1.96.0"
    pinned = Workflow("1", PurePosixPath(), "main", several=False, own_tags=False, rust="1.96.0", toolchain_file=True)
    assert "RUST_VERSION" not in github(pinned), "rustup reads the project's own file"

    pipeline = yaml.safe_load(gitlab(made))
    assert pipeline["default"]["image"] == "rust:1.96.0-bookworm"
    assert {"if": "$CI_PIPELINE_SOURCE == 'web'"} in pipeline["workflow"]["rules"]
    last = pipeline["merge" if jobs else "ship"]
    assert last["artifacts"]["paths"] == (["images.txt"] if jobs else ["images.txt", "cargoship-report.html"])
    built = pipeline["build" if jobs else "ship"]
    page = "cargoship-report-$KEY.html" if jobs else "cargoship-report.html"
    assert built["script"][-1] == f'cargoship report -o "$CI_PROJECT_DIR/{page}" || true'
    assert page.replace("$KEY", "*") in built["artifacts"]["paths"]
    assert last.get("image", "rust").startswith("debian" if jobs else "rust")


@pytest.mark.parametrize("kind", KINDS)
def test_a_workflow_installs_what_it_is_asked_for_and_says_what_else_it_may_be(kind: str) -> None:
    write = KINDS[kind]
    wheel, index = (
        write(Workflow(source, PurePosixPath("app"), "main", several=False, own_tags=False))
        for source in ("dist/cargoship-0.1.0-py3-none-any.whl", "cargoship==0.1.0")
    )
    checkout = {"github-workflows": "$GITHUB_WORKSPACE", "gitlab-ci": "$CI_PROJECT_DIR"}[kind]
    assert f'pipx install "{checkout}/$CARGOSHIP_SOURCE"' in wheel
    assert "CARGOSHIP_SOURCE: dist/cargoship-0.1.0-py3-none-any.whl\n" in wheel
    assert 'pipx install "$CARGOSHIP_SOURCE"' in index
    assert "cargoship init --cargoship FILE" in index
    assert "--cargoship FILE" not in wheel


HOSTILE = (
    "a b",
    "a: b",
    "x # y",
    "]",
    "a,b",
    "'",
    '"',
    "-rf",
    "$(id)",
    "`id`",
    "$HOME",
    "a;id",
    "{x}",
    "&a",
    "*a",
    "!x",
    "true",
    "1.0",
    "é",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_stay_names(name: str) -> None:
    workflow = Workflow("1.2.3", PurePosixPath(f"x/{name}"), name, several=False, own_tags=False)
    document = yaml.safe_load(github(workflow))
    # `on` is a truth value to YAML 1.1
    assert document[True]["push"]["branches"] == [name.replace("!", "\\!")]
    (job, *_) = document["jobs"].values()
    assert job["defaults"]["run"]["working-directory"] == f"x/{name}"
    scripts = [line for job in yaml.safe_load(gitlab(workflow)).values() if isinstance(job, dict)
               for part in ("before_script", "script") for line in job.get(part, ())]  # fmt: skip
    assert ["cd", f"x/{name}"] in [shlex.split(line) for line in scripts if line.startswith("cd ")]


@pytest.mark.parametrize("name", ["${{ secrets.GITHUB_TOKEN }}", "a${{b", "a\nb", "a\x1b[2J", "a\u2028b"])
@pytest.mark.parametrize("place", ["source", "folder", "branch"])
def test_names_that_a_host_would_obey_are_refused(name: str, place: str, tmp_path: Path) -> None:
    named: dict[str, Any] = {"source": "1.2.3", "folder": PurePosixPath("x"), "branch": "main"}
    named[place] = PurePosixPath(name) if place == "folder" else name
    with pytest.raises(UsageError, match="cannot be written into a workflow"):
        workflow_of(results.plan(tmp_path, "web"), None, **named)


@pytest.mark.parametrize(("branch", "pattern"), [("c++", "c\\+\\+"), ("!x", "\\!x"), ("a!b]", "a!b]")])
def test_a_branch_is_no_pattern(branch: str, pattern: str) -> None:
    text = github(Workflow("1.2.3", PurePosixPath(), branch, several=False, own_tags=False))
    assert yaml.safe_load(text)[True]["push"]["branches"] == [pattern]


@pytest.mark.parametrize(
    ("matrix", "names"),
    [
        (Matrix.PACKAGE, ["on", "null", "true", "y", "Ünï", "Ünü", "App", "app", "app-2"]),
        (Matrix.PLATFORM, ["386", "amd64", "arm-v7"]),
    ],
)
def test_what_the_parts_of_a_matrix_are_called_is_a_name_to_every_reader(matrix: Matrix, names: list[str]) -> None:
    keys = job_keys(matrix, names)
    jobs = tuple(Job(key, f"--{matrix.value} {name}") for key, name in zip(keys, names, strict=True))
    workflow = Workflow("1.2.3", PurePosixPath(), "main", several=True, own_tags=False, jobs=jobs)
    # YAML 1.1 has more words that are no texts than 1.2
    build = yaml.safe_load(github(workflow))["jobs"]["build"]
    assert [each["key"] for each in build["strategy"]["matrix"]["include"]] == keys == list(build["outputs"])
    assert [each["KEY"] for each in yaml.safe_load(gitlab(workflow))["build"]["parallel"]["matrix"]] == keys
    assert all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", key) for key in keys)
    assert len({key.lower() for key in keys}) == len(names)


@pytest.mark.parametrize("workflow", WORKFLOWS + SIGNED, ids=str)
def test_gitlab_has_no_stage_without_a_job(workflow: Workflow) -> None:
    pipeline = yaml.safe_load(gitlab(workflow))
    used = {job["stage"] for job in pipeline.values() if isinstance(job, dict) and "stage" in job}
    assert set(pipeline["stages"]) == used
