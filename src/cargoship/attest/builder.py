"""Who builds, by the variables that CI systems document. What is in none of them is a machine of somebody's.

- GitHub Actions, and what has taken over its variables (Forgejo, Gitea): docs.github.com, "Variables reference"
- GitLab CI: docs.gitlab.com/ci/variables/predefined_variables, and its own provenance for artifacts
- Azure Pipelines: learn.microsoft.com/azure/devops/pipelines/build/variables
- Bitbucket, Buildkite, CircleCI, Drone, Jenkins, Semaphore, Travis, Woodpecker: each system's page of variables
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from cargoship.attest.provenance import BuildRun
from cargoship.printable import without_user

_URL = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(?:/[!#$%&'()*+,./:;=?@A-Z\[\]_a-z~0-9-]*)?")
_URL_MAX = 1024


def run_of(env: Mapping[str, str]) -> BuildRun:
    """The builder and the run, without times."""
    for is_here, found in _SYSTEMS:
        if is_here(env):
            builder, run = found(env)
            if builder is not None:
                return BuildRun(builder, run)
    return BuildRun()


def runner_of(env: Mapping[str, str]) -> str:
    """Whose machine it is, as the CI system says it: `github-hosted`, `self-hosted`; empty where nobody does."""
    said = env.get("RUNNER_ENVIRONMENT", "") if env.get("GITHUB_ACTIONS") == "true" else ""
    return said if said in {"github-hosted", "self-hosted"} else ""


def _github(env: Mapping[str, str]) -> tuple[str | None, str | None]:
    server, repository = env.get("GITHUB_SERVER_URL", ""), env.get("GITHUB_REPOSITORY", "")
    workflow, run = env.get("GITHUB_WORKFLOW_REF", ""), env.get("GITHUB_RUN_ID", "")
    attempt = env.get("GITHUB_RUN_ATTEMPT", "1")
    builder = _url(f"{server}/{workflow or repository}")
    return builder, _url(f"{server}/{repository}/actions/runs/{run}/attempts/{attempt}") if run else None


def _gitlab(env: Mapping[str, str]) -> tuple[str | None, str | None]:
    project, runner = env.get("CI_PROJECT_URL", ""), env.get("CI_RUNNER_ID", "")
    return _url(f"{project}/-/runners/{runner}" if runner else project), _url(env.get("CI_JOB_URL", ""))


def _azure(env: Mapping[str, str]) -> tuple[str | None, str | None]:
    collection = env.get("SYSTEM_TEAMFOUNDATIONCOLLECTIONURI", "") or env.get("SYSTEM_COLLECTIONURI", "")
    project = f"{collection.rstrip('/')}/{env.get('SYSTEM_TEAMPROJECT', '')}".replace(" ", "%20")
    definition, build = env.get("SYSTEM_DEFINITIONID", ""), env.get("BUILD_BUILDID", "")
    return _url(f"{project}/_build?definitionId={definition}"), _url(f"{project}/_build/results?buildId={build}")


def _named(builder: str, run: str) -> Callable[[Mapping[str, str]], tuple[str | None, str | None]]:
    return lambda env: (_url(env.get(builder, "")), _url(env.get(run, "")))


def _set(name: str, value: str | None = None) -> Callable[[Mapping[str, str]], bool]:
    return lambda env: env.get(name, "") == value if value is not None else bool(env.get(name))


_SYSTEMS: tuple[
    tuple[Callable[[Mapping[str, str]], bool], Callable[[Mapping[str, str]], tuple[str | None, str | None]]], ...
] = (
    (_set("GITHUB_ACTIONS", "true"), _github),
    (_set("GITLAB_CI", "true"), _gitlab),
    (_set("TF_BUILD"), _azure),
    (_set("BITBUCKET_BUILD_NUMBER"), lambda env: (_bitbucket(env, ""), _bitbucket(env, env["BITBUCKET_BUILD_NUMBER"]))),
    (_set("BUILDKITE", "true"), _named("BUILDKITE_BUILD_URL", "BUILDKITE_BUILD_URL")),
    (_set("CIRCLECI", "true"), _named("CIRCLE_BUILD_URL", "CIRCLE_BUILD_URL")),
    (_set("JENKINS_URL"), _named("JENKINS_URL", "BUILD_URL")),
    (_set("SEMAPHORE", "true"), _named("SEMAPHORE_ORGANIZATION_URL", "SEMAPHORE_ORGANIZATION_URL")),
    (_set("TRAVIS", "true"), _named("TRAVIS_BUILD_WEB_URL", "TRAVIS_JOB_WEB_URL")),
    (_set("CI", "woodpecker"), _named("CI_SYSTEM_URL", "CI_PIPELINE_URL")),
    (_set("DRONE", "true"), _named("DRONE_BUILD_LINK", "DRONE_BUILD_LINK")),
)


def _bitbucket(env: Mapping[str, str], number: str) -> str | None:
    where = f"{env.get('BITBUCKET_GIT_HTTP_ORIGIN', '').rstrip('/')}/pipelines"
    return _url(f"{where}/results/{number}" if number else where)


def _url(text: str) -> str | None:
    """An address that anybody may see; None for what is none."""
    plain = without_user(text.strip())
    return plain if len(plain) <= _URL_MAX and _URL.fullmatch(plain) else None
