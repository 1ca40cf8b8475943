"""Lint, format and types, so that one command tells whether a change is good."""

from __future__ import annotations

import sys

import pytest

from support.programs import REPOSITORY, run

pytestmark = pytest.mark.tools


@pytest.mark.parametrize(
    "command",
    [("ruff", "check"), ("ruff", "format", "--check", "--diff"), ("mypy",)],
    ids=" ".join,
)
def test_quality(command: tuple[str, ...]) -> None:
    run(sys.executable, "-m", *command, cwd=REPOSITORY)


def test_the_lock_file_is_current() -> None:
    run(sys.executable, "-m", "uv", "lock", "--check", "--offline", cwd=REPOSITORY)


def test_the_scripts_are_sound() -> None:
    run("shellcheck", *sorted((REPOSITORY / "scripts").iterdir()), REPOSITORY / ".ci" / "run")
