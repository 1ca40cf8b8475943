"""Cook recipes by us and by cargo-chef, put the real sources over the dummies, and see what cargo then compiles."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.programs import CARGOSHIP, REPOSITORY, distribution_rust, run

CHEF = REPOSITORY / ".tools" / "bin" / "cargo-chef"
ENV = {
    **distribution_rust(),
    "CARGO_INCREMENTAL": "1",
}
# A long time ago: what COPY brings from a checkout is older than what was cooked.
LONG_AGO = 1_000_000_000


def cargo(*arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    return run(ENV.get("CARGO", "cargo"), *arguments, cwd=cwd, env={**ENV, **(env or {})}).stdout


def metadata(folder: Path) -> dict[str, Any]:
    """What cargo sees of the workspace's packages, without what a recipe masks or leaves out."""
    seen = json.loads(cargo("metadata", "--no-deps", "--format-version", "1", "--offline", cwd=folder))
    root = folder.resolve()

    def place(path: str) -> str:
        return os.path.relpath(path, root)

    def dependency(each: dict[str, Any]) -> tuple[str, ...]:
        path = each.get("path")
        kept = {key: each[key] for key in ("name", "source", "kind", "rename", "optional", "target", "registry")}
        kept |= {"uses_default_features": each["uses_default_features"], "features": sorted(each["features"])}
        kept |= {"req": "" if path else each["req"], "path": place(path) if path else None}
        return tuple(f"{key}={value}" for key, value in kept.items())

    def target(each: dict[str, Any]) -> dict[str, Any]:
        return {**each, "src_path": place(each["src_path"])}

    return {
        package["name"]: {
            "manifest": place(package["manifest_path"]),
            "edition": package["edition"],
            "links": package["links"],
            "features": package["features"],
            "dependencies": sorted(map(dependency, package["dependencies"])),
            "targets": sorted(map(target, package["targets"]), key=lambda each: (each["src_path"], each["kind"])),
        }
        for package in seen["packages"]
    }


def prepare_ours(root: Path, recipe: Path, *arguments: str) -> Path:
    run(CARGOSHIP, "recipe", "prepare", root, "--recipe-path", recipe, *arguments)
    return recipe


def prepare_chefs(root: Path, recipe: Path, *arguments: str) -> Path:
    run(CHEF, "chef", "prepare", "--recipe-path", recipe, *arguments, cwd=root, env=ENV)
    return recipe


def cook_ours(
    recipe: Path, folder: Path, *arguments: str, env: Mapping[str, str] | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    folder.mkdir(parents=True, exist_ok=True)
    words = ("recipe", "cook", "--recipe-path", str(recipe), *arguments)
    return run(CARGOSHIP, *words, cwd=folder, env={**ENV, **(env or {})}, check=check)


def cook_chefs(recipe: Path, folder: Path, *arguments: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    run(CHEF, "chef", "cook", "--recipe-path", recipe, *arguments, cwd=folder, env=ENV)


def copy_sources(project: Path, folder: Path, *, old: bool) -> None:
    """As COPY does; `old` gives every file a time before everything that was cooked."""
    shutil.copytree(project, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("target", "recipe.json"))
    for path in project.rglob("*"):
        if path.is_file() and (copied := folder / path.relative_to(project)).is_file():
            os.utime(copied, (LONG_AGO, LONG_AGO) if old else None)


@dataclass(frozen=True)
class Built:
    """What a build with the real sources did."""

    local: frozenset[str]
    """Local packages that were compiled."""
    stale: frozenset[str]
    """Local packages of which something was taken as it was: a dummy."""
    foreign: frozenset[str]
    """Dependencies that were compiled."""
    programs: Mapping[str, Path]
    foreign_seen: int = 0


def build(folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Built:
    lines = cargo("build", "--message-format", "json", *arguments, cwd=folder, env=env).splitlines()
    units = [each for each in map(json.loads, lines) if each["reason"] == "compiler-artifact"]

    def names(wanted: Sequence[dict[str, Any]]) -> frozenset[str]:
        return frozenset(Path(each["manifest_path"]).parent.name for each in wanted)

    local = [each for each in units if each["package_id"].startswith("path+")]
    foreign = [each for each in units if not each["package_id"].startswith("path+")]
    return Built(
        local=names([each for each in local if not each["fresh"]]),
        stale=names([each for each in local if each["fresh"]]),
        foreign=names([each for each in foreign if not each["fresh"]]),
        programs={each["target"]["name"]: Path(each["executable"]) for each in units if each["executable"]},
        foreign_seen=len(foreign),
    )


def check(built: Built) -> None:
    """Everything local was compiled, nothing else was, and the programs are the real ones."""
    assert built.stale == frozenset(), "a dummy was taken for the real crate"
    assert built.local
    assert built.foreign_seen
    assert built.foreign == frozenset()
    for name, path in built.programs.items():
        if not name.startswith("build-script"):
            assert run(path).stdout.startswith("real main\n")
