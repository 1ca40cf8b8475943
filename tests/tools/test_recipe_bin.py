"""`prepare --bin`: what one program needs, judged by cargo and by cargo-chef."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli

from support.cooking import build, check, cook_ours, copy_sources, prepare_chefs, prepare_ours
from support.crates import download
from support.workspaces import lock, main, package, write, write_scenario

pytestmark = pytest.mark.tools

# scenario, --bin, package, what is kept of the local packages
CASES = [
    ("workspace", "app", "app", {"app", "core-lib", "derive", "left-out", "unix-only"}),
    ("workspace", "dig", "deeper", {"deeper", "core-lib"}),
    ("root-package", "helper", "helper", {"helper", "rooted-tests"}),
    ("outside", "inside", "inside", {"inside", "near", "far"}),
    ("patched", "patched", "patched", {"patched", "cfg-if"}),
]


def locked(recipe: dict[str, Any]) -> set[tuple[str, str | None]]:
    """Names and sources; cargo-chef does not mask every version."""
    packages = tomli.loads(recipe["skeleton"]["lock_file"])["package"]
    return {(each["name"], each.get("source")) for each in packages}


def names(recipe: dict[str, Any]) -> set[str]:
    manifests = [tomli.loads(each["contents"]) for each in recipe["skeleton"]["manifests"]]
    return {each["package"]["name"] for each in manifests if "package" in each}


@pytest.mark.parametrize(
    ("scenario", "member", "package", "kept"), CASES, ids=[f"{case[0]}-{case[1]}" for case in CASES]
)
def test_what_a_program_needs_and_no_more(
    tmp_path: Path, scenario: str, member: str, package: str, kept: set[str]
) -> None:
    root = write_scenario(tmp_path / "project", scenario)
    path = prepare_ours(root, tmp_path / "recipe.json", "--bin", member)
    recipe = json.loads(path.read_text())
    assert names(recipe) == kept
    # cargo would say so if the lock file had too much or too little
    kitchen = tmp_path / "kitchen" / root.relative_to(tmp_path / "project")
    cook_ours(path, kitchen, "--workspace", "--locked", "--offline")
    copy_sources(tmp_path / "project", tmp_path / "kitchen", old=True)
    check(build(kitchen, "--package", package, "--locked", "--offline"))


@pytest.mark.parametrize("member", ["deeper", "dig"])
def test_cargo_chef_keeps_the_same(tmp_path: Path, member: str) -> None:
    root = write_scenario(tmp_path / "project", "workspace")
    ours = json.loads(prepare_ours(root, tmp_path / "ours.json", "--bin", member).read_text())
    chefs = json.loads(prepare_chefs(root, tmp_path / "chefs.json", "--bin", member).read_text())
    assert names(ours) == names(chefs)
    assert locked(ours) == locked(chefs)
    roots = [tomli.loads(each["skeleton"]["manifests"][0]["contents"])["workspace"] for each in (ours, chefs)]
    assert sorted(roots[0]["members"]) == sorted(roots[1]["members"])
    assert set(roots[0]["dependencies"]) == set(roots[1]["dependencies"])


@pytest.mark.parametrize("prepare", [prepare_ours, prepare_chefs])
def test_features_that_only_another_member_turns_on_do_not_stop_a_locked_cook(
    tmp_path: Path, prepare: Callable[..., Path]
) -> None:
    """The lock file lists what those features need, and cargo wants it without that."""
    files = {
        "Cargo.toml": '[workspace]\nmembers = ["one", "two"]\nresolver = "2"\n',
        "one/Cargo.toml": package("one", '[dependencies]\neither = "1"\n'),
        "one/src/main.rs": main(),
        "two/Cargo.toml": package("two", '[dependencies]\neither = { version = "1", features = ["serde"] }\n'),
        "two/src/main.rs": main(),
    }
    root = write(tmp_path / "project", files)
    lock(root)
    download(root)
    path = prepare(root, tmp_path / "recipe.json", "--bin", "one")
    cook_ours(path, tmp_path / "kitchen", "--package", "one", "--locked", "--offline")
    copy_sources(root, tmp_path / "kitchen", old=True)
    check(build(tmp_path / "kitchen", "--package", "one", "--locked", "--offline"))
