"""A workflow for GitHub Actions.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax. Actions are pinned to commits, jobs
have the rights that they need, and nothing of a pull request gets into a shell but through the environment.
"""

from __future__ import annotations

import re

from cargoship.ci.workflow import HEAD, Workflow, folded, logging_in, scalar, trusting, variable_name

PATH = ".github/workflows/image.yml"
_CHECKOUT = "actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0"
_OWN = "ghcr.io"
_HAND_ON = '{ echo "images<<end"; cat refs.txt; echo end; } >> "$GITHUB_OUTPUT"'
_CACHE = '"registry:$IMAGE-cache"'


def github(workflow: Workflow) -> str:
    """The text of .github/workflows/image.yml."""
    build = _matrix(workflow) if workflow.jobs else _single(workflow)
    return "\n".join([*_head(workflow), *build]) + "\n"


def _head(workflow: Workflow) -> list[str]:
    return [
        f"# {HEAD}",
        *_secrets(workflow),
        "name: image",
        "on:",
        "  push:",
        f"    branches: [{scalar(_pattern(workflow.branch))}]",
        '    tags: ["v*"]',
        "  pull_request:",
        "  workflow_dispatch:",
        "permissions: {}",
        "concurrency:",
        "  group: image-${{ github.ref }}",
        "  cancel-in-progress: ${{ github.event_name == 'pull_request' }}",
        "env:",
        f"  REGISTRY: {_OWN}",
        *workflow.source_lines,
        *([f'  RUST_VERSION: "{workflow.rust}"'] if _installs_rust(workflow) else []),
        "jobs:",
    ]


def _pattern(branch: str) -> str:
    """A filter that means this branch alone: what else git takes in a name are GitHub's own characters.

    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#filter-pattern-cheat-sheet
    """
    return re.sub(r"\+|^!", r"\\\g<0>", branch)


def _job(workflow: Workflow, *, writes: bool = True) -> list[str]:
    lines = [
        "    runs-on: ubuntu-24.04",
        "    timeout-minutes: 60",
        "    permissions:",
        "      contents: read",
        f"      packages: {'write' if writes else 'read'}",
    ]
    if workflow.is_keyless and writes:
        lines += ["      # the job's identity, which signs", "      id-token: write"]
    if not workflow.in_root:
        lines += ["    defaults:", "      run:", f"        working-directory: {scalar(str(workflow.folder))}"]
    return lines


def _installs_rust(workflow: Workflow) -> bool:
    # rustup reads a rust-toolchain file by itself
    return workflow.rust is not None and not workflow.toolchain_file


def _others(workflow: Workflow) -> list[str]:
    return [host for host in workflow.registries if host != _OWN]


def _secrets(workflow: Workflow) -> list[str]:
    lines = []
    for host in _others(workflow):
        names = " and ".join(variable_name(host, what) for what in ("USERNAME", "PASSWORD"))
        lines += [
            f"# {host} wants the secrets {names},",
            f"# and where its certificate is from an authority of your own, the variable {variable_name(host, 'CA')}.",
        ]
    if workflow.key_variable is not None:
        lines.append(f"# Who signs is in the secrets {workflow.key_variable} and COSIGN_PASSWORD.")
    return lines


def _log_in(host: str) -> list[str]:
    username, password, authority = (variable_name(host, what) for what in ("USERNAME", "PASSWORD", "CA"))
    script = [*trusting(host, "AUTHORITY"), *logging_in(host, "USERNAME", "PASSWORD", f"the secret {password}")]
    return [
        f"      - name: Log in to {host}",
        "        env:",
        f"          USERNAME: ${{{{ secrets.{username} }}}}",
        f"          PASSWORD: ${{{{ secrets.{password} }}}}",
        f"          AUTHORITY: ${{{{ vars.{authority} }}}}",
        "        run: |",
        *(f"          {line}" for line in script),
    ]


def _outputs() -> list[str]:
    return [
        "    outputs:",
        "      # for later jobs: references by digest, one a line",
        "      images: ${{ steps.images.outputs.images }}",
    ]


def _set_up(workflow: Workflow, *, compiles: bool = True) -> list[str]:
    rust = [
        "      - name: Install Rust",
        "        # always this one: units of another are compiled again",
        "        run: |",
        '          rustup toolchain install "$RUST_VERSION" --profile minimal --no-self-update',
        '          rustup default "$RUST_VERSION"',
    ]
    return [
        "    steps:",
        f"      - uses: {_CHECKOUT}",
        "        with:",
        "          persist-credentials: false",
        "      - name: Install cargoship",
        f'        run: pipx install "{workflow.installation("$GITHUB_WORKSPACE")}"',
        *(rust if compiles and _installs_rust(workflow) else []),
        "      - name: Name the image",
        "        # repositories of images are lower case",
        '        run: echo "IMAGE=$REGISTRY/${GITHUB_REPOSITORY,,}" >> "$GITHUB_ENV"',
        "      - name: Log in",
        "        env:",
        "          TOKEN: ${{ github.token }}",
        '        run: printf %s "$TOKEN" | cargoship login "$REGISTRY" --username "$GITHUB_ACTOR" --password-stdin',
        *(line for host in _others(workflow) for line in _log_in(host)),
    ]


def _keys(workflow: Workflow) -> list[str]:
    """What signs, from the secrets; code of a pull request does not see it."""
    names = [] if workflow.key_variable is None else [workflow.key_variable, "COSIGN_PASSWORD"]
    pushed = "github.event_name != 'pull_request'"
    return [f"          {name}: ${{{{ {pushed} && secrets.{name} || '' }}}}" for name in names]


def _conditions(workflow: Workflow, push: str) -> list[str]:
    return [
        "        env:",
        "          # pull requests publish nothing",
        f"          PUBLISH: ${{{{ github.event_name != 'pull_request' && '{push}' || '' }}}}",
        "          # those from forks read the cache of compiled units and do not write it",
        "          SAVE: ${{ !github.event.pull_request.head.repo.fork && 'yes' || '' }}",
        *_keys(workflow),
    ]


def _build_options(workflow: Workflow) -> list[str]:
    return [*workflow.tags("$IMAGE"), f"--cache-from {_CACHE}", f"${{SAVE:+--cache-to {_CACHE}}}", "--require-clean"]


def _single(workflow: Workflow) -> list[str]:
    return [
        "  image:",
        *_job(workflow),
        *_outputs(),
        *_set_up(workflow),
        "      - name: Build and push",
        "        id: images",
        *_conditions(workflow, "--push"),
        "        run: |",
        *folded("cargoship build $PUBLISH", [*_build_options(workflow), "> refs.txt"], 10),
        f'          if [ -n "$PUBLISH" ]; then {_HAND_ON}; fi',
    ]


def _matrix(workflow: Workflow) -> list[str]:
    include = [f"          - {{ key: {job.key}, arguments: {job.arguments} }}" for job in workflow.jobs]
    parts = " ".join(f"${{{{ needs.build.outputs.{job.key} }}}}" for job in workflow.jobs)
    return [
        "  build:",
        *_job(workflow),
        "    strategy:",
        "      matrix:",
        "        include:",
        *include,
        "    outputs:",
        *[f"      {job.key}: ${{{{ steps.build.outputs.{job.key} }}}}" for job in workflow.jobs],
        *_set_up(workflow),
        "      - name: Build and push without a tag",
        "        id: build",
        *_conditions(workflow, "--push-by-digest"),
        "          KEY: ${{ matrix.key }}",
        "          ARGUMENTS: ${{ matrix.arguments }}",
        "        run: |",
        *folded("cargoship build $ARGUMENTS $PUBLISH", [*_build_options(workflow), "> refs.txt"], 10),
        '          { echo "$KEY<<end"; cat refs.txt; echo end; } >> "$GITHUB_OUTPUT"',
        "  merge:",
        "    needs: build",
        "    if: github.event_name != 'pull_request'",
        *_job(workflow),
        *_outputs(),
        *_set_up(workflow, compiles=False),
        "      - name: Tag what the jobs have pushed",
        "        id: images",
        "        env:",
        f"          PARTS: {parts}",
        *_keys(workflow),
        "        run: |",
        *folded("cargoship merge", [*workflow.merged_tags, *workflow.merge_options, "$PARTS > refs.txt"], 10),
        f"          {_HAND_ON}",
    ]
