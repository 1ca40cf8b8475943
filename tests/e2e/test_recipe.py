"""What is cooked for several targets at once is found by the build that follows: cargoship's, and cargo-zigbuild's."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest

from support.cooking import ENV, cook_ours, copy_sources, prepare_ours
from support.programs import RunCargoship, run
from support.workspaces import write_scenario

pytestmark = pytest.mark.e2e

PLATFORMS = "linux/amd64,linux/arm64"
GNU = ("--target", "x86_64-unknown-linux-gnu", "--target", "aarch64-unknown-linux-gnu.2.17")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_scenario(tmp_path / "project", "trap")


def test_cargoship_build_compiles_local_crates_only(run_cargoship: RunCargoship, project: Path, tmp_path: Path) -> None:
    kitchen = tmp_path / "kitchen"
    cook_ours(
        prepare_ours(project, tmp_path / "recipe.json"), kitchen, "--platform", PLATFORMS, "--release", "--locked"
    )
    copy_sources(project, kitchen, old=True)
    done = run_cargoship("build", "--no-cache", "--platform", PLATFORMS, "--progress", "json", cwd=kitchen)
    events = [json.loads(line) for line in done.stderr.splitlines()]
    units = [each for each in events if each["event"] == "unit-finished"]
    assert [each["package"] for each in units if not each["fresh"] and each["package"] in {"itoa", "cfg-if"}] == []
    assert [each["package"] for each in units if each["fresh"] and each["package"] not in {"itoa", "cfg-if"}] == []
    assert {each["package"] for each in units} == {"cfg-if", "helper", "itoa", "maker", "trap"}
    program = kitchen / "target" / "x86_64-unknown-linux-musl" / "release" / "trap-main"
    assert run(program).stdout == "real main\nreal real\nreal helper\n"


def test_variants_are_cooked_as_they_are_built(run_cargoship: RunCargoship, project: Path, tmp_path: Path) -> None:
    """The baseline was cooked, and the build compiled all dependencies of the variant again."""
    kitchen = tmp_path / "kitchen"
    # flags of one's own stay beside the processor's
    (project / ".cargo").mkdir(exist_ok=True)
    (project / ".cargo" / "config.toml").write_text("[build]\nrustflags = ['--cfg', 'kept']\n")
    kept = ("--cache-from", f"dir:{tmp_path / 'cache'}", "--cache-to", f"dir:{tmp_path / 'cache'}")
    words = ("--platform", "linux/amd64,linux/amd64/v3", "--locked", *kept)
    done = cook_ours(prepare_ours(project, tmp_path / "recipe.json"), kitchen, "--release", *words)
    assert done.stderr.count("Cooked ") == 2
    copy_sources(project, kitchen, old=True)
    done = run_cargoship("build", *words, "--progress", "json", cwd=kitchen, env=ENV)
    events = [json.loads(line) for line in done.stderr.splitlines()]
    units = [each for each in events if each["event"] == "unit-finished"]
    dependencies = [each["fresh"] for each in units if each["package"] in {"itoa", "cfg-if"}]
    # of each for both
    assert dependencies == [True] * 4
    assert [each["fresh"] for each in units if each["package"] == "trap"].count(False) >= 2


def test_cargo_zigbuild_compiles_local_crates_only(project: Path, tmp_path: Path) -> None:
    kitchen = tmp_path / "kitchen"
    cook_ours(prepare_ours(project, tmp_path / "recipe.json"), kitchen, "--zigbuild", *GNU)
    copy_sources(project, kitchen, old=True)
    words = ("zigbuild", "--message-format", "json", *GNU)
    beside = Path(sys.executable).parent
    # as in a shell in which the virtual environment is active: cargo-zigbuild asks PATH's python3 for Zig
    env = {**ENV, "PATH": f"{beside}:{os.environ['PATH']}"}
    done = run(beside / "cargo-zigbuild", *words, cwd=kitchen, env=env)
    units = [each for each in map(json.loads, done.stdout.splitlines()) if each["reason"] == "compiler-artifact"]
    assert {("path+" in each["package_id"], each["fresh"]) for each in units} == {(True, False), (False, True)}


def test_standard_libraries_come_to_an_empty_machine(
    run_cargoship: RunCargoship, project: Path, tmp_path: Path
) -> None:
    """As the units of the dependencies do, in a container whose cache mount is all that it has."""
    recipe = prepare_ours(project, tmp_path / "recipe.json")
    words = ("recipe", "cook", "--recipe-path", recipe, "--platform", "linux/amd64")
    (tmp_path / "first").mkdir()
    run_cargoship(*words, "--cache-to", f"dir:{tmp_path / 'cache'}", cwd=tmp_path / "first")
    (tmp_path / "second").mkdir()
    env = {"CARGOSHIP_CACHE_DIR": str(tmp_path / "empty")}
    done = run_cargoship(*words, "--cache-from", f"dir:{tmp_path / 'cache'}", cwd=tmp_path / "second", env=env)
    assert re.search(r"the standard library .* comes from the unit cache", done.stderr)
    assert "Building" not in done.stderr
    assert "0 fresh" not in done.stderr
    assert list((tmp_path / "empty" / "std").iterdir())
