"""Provenance is written as SLSA has it, read back as it was, and refused where it is something else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement as JudgedStatement

from cargoship.attest.builder import run_of, runner_of
from cargoship.attest.provenance import (
    BUILD,
    LOCAL_BUILDER,
    PREDICATE,
    BuildParameters,
    BuildRun,
    Material,
    Provenance,
    provenance_of,
)
from cargoship.attest.statement import Subject, decode_statement
from cargoship.errors import ContentInvalid
from cargoship.oci.digest import Digest

IMAGE = Digest.of(b"an image")
PARAMETERS = BuildParameters(
    image="app",
    package="app",
    binaries=("app:app",),
    platforms=("linux/amd64", "linux/arm64"),
    features=("tls",),
    packages=("app",),
    locked=True,
    epoch=1_700_000_000,
    settings={"user": "root", "expose": ["8080"]},
    withheld=("env",),
    variables=("RUSTFLAGS",),
)
MADE = Provenance(
    BUILD,
    PARAMETERS.to_json(),
    {"hermetic": False},
    (
        Material("source", "git+https://github.com/me/app@refs/heads/main", {"gitCommit": "a" * 40}, {"dirty": True}),
        Material("Cargo.lock", digest={"sha256": "b" * 64}),
    ),
    BuildRun(
        "https://github.com/me/app/.github/workflows/image.yml@refs/heads/main",
        "https://github.com/me/app/actions/runs/7/attempts/1",
        {"cargoship": "0.1.0"},
        1_700_000_000.0,
        1_700_000_060.0,
    ),
)


def written() -> dict[str, Any]:
    said: dict[str, Any] = json.loads(MADE.statement(Subject.of(IMAGE, "app")).encode())
    return said


def test_what_is_written_is_read_back() -> None:
    read = provenance_of(decode_statement(json.dumps(written()).encode()))
    assert read == MADE
    assert read.parameters == PARAMETERS
    source = read.material("source")
    assert source is not None
    assert source.digest == {"gitCommit": "a" * 40}


def test_in_totos_own_library_takes_the_statement() -> None:
    text = MADE.statement(Subject.of(IMAGE, "app")).encode().decode()
    statement = json_format.Parse(text, JudgedStatement([], "", {}).pb)
    JudgedStatement.copy_from_pb(statement).validate()
    assert statement.predicate_type == PREDICATE
    # refuses fields that SLSA's schema does not have
    provenance = json_format.ParseDict(json.loads(text)["predicate"], provenance_pb2.Provenance())
    assert provenance.build_definition.build_type == BUILD
    assert len(provenance.build_definition.resolved_dependencies) == len(MADE.materials)
    for each in provenance.build_definition.resolved_dependencies:
        ResourceDescriptor.copy_from_pb(each).validate()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("_type",), "https://in-toto.io/Link/v1"),
        (("subject",), []),
        (("subject",), [{"name": "without a digest"}]),
        (("predicate",), []),
        (("predicateType",), "https://slsa.dev/provenance/v0.2"),
        (("predicate", "buildDefinition"), "text"),
        (("predicate", "buildDefinition", "resolvedDependencies"), {"uri": "x"}),
        (("predicate", "buildDefinition", "resolvedDependencies"), [{"digest": {"sha256": 1}}]),
        (("predicate", "runDetails", "builder"), [1]),
        (("predicate", "buildDefinition", "buildType"), 7),
    ],
)
def test_what_is_no_provenance_is_refused(path: tuple[str, ...], value: object) -> None:
    said = written()
    table = said
    for key in path[:-1]:
        table = table[key]
    table[path[-1]] = value
    with pytest.raises(ContentInvalid):
        provenance_of(decode_statement(json.dumps(said).encode()))


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b'{"a":' * 500, b"{" * 100_000])
def test_what_is_no_statement_is_refused(data: bytes) -> None:
    with pytest.raises(ContentInvalid):
        decode_statement(data)


@pytest.mark.parametrize(
    ("key", "value"), [("epoch", True), ("platforms", "linux/amd64"), ("binaries", [1]), ("cargo", []), ("settings", 1)]
)
def test_parameters_of_another_form_are_refused(key: str, value: object) -> None:
    with pytest.raises(ContentInvalid):
        BuildParameters.of_json({**PARAMETERS.to_json(), key: value})


def test_the_builder_is_the_workflow_on_github() -> None:
    run = run_of(
        {
            "GITHUB_ACTIONS": "true",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_REPOSITORY": "me/app",
            "GITHUB_WORKFLOW_REF": "me/app/.github/workflows/image.yml@refs/tags/v1",
            "GITHUB_RUN_ID": "12",
            "GITHUB_RUN_ATTEMPT": "3",
        }
    )
    assert run.builder == "https://github.com/me/app/.github/workflows/image.yml@refs/tags/v1"
    assert run.invocation == "https://github.com/me/app/actions/runs/12/attempts/3"
    assert runner_of({"GITHUB_ACTIONS": "true", "RUNNER_ENVIRONMENT": "self-hosted"}) == "self-hosted"


def test_the_builder_is_the_runner_on_gitlab() -> None:
    project = "https://gitlab.com/me/app"
    env = {"GITLAB_CI": "true", "CI_PROJECT_URL": project, "CI_RUNNER_ID": "9", "CI_JOB_URL": f"{project}/-/jobs/5"}
    run = run_of(env)
    assert (run.builder, run.invocation) == (f"{project}/-/runners/9", f"{project}/-/jobs/5")


@pytest.mark.parametrize(
    ("env", "builder"),
    [
        ({"CIRCLECI": "true", "CIRCLE_BUILD_URL": "https://circleci.com/gh/me/app/17"}, "https://circleci.com/gh/me/app/17"),
        ({"JENKINS_URL": "https://ci.example/", "BUILD_URL": "https://ci.example/job/1/"}, "https://ci.example/"),
        ({"CI": "woodpecker", "CI_SYSTEM_URL": "https://wp.example"}, "https://wp.example"),
        (
            {"BITBUCKET_BUILD_NUMBER": "4", "BITBUCKET_GIT_HTTP_ORIGIN": "https://bitbucket.org/me/app"},
            "https://bitbucket.org/me/app/pipelines",
        ),
        ({"BUILDKITE": "true", "BUILDKITE_BUILD_URL": "https://buildkite.com/a/b/builds/1"}, "https://buildkite.com/a/b/builds/1"),
        ({"CI": "true"}, LOCAL_BUILDER),
        ({}, LOCAL_BUILDER),
        # what is no address, or has a password in it, names nobody
        ({"JENKINS_URL": "javascript:alert(1)"}, LOCAL_BUILDER),
        ({"JENKINS_URL": "https://ci.example/\x1b[2J"}, LOCAL_BUILDER),
        ({"JENKINS_URL": "https://me:secret@ci.example/"}, "https://ci.example/"),
    ],
)  # fmt: skip
def test_other_systems_are_known_by_what_they_document(env: dict[str, str], builder: str) -> None:
    assert run_of(env).builder == builder
