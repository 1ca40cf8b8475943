"""Nothing of a dummy survives a cook: not in any layout of cargo's build directory, whatever the times of files are.

The scenario is a trap: names, versions, targets and paths of the real crates are those of the dummies, and the real
sources are older than everything that was cooked. All that keeps cargo from shipping a dummy is what cooking does.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cargoship.recipe.document import canonical
from support.cooking import ENV, build, cargo, check, cook_ours, copy_sources, prepare_ours
from support.programs import run
from support.workspaces import write_scenario

pytestmark = pytest.mark.tools

HOST = "x86_64-unknown-linux-gnu"
NEW_LAYOUT = {"RUSTC_BOOTSTRAP": "1", "CARGO_UNSTABLE_BUILD_DIR_NEW_LAYOUT": "true"}
LOCAL = ("trap", "helper", "maker", "libtrap", "libhelper", "libmaker", "shown", "build_script_build")


@dataclass(frozen=True)
class Kitchen:
    """Where and how cargo builds."""

    name: str
    options: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


KITCHENS = [
    Kitchen("v1", ("--all-targets",)),
    Kitchen("v2", ("--all-targets",), NEW_LAYOUT),
    Kitchen("build-dir", ("--release",), {"CARGO_BUILD_BUILD_DIR": "between"}),
    Kitchen("build-dir-v2", ("--profile", "test"), {**NEW_LAYOUT, "CARGO_BUILD_BUILD_DIR": "{workspace-root}/between"}),
    Kitchen("target", ("--target", HOST, "--profile", "bench")),
    Kitchen("target-dir", ("--target-dir", "elsewhere", "--examples", "--bins")),
]


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    return write_scenario(tmp_path / "project", "trap")


@pytest.mark.parametrize("kitchen", KITCHENS, ids=lambda kitchen: kitchen.name)
def test_nothing_of_a_dummy_is_left(trap: Path, tmp_path: Path, kitchen: Kitchen) -> None:
    cooked = tmp_path / "cooked"
    cook_ours(prepare_ours(trap, tmp_path / "recipe.json"), cooked, *kitchen.options, "--offline", env=kitchen.env)
    made = [path for name in ("target", "between", "elsewhere") for path in (cooked / name).rglob("*")]
    assert [path for path in made if path.name.startswith(LOCAL)] == []
    assert any(path.name.startswith("libitoa") for path in made)
    copy_sources(trap, cooked, old=True)
    options = [each for each in kitchen.options if each != "--all-targets"]
    check(build(cooked, *options, "--offline", env=kitchen.env))
    if "--all-targets" in kitchen.options:
        # the harness of the test, and a test that is called as a dependency is
        run(ENV.get("CARGO", "cargo"), "test", "--offline", "--quiet", cwd=cooked, env={**ENV, **kitchen.env})


@pytest.mark.parametrize("protected", [False, True])
@pytest.mark.parametrize("env", [{}, NEW_LAYOUT], ids=["v1", "v2"])
def test_a_cook_that_was_killed_leaves_nothing_that_is_taken_for_real(
    trap: Path, tmp_path: Path, env: Mapping[str, str], *, protected: bool
) -> None:
    cooked = tmp_path / "cooked"
    cook_ours(prepare_ours(trap, tmp_path / "recipe.json"), cooked, "--no-build")
    if not protected:
        for path in (cooked / "Cargo.toml", cooked / "helper/Cargo.toml", cooked / "maker/Cargo.toml"):
            manifest = tomllib.loads(path.read_text())
            del manifest["lints"]
            path.write_text(canonical(manifest))
    cargo("build", "--offline", cwd=cooked, env=env)
    copy_sources(trap, cooked, old=True)
    if protected:
        check(build(cooked, "--offline", env=env))
        return
    words = ("build", "--offline", "--message-format", "json")
    done = run(ENV.get("CARGO", "cargo"), *words, cwd=cooked, env={**ENV, **env}, check=False)
    taken = [line for line in done.stdout.splitlines() if '"fresh":true' in line and '"path+' in line]
    assert taken, "the trap does not work: the other tests prove nothing"


@pytest.mark.parametrize("way", ["check", "clippy"])
def test_what_only_looks_leaves_nothing_either(trap: Path, tmp_path: Path, way: str) -> None:
    cooked = tmp_path / "cooked"
    # cargo-clippy is to be the distribution's, as cargo is, and not a proxy of rustup's
    env = {"PATH": f"/usr/bin:{os.environ['PATH']}"}
    cook_ours(prepare_ours(trap, tmp_path / "recipe.json"), cooked, f"--{way}", "--offline", env=env)
    assert [path for path in (cooked / "target").rglob("*") if path.name.startswith(LOCAL)] == []
    copy_sources(trap, cooked, old=True)
    lines = cargo(way, "--offline", "--message-format", "json", cwd=cooked, env=env).splitlines()
    units = [json.loads(line) for line in lines]
    units = [each for each in units if each["reason"] == "compiler-artifact"]
    fresh = {each["package_id"].partition("+")[0] for each in units if each["fresh"]}
    compiled = {each["package_id"].partition("+")[0] for each in units if not each["fresh"]}
    assert (fresh, compiled) == ({"registry"}, {"path"})


def test_where_clippy_is_missing_it_says_how_to_get_it(trap: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "rustc").symlink_to(ENV.get("RUSTC", "/usr/bin/rustc"))
    env = {"PATH": str(tmp_path / "bin"), "CARGO_HOME": str(tmp_path / "home")}
    recipe = prepare_ours(trap, tmp_path / "recipe.json")
    done = cook_ours(recipe, tmp_path / "cooked", "--clippy", env=env, check=False)
    assert done.returncode == 101
    assert "rustup component add clippy" in done.stderr
