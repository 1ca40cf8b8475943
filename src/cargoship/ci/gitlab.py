"""A pipeline for GitLab CI.

https://docs.gitlab.com/ci/yaml/. Merge requests build and publish nothing; those from forks read the cache of compiled
units and do not write it.
"""

from __future__ import annotations

import json
import shlex

from cargoship.ci.workflow import HEAD, Workflow, folded, logging_in, trusting, variable_name

PATH = ".gitlab-ci.yml"
_IDENTITY = ("  # the job's identity, which signs", "  id_tokens: { SIGSTORE_ID_TOKEN: { aud: sigstore } }")
_CACHE = '"registry:$CI_REGISTRY_IMAGE/cache"'


def gitlab(workflow: Workflow) -> str:
    """The text of .gitlab-ci.yml."""
    build = _matrix(workflow) if workflow.jobs else _single(workflow)
    return "\n".join([*_head(workflow), *build]) + "\n"


def _head(workflow: Workflow) -> list[str]:
    return [
        f"# {HEAD}",
        "# Where the registry's certificate is from an authority of your own, set the variable REGISTRY_CA.",
        *_secrets(workflow),
        f"stages: [{'build, merge' if workflow.jobs else 'build'}]",
        "workflow:",
        "  rules:",
        "    - if: $CI_PIPELINE_SOURCE == 'merge_request_event'",
        "    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH",
        "    - if: $CI_COMMIT_TAG",
        "    - if: $CI_PIPELINE_SOURCE == 'web'",
        "variables:",
        *workflow.source_lines,
        "default:",
        "  # always this one: units of another Rust are compiled again",
        f"  image: rust:{workflow.rust or '1'}-bookworm",
        "  interruptible: true",
        *(_IDENTITY if workflow.is_keyless else []),
        "  before_script:",
        "    - apt-get -qq update && apt-get -qqy install --no-install-recommends ca-certificates git pipx",
        f'    - pipx install "{workflow.installation("$CI_PROJECT_DIR")}" && export PATH="$HOME/.local/bin:$PATH"',
        *([] if workflow.in_root else [f"    - {_line('cd', str(workflow.folder))}"]),
        "    - |",
        *(f"      {line}" for line in trusting("$CI_REGISTRY", "REGISTRY_CA")),
        *(line for host in _others(workflow) for line in _log_in(host)),
        "    - >-",
        '      printf %s "$CI_REGISTRY_PASSWORD" |',
        '      cargoship login "$CI_REGISTRY" --username "$CI_REGISTRY_USER" --password-stdin',
    ]


def _others(workflow: Workflow) -> list[str]:
    return [host for host in workflow.registries if host != "registry.gitlab.com"]


def _secrets(workflow: Workflow) -> list[str]:
    lines = []
    for host in _others(workflow):
        names = " and ".join(variable_name(host, what) for what in ("USERNAME", "PASSWORD"))
        lines.append(f"# {host} wants the masked variables {names}, and perhaps {variable_name(host, 'CA')}.")
    if workflow.key_variable is not None:
        lines.append(f"# Who signs is in the masked, protected variables {workflow.key_variable} and COSIGN_PASSWORD.")
    return lines


def _log_in(host: str) -> list[str]:
    username, password, authority = (variable_name(host, what) for what in ("USERNAME", "PASSWORD", "CA"))
    script = [*trusting(host, authority), *logging_in(host, username, password, f"the variable {password}")]
    # an instance of one's own may have its registry there, whose login is known
    guarded = [f'if [ "$CI_REGISTRY" != {host} ]; then', *(f"  {line}" for line in script), "fi"]
    return ["    - |", *(f"      {line}" for line in guarded)]


def _reported(name: str) -> str:
    """A page about the build, for people; that there is none fails no job."""
    return f'    - cargoship report -o "$CI_PROJECT_DIR/{name}" || true'


def _kept(*others: str) -> list[str]:
    paths = ", ".join(f'"{path}"' for path in ("images.txt", *others))
    return [
        "  artifacts:",
        "    # for later jobs: references by digest, one a line",
        f"    paths: [{paths}]",
        "    expire_in: 1 day",
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
        *folded(
            "cargoship build $publish",
            [*_build_options(workflow), '> "$CI_PROJECT_DIR/images.txt"'],
            6,
        ),
        _reported("cargoship-report.html"),
        *_kept("cargoship-report.html"),
    ]


def _matrix(workflow: Workflow) -> list[str]:
    refs = "refs-$KEY.txt" if workflow.in_root else "$CI_PROJECT_DIR/refs-$KEY.txt"
    kept = "refs-*.txt"
    parts = f'$(cat "$CI_PROJECT_DIR"/{kept}) > "$CI_PROJECT_DIR/images.txt"'
    return [
        "build:",
        "  stage: build",
        "  parallel:",
        "    matrix:",
        *[f"      - {{ KEY: {job.key}, ARGUMENTS: {job.arguments} }}" for job in workflow.jobs],
        "  script:",
        *_conditions("--push-by-digest"),
        *folded("cargoship build $ARGUMENTS $publish", [*_build_options(workflow), f'> "{refs}"'], 6),
        _reported("cargoship-report-$KEY.html"),
        "  artifacts:",
        f'    paths: ["{kept}", "cargoship-report-*.html"]',
        "    expire_in: 1 day",
        "merge:",
        "  stage: merge",
        "  # nothing is compiled",
        "  image: debian:bookworm-slim",
        "  needs: [build]",
        "  rules:",
        "    - if: $CI_PIPELINE_SOURCE != 'merge_request_event'",
        "  script:",
        "    - |",
        *folded("cargoship merge", [*workflow.merged_tags, *workflow.merge_options, parts], 6),
        *_kept(),
    ]


def _line(*words: str) -> str:
    """A line of a script, of words that may be anything."""
    line = shlex.join(words)
    return line if line == " ".join(words) else json.dumps(line)
