"""recipe.json, also broken, foreign or hostile."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cargoship.errors import RecipeInvalid
from cargoship.recipe import model
from cargoship.recipe.model import Recipe, parse_recipe, read_recipe

# As cargo-chef 0.1.77 writes it
CHEFS: dict[str, Any] = {
    "skeleton": {
        "manifests": [
            {
                "relative_path": "Cargo.toml",
                "contents": '[package]\nname = "app"\nversion = "0.0.1"\n',
                "targets": [
                    {"path": "src/lib.rs", "kind": {"Lib": {"is_proc_macro": True}}, "name": "app"},
                    {"path": "src/main.rs", "kind": "Bin", "name": "app"},
                ],
            }
        ],
        "config_file": None,
        "lock_file": None,
        "rust_toolchain_file": ["Toml", '[toolchain]\nchannel = "1.90"\n'],
    }
}


def changed(**manifest: object) -> dict[str, Any]:
    first = {**CHEFS["skeleton"]["manifests"][0], **manifest}
    return {"skeleton": {**CHEFS["skeleton"], "manifests": [first]}}


def with_more(*manifests: Mapping[str, object]) -> dict[str, Any]:
    return {"skeleton": {**CHEFS["skeleton"], "manifests": [*CHEFS["skeleton"]["manifests"], *manifests]}}


def with_files(path: str) -> dict[str, Any]:
    return {**CHEFS, "skeleton": {**CHEFS["skeleton"], "files": {path: "#!/bin/sh"}}}


def target(path: str) -> dict[str, Any]:
    return changed(targets=[{"path": path, "kind": "Bin", "name": "x"}])


def test_cargo_chefs_recipe_comes_back_as_it_was() -> None:
    recipe = parse_recipe(json.dumps(CHEFS).encode())
    # it does not say whether members were left out, and so they may have been
    assert json.loads(recipe.to_json()) == {**CHEFS, "version": 1, "partial": True}
    assert parse_recipe(recipe.to_json()) == recipe


REFUSED: dict[str, tuple[object, str]] = {
    "no JSON": ("{", "is no recipe"),
    "another document": ({"name": "x"}, "missing required field `skeleton`"),
    "wrong kind": (changed(targets=[{"path": "a.rs", "kind": "Plugin", "name": "x"}]), "targets[0].kind"),
    "wrong type": (changed(contents=1), "$.skeleton.manifests[0].contents"),
    "unknown version": ({**CHEFS, "version": 2}, "version 2"),
    "no root": (changed(relative_path="app/Cargo.toml"), "lacks Cargo.toml"),
    "absolute": (with_more({"relative_path": "/etc/Cargo.toml", "contents": "", "targets": []}), "manifests[1]"),
    "above": (with_more({"relative_path": "../Cargo.toml", "contents": "", "targets": []}), "leaves the folder"),
    "above in the middle": (
        with_more({"relative_path": "a/../../Cargo.toml", "contents": "", "targets": []}),
        "leaves the folder",
    ),
    "no manifest": (with_more({"relative_path": "run.sh", "contents": "", "targets": []}), "is not a Cargo.toml"),
    "twice": (with_more(CHEFS["skeleton"]["manifests"][0]), "there twice"),
    "target above": (target("../x.rs"), "targets[0].path"),
    "absolute target": (target("/etc/passwd"), "targets[0].path"),
    "target with a null": (target("a\0b"), "targets[0].path"),
    "target is the folder": (target("src/.."), "targets[0].path"),
    "target over a manifest": (target("Cargo.toml"), "would overwrite Cargo.toml"),
    "target over the lock file": (target("Cargo.lock"), "would overwrite Cargo.lock"),
    "target over git's hooks": (target(".git/hooks/post-checkout"), "would overwrite .git"),
    "target over hooks of a submodule": (target("lib/.git/hooks/post-checkout"), "would overwrite lib/.git"),
    "a named file over hooks of a submodule": (with_files("lib/.GIT/hooks/post-checkout"), "would overwrite lib/.GIT"),
    "a named file above": (with_files("../x.sh"), "leaves the folder"),
    "a named file over a manifest": (with_files("Cargo.toml"), "would overwrite Cargo.toml"),
    "a named file over git's hooks": (with_files(".git/hooks/post-checkout"), "would overwrite .git"),
    "a named file over the configuration": (with_files("./.cargo/config.toml"), "would overwrite .cargo"),
    "target over the configuration": (target("./.cargo/config.toml"), "would overwrite .cargo"),
}


@pytest.mark.parametrize(("document", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(tmp_path: Path, document: object, words: str) -> None:
    path = tmp_path / "recipe.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    with pytest.raises(RecipeInvalid) as raised:
        read_recipe(path)
    assert words in raised.value.message
    assert str(path) in raised.value.message


def test_a_target_may_be_beside_its_package(tmp_path: Path) -> None:
    shared = {
        "relative_path": "a/Cargo.toml",
        "contents": "",
        "targets": [{"path": "../x.rs", "kind": "Bin", "name": "x"}],
    }
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(with_more(shared)))
    assert isinstance(read_recipe(path), Recipe)


def test_one_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RecipeInvalid) as raised:
        read_recipe(tmp_path / "recipe.json")
    assert "cargoship recipe prepare" in (raised.value.hint or "")


def test_one_that_is_far_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "SIZE_MAX_BYTES", 10)
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(CHEFS))
    with pytest.raises(RecipeInvalid, match="larger than"):
        read_recipe(path)
