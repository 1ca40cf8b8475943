"""Whether this is a CI job for somebody else's changes: such a job must not write what trusted ones will read.

Only what the CI systems document is looked at:

- GitHub: docs.github.com/en/actions/reference/workflows-and-actions/variables and the webhook's `pull_request`
- GitLab: docs.gitlab.com/ci/variables/predefined_variables
- CircleCI: circleci.com/docs/variables, "only available on forked PRs"
- Azure Pipelines: learn.microsoft.com/azure/devops/pipelines/build/variables
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from cargoship.decoding import decode_json

_EVENT_BYTES_MAX = 25 << 20
_GITHUB_EVENTS = frozenset({"pull_request", "pull_request_target", "pull_request_review"})


class _Repository(msgspec.Struct):
    full_name: str = ""


class _Head(msgspec.Struct):
    repo: _Repository | None = None


class _PullRequest(msgspec.Struct):
    head: _Head


class _Event(msgspec.Struct):
    pull_request: _PullRequest


def untrusted(env: Mapping[str, str]) -> str | None:
    """Why caches are not written: a few words for a person, or None where nothing speaks against it.

    What cannot be found out counts as somebody else's.
    """
    for reason_of in (_github, _gitlab, _circle, _azure):
        if (reason := reason_of(env)) is not None:
            return reason
    return None


def _github(env: Mapping[str, str]) -> str | None:
    if env.get("GITHUB_ACTIONS") != "true" or env.get("GITHUB_EVENT_NAME") not in _GITHUB_EVENTS:
        return None
    return _foreign(_github_source(env.get("GITHUB_EVENT_PATH", "")), env.get("GITHUB_REPOSITORY"), "pull request")


def _gitlab(env: Mapping[str, str]) -> str | None:
    if env.get("GITLAB_CI") != "true":
        return None
    match env.get("CI_PIPELINE_SOURCE"):
        case "merge_request_event":
            source = env.get("CI_MERGE_REQUEST_SOURCE_PROJECT_PATH")
            return _foreign(source, env.get("CI_MERGE_REQUEST_PROJECT_PATH"), "merge request")
        case "external_pull_request_event":
            source = env.get("CI_EXTERNAL_PULL_REQUEST_SOURCE_REPOSITORY")
            return _foreign(source, env.get("CI_EXTERNAL_PULL_REQUEST_TARGET_REPOSITORY"), "pull request")
        case _:
            return None


def _circle(env: Mapping[str, str]) -> str | None:
    name = env.get("CIRCLE_PR_REPONAME")
    if env.get("CIRCLECI") != "true" or not name:
        return None
    return _foreign(f"{env.get('CIRCLE_PR_USERNAME', '')}/{name}".lstrip("/"), None, "pull request")


def _azure(env: Mapping[str, str]) -> str | None:
    forked = env.get("TF_BUILD") == "True" and env.get("SYSTEM_PULLREQUEST_ISFORK", "").lower() == "true"
    return _foreign(None, None, "pull request") if forked else None


def _foreign(source: str | None, target: str | None, what: str) -> str | None:
    if source and source == target:
        return None
    return f"a {what} from {source}" if source else f"a {what} from a fork"


def _github_source(path: str) -> str | None:
    try:
        with Path(path).open("rb") as stream:
            event = decode_json(stream.read(_EVENT_BYTES_MAX), _Event)
    except (OSError, ValueError):
        return None
    repository = event.pull_request.head.repo
    return repository.full_name if repository is not None else None
