"""A pipeline for GitLab CI.

https://docs.gitlab.com/ci/yaml/. Merge requests build and publish nothing; those from forks read the cache of compiled
units and do not write it.
"""

from __future__ import annotations

from cargoship.ci.workflow import HEAD, Workflow, folded

PATH = ".gitlab-ci.yml"
_CACHE = '"registry:$CI_REGISTRY_IMAGE/cache"'


def gitlab(workflow: Workflow) -> str:
    """The text of .gitlab-ci.yml."""
    build = _matrix(workflow) if workflow.jobs else _single(workflow)
    return "\n".join([*_head(workflow), *build]) + "\n"


def _head(workflow: Workflow) -> list[str]:
    return [
        f"# {HEAD}",
        "stages: [build, merge]",
        "workflow:",
        "  rules:",
        "    - if: $CI_PIPELINE_SOURCE == 'merge_request_event'",
        "    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH",
        "    - if: $CI_COMMIT_TAG",
        "variables:",
        f"  CARGOSHIP_VERSION: {workflow.version}",
        "default:",
        "  image: rust:1-bookworm",
        "  interruptible: true",
        "  before_script:",
        "    - apt-get -qq update && apt-get -qqy install --no-install-recommends git pipx",
        '    - pipx install "cargoship==$CARGOSHIP_VERSION" && export PATH="$HOME/.local/bin:$PATH"',
        *([] if workflow.in_root else [f"    - cd {workflow.folder}"]),
        "    - >-",
        '      printf %s "$CI_REGISTRY_PASSWORD" |',
        '      cargoship login "$CI_REGISTRY" --username "$CI_REGISTRY_USER" --password-stdin',
    ]


def _conditions(push: str) -> list[str]:
    return [
        f'    - if [ "$CI_PIPELINE_SOURCE" = merge_request_event ]; then publish=; else publish={push}; fi',
        "    # a merge request from a fork has another source project than this one",
        "    - source=${CI_MERGE_REQUEST_SOURCE_PROJECT_ID:-$CI_PROJECT_ID}",
        '    - if [ "$source" = "$CI_PROJECT_ID" ]; then save=yes; else save=; fi',
        "    - |",
    ]


def _build_options(workflow: Workflow) -> list[str]:
    tags = workflow.tags("$CI_REGISTRY_IMAGE")
    return [*tags, f"--cache-from {_CACHE}", f"${{save:+--cache-to {_CACHE}}}", "--require-clean"]


def _single(workflow: Workflow) -> list[str]:
    return [
        # `image` would be a keyword
        "ship:",
        "  stage: build",
        "  script:",
        *_conditions("--push"),
        *folded("cargoship build $publish", _build_options(workflow), 6),
    ]


def _matrix(workflow: Workflow) -> list[str]:
    refs = "refs-$KEY.txt" if workflow.in_root else "$CI_PROJECT_DIR/refs-$KEY.txt"
    kept = "refs-*.txt"
    return [
        "build:",
        "  stage: build",
        "  parallel:",
        "    matrix:",
        *[f"      - {{ KEY: {job.key}, ARGUMENTS: {job.arguments} }}" for job in workflow.jobs],
        "  script:",
        *_conditions("--push-by-digest"),
        *folded("cargoship build $ARGUMENTS $publish", [*_build_options(workflow), f'--image-refs "{refs}"'], 6),
        "  artifacts:",
        f'    paths: ["{kept}"]',
        "    expire_in: 1 day",
        "merge:",
        "  stage: merge",
        "  needs: [build]",
        "  rules:",
        "    - if: $CI_PIPELINE_SOURCE != 'merge_request_event'",
        "  script:",
        "    - |",
        *folded("cargoship merge", [*workflow.merged_tags, f'$(cat "$CI_PROJECT_DIR"/{kept})'], 6),
    ]
