"""A workflow for GitHub Actions.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax. Actions are pinned to commits, jobs
have the rights that they need, and nothing of a pull request gets into a shell but through the environment.
"""

from __future__ import annotations

from cargoship.ci.workflow import HEAD, Workflow, folded

PATH = ".github/workflows/image.yml"
_CHECKOUT = "actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0"
_CACHE = '"registry:$IMAGE-cache"'


def github(workflow: Workflow) -> str:
    """The text of .github/workflows/image.yml."""
    build = _matrix(workflow) if workflow.jobs else _single(workflow)
    return "\n".join([*_head(workflow), *build]) + "\n"


def _head(workflow: Workflow) -> list[str]:
    return [
        f"# {HEAD}",
        "name: image",
        "on:",
        "  push:",
        f"    branches: [{workflow.branch}]",
        '    tags: ["v*"]',
        "  pull_request:",
        "permissions: {}",
        "concurrency:",
        "  group: image-${{ github.ref }}",
        "  cancel-in-progress: ${{ github.event_name == 'pull_request' }}",
        "env:",
        "  REGISTRY: ghcr.io",
        f"  CARGOSHIP_VERSION: {workflow.version}",
        "jobs:",
    ]


def _job(workflow: Workflow, *, writes: bool = True) -> list[str]:
    lines = [
        "    runs-on: ubuntu-24.04",
        "    timeout-minutes: 60",
        "    permissions:",
        "      contents: read",
        f"      packages: {'write' if writes else 'read'}",
    ]
    if not workflow.in_root:
        lines += ["    defaults:", "      run:", f"        working-directory: {workflow.folder}"]
    return lines


def _set_up() -> list[str]:
    return [
        "    steps:",
        f"      - uses: {_CHECKOUT}",
        "        with:",
        "          persist-credentials: false",
        "      - name: Install cargoship",
        '        run: pipx install "cargoship==$CARGOSHIP_VERSION"',
        "      - name: Name the image",
        "        # repositories of images are lower case",
        '        run: echo "IMAGE=$REGISTRY/${GITHUB_REPOSITORY,,}" >> "$GITHUB_ENV"',
        "      - name: Log in",
        "        env:",
        "          TOKEN: ${{ github.token }}",
        '        run: printf %s "$TOKEN" | cargoship login "$REGISTRY" --username "$GITHUB_ACTOR" --password-stdin',
    ]


def _conditions(push: str) -> list[str]:
    return [
        "        env:",
        "          # pull requests publish nothing",
        f"          PUBLISH: ${{{{ github.event_name != 'pull_request' && '{push}' || '' }}}}",
        "          # those from forks read the cache of compiled units and do not write it",
        "          SAVE: ${{ !github.event.pull_request.head.repo.fork && 'yes' || '' }}",
    ]


def _build_options(workflow: Workflow) -> list[str]:
    return [*workflow.tags("$IMAGE"), f"--cache-from {_CACHE}", f"${{SAVE:+--cache-to {_CACHE}}}", "--require-clean"]


def _single(workflow: Workflow) -> list[str]:
    return [
        "  image:",
        *_job(workflow),
        *_set_up(),
        "      - name: Build and push",
        *_conditions("--push"),
        "        run: |",
        *folded("cargoship build $PUBLISH", _build_options(workflow), 10),
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
        *_set_up(),
        "      - name: Build and push without a tag",
        "        id: build",
        *_conditions("--push-by-digest"),
        "          KEY: ${{ matrix.key }}",
        "          ARGUMENTS: ${{ matrix.arguments }}",
        "        run: |",
        *folded("cargoship build $ARGUMENTS $PUBLISH", [*_build_options(workflow), "--image-refs refs.txt"], 10),
        '          { echo "$KEY<<end"; cat refs.txt; echo end; } >> "$GITHUB_OUTPUT"',
        "  merge:",
        "    needs: build",
        "    if: github.event_name != 'pull_request'",
        *_job(workflow),
        *_set_up(),
        "      - name: Tag what the jobs have pushed",
        "        env:",
        f"          PARTS: {parts}",
        "        run: |",
        *folded("cargoship merge", [*workflow.merged_tags, "$PARTS"], 10),
    ]
