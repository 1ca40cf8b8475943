"""cargo-chef 0.1.77 and cargo itself judge our recipes and what we cook."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from support.cooking import (
    CHEF,
    build,
    check,
    cook_chefs,
    cook_ours,
    copy_sources,
    metadata,
    prepare_chefs,
    prepare_ours,
)
from support.programs import run
from support.workspaces import SCENARIOS, write_scenario

pytestmark = pytest.mark.tools

# cargo-chef leaves out crates that are no members, and writes to places outside of the folder
CHEFS_RECIPE_IS_WHOLE = [name for name in SCENARIOS if name not in {"workspace", "patched", "outside", "trap"}]


@pytest.fixture
def scenario(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The root of a scenario's workspace, with a lock file."""
    return write_scenario(tmp_path / "project", request.param)


def top(root: Path) -> Path:
    """The folder that holds all of a scenario."""
    return next(folder for folder in (root, *root.parents) if folder.name == "project")


def every(names: list[str] | dict[str, Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("scenario", list(names), indirect=True)


def test_the_judge_is_the_version_that_we_promise() -> None:
    assert run(CHEF, "chef", "--version").stdout.strip().endswith("0.1.77")


@every(SCENARIOS)
def test_cargo_sees_the_same_packages_in_the_skeleton(scenario: Path, tmp_path: Path) -> None:
    recipe = prepare_ours(scenario, tmp_path / "recipe.json")
    cook_ours(recipe, tmp_path / "cooked", "--no-build")
    seen, expected = metadata(tmp_path / "cooked"), metadata(scenario)
    if top(scenario) != scenario:
        # crates from outside stand inside; everything else is equal
        outside = ".cargoship/outside"
        text = json.dumps(seen).replace(f"../{outside}/inner", "../..").replace(f"{outside}/inner/", "../")
        seen = json.loads(text.replace(f"{outside}/", "../../"))
        expected = json.loads(json.dumps(expected))
    assert seen == expected


@every(SCENARIOS)
def test_the_recipe_says_what_cargo_chefs_says(scenario: Path, tmp_path: Path) -> None:
    ours = json.loads(prepare_ours(scenario, tmp_path / "ours.json").read_text())["skeleton"]
    chefs = json.loads(prepare_chefs(scenario, tmp_path / "chefs.json").read_text())["skeleton"]
    by_path = {each["relative_path"]: each for each in ours["manifests"]}
    for manifest in chefs["manifests"]:
        mine = by_path[manifest["relative_path"]]
        assert [each["kind"] for each in mine["targets"]] == [each["kind"] for each in manifest["targets"]]
        assert [each["name"] for each in mine["targets"]] == [each["name"] for each in manifest["targets"]]
        if not any(each["path"].startswith("../") for each in manifest["targets"]):
            assert mine["targets"] == manifest["targets"]
        check_contents(tomllib.loads(mine["contents"]), tomllib.loads(manifest["contents"]))
    for key in ("lock_file", "config_file"):
        if chefs[key] is None or ours[key] is None:
            assert ours[key] == chefs[key]
        elif (key, scenario.name) != ("lock_file", "patched"):
            assert unpatched(tomllib.loads(ours[key])) == unpatched(tomllib.loads(chefs[key])), key
    kind, text = (None, "") if ours["rust_toolchain_file"] is None else ours["rust_toolchain_file"]
    chefs_kind, chefs_text = (None, "") if chefs["rust_toolchain_file"] is None else chefs["rust_toolchain_file"]
    assert (kind, tomllib.loads(text)) == (chefs_kind, tomllib.loads(chefs_text))


def unpatched(document: dict[str, Any]) -> dict[str, Any]:
    """A lock file without the versions of packages that are no members: cargo-chef does not mask them."""
    return {
        **document,
        "package": [
            {key: value for key, value in each.items() if key != "version" or "source" in each}
            for each in document.get("package", [])
        ],
    }


def check_contents(ours: dict[str, Any], chefs: dict[str, Any]) -> None:
    assert ours.get("features", {}) == chefs.get("features", {})
    profiles = chefs.get("profile", {}).items()
    filled = {name: {key: each for key, each in profile.items() if each != {}} for name, profile in profiles}
    assert ours.get("profile", {}) == filled
    package = {key: ours.get("package", {}).get(key) for key in ("name", "version", "edition", "build", "links")}
    assert package == {key: chefs.get("package", {}).get(key) for key in package}
    for key in ("lib", "bin", "test", "bench", "example"):
        assert ("path" in ours.get(key, {})) == ("path" in chefs.get(key, {})), key
        names = [[each["name"] for each in side.get(key, [])] for side in (ours, chefs) if key != "lib"]
        assert names[:1] == names[1:], key


CASES = [
    *(("ours", "ours", name) for name in SCENARIOS),
    *(("ours", "chefs", name) for name in CHEFS_RECIPE_IS_WHOLE),
    *(("chefs", "ours", name) for name in SCENARIOS),
]


@pytest.mark.parametrize(
    ("cook", "prepared", "scenario"), CASES, indirect=["scenario"], ids=["-".join(case) for case in CASES]
)
def test_after_a_cook_only_local_crates_are_compiled(scenario: Path, tmp_path: Path, cook: str, prepared: str) -> None:
    prepare = prepare_ours if prepared == "ours" else prepare_chefs
    recipe = prepare(scenario, tmp_path / "recipe.json")
    kitchen = tmp_path / "kitchen" / scenario.relative_to(top(scenario))
    options = ["--workspace", "--locked"]
    if cook == "ours":
        cook_ours(recipe, kitchen, *options)
    else:
        cook_chefs(recipe, kitchen, *options)
    # cargo-chef leaves dummies of programs behind, which nothing but the time of the real source makes stale
    copy_sources(top(scenario), tmp_path / "kitchen", old=cook == "ours")
    check(build(kitchen, *options))
