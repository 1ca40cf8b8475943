"""Same inputs and same toolchain, same bytes: wherever the project lies and wherever it is compiled."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support.programs import REPOSITORY, RunCargoship
from support.shipped import Shipped, target_folder

pytestmark = pytest.mark.e2e

# A commit time would differ between a checkout and a copy of it that has no git.
EPOCH = {"SOURCE_DATE_EPOCH": "1700000000"}


def copy_of(name: str, to: Path) -> Path:
    return Path(shutil.copytree(REPOSITORY / "examples" / name, to, ignore=shutil.ignore_patterns("target")))


def test_two_folders_two_target_folders_one_digest(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    printed = []
    for place in ("here", "somewhere/else"):
        project = copy_of("workspace", tmp_path / place)
        done = run_cargoship("build", project, env={**EPOCH, "CARGO_TARGET_DIR": str(tmp_path / place / "out")})
        printed.append(sorted(done.stdout.split()))
    assert printed[0] == printed[1]
    assert len(printed[0]) == 2


def test_c_and_rust_dependencies_do_not_tell_the_folder(
    run_cargoship: RunCargoship, web_service: Shipped, tmp_path: Path
) -> None:
    del web_service  # compiled before: here only the package's own crate is compiled again
    printed = []
    for place in ("here", "somewhere/else"):
        project = copy_of("web-service", tmp_path / place)
        done = run_cargoship("build", project, env={**EPOCH, **target_folder("musl")})
        printed.append(done.stdout)
    assert printed[0] == printed[1]
