"""The targets that recipes find are those that cargo finds: packages of all shapes, with cargo as the judge."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cargoship.errors import CargoshipError
from cargoship.recipe.model import CargoTarget, Lib
from support.cooking import ENV
from support.programs import run
from support.recipes import prepare_recipe

pytestmark = pytest.mark.tools

FILES = [
    "src/lib.rs", "src/main.rs", "src/pkg.rs", "src/named.rs", "src/bench.rs", "src/bin/main.rs", "src/bin/one.rs",
    "src/bin/pkg.rs", "src/bin/two/main.rs", "src/bin/three/mod.rs", "src/bin/.hidden.rs", "src/bin/no-source.txt",
    "tests/one.rs", "tests/two/main.rs", "tests/common/mod.rs", "examples/one.rs", "examples/named.rs",
    "benches/bench.rs", "benches/named/main.rs", "build.rs", "other/place.rs",
]  # fmt: skip
LINES = {
    "bin": [
        'name = "named"', 'name = "one"', 'name = "pkg"', 'name = "elsewhere"\npath = "other/place.rs"',
        'name = "odd"\npath = "./src/bin/one.rs"', 'name = "up"\npath = "src/../src/main.rs"',
    ],
    "test": [
        'name = "one"', 'name = "named"\npath = "other/place.rs"\nharness = false',
        'name = "odd"\npath = "tests//one.rs"',
    ],
    "example": [
        'name = "named"', 'name = "one"\ncrate-type = ["staticlib"]', 'name = "odd"\npath = "examples/./one.rs"',
    ],
    "bench": ['name = "bench"\nharness = false', 'name = "named"', 'name = "odd"\npath = "./benches/bench.rs"'],
}  # fmt: skip
LIBS = [
    "",
    "[lib]",
    '[lib]\nname = "named"',
    "[lib]\nproc-macro = true",
    '[lib]\npath = "other/place.rs"',
    '[lib]\ncrate-type = ["cdylib"]',
]
SWITCHES = ["autobins", "autotests", "autoexamples", "autobenches", "autolib"]


@st.composite
def packages(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A manifest and the files that are there."""
    edition = draw(st.sampled_from(["", 'edition = "2018"', 'edition = "2021"', 'edition = "2024"']))
    switches = draw(st.dictionaries(st.sampled_from(SWITCHES), st.sampled_from(["true", "false"]), max_size=2))
    build = draw(st.sampled_from(["", "build = false", 'build = "other/place.rs"', 'build = "build.rs"']))
    head = ["[package]", 'name = "pkg"', edition, build, *(f"{key} = {value}" for key, value in switches.items())]
    tables = [draw(st.sampled_from(LIBS))]
    for key, lines in LINES.items():
        tables += [f"[[{key}]]\n{line}" for line in draw(st.lists(st.sampled_from(lines), max_size=2, unique=True))]
    return "\n".join([*head, *tables]) + "\n", draw(st.lists(st.sampled_from(FILES), unique=True, min_size=3))


def write(folder: Path, manifest: str, files: list[str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for place in files:
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).touch()
    (folder / "Cargo.toml").write_text(manifest)


def seen_by_cargo(folder: Path) -> set[tuple[str, str, str]] | None:
    """Kind, name and path of every target; None where cargo refuses the package."""
    words = ("metadata", "--no-deps", "--offline", "--format-version", "1")
    done = run(ENV.get("CARGO", "cargo"), *words, cwd=folder, env=ENV, check=False)
    if done.returncode:
        return None
    targets: list[dict[str, Any]] = json.loads(done.stdout)["packages"][0]["targets"]
    return {(kind(each["kind"]), each["name"], os.path.relpath(each["src_path"], folder)) for each in targets}


def kind(kinds: list[str]) -> str:
    words = {"bin": "Bin", "test": "Test", "bench": "Bench", "example": "Example", "custom-build": "BuildScript"}
    return words.get(kinds[0], "ProcMacro" if kinds == ["proc-macro"] else "Lib")


def spelled(target: CargoTarget) -> tuple[str, str, str]:
    match target.kind:
        case Lib(facts=facts):
            return ("ProcMacro" if facts.is_proc_macro else "Lib", target.name, target.path)
        case word:
            return (word, target.name, target.path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(packages())
def test_targets_are_those_that_cargo_sees(tmp_path: Path, package: tuple[str, list[str]]) -> None:
    folder = tmp_path / "pkg"
    write(folder, *package)
    expected = seen_by_cargo(folder)
    try:
        found = {spelled(target) for target in prepare_recipe(folder).skeleton.manifests[0].targets}
    except CargoshipError:
        # a test or bench without a file is refused when something is built, not before
        assert expected is None or run(ENV.get("CARGO", "cargo"), "check", cwd=folder, env=ENV, check=False).returncode
        return
    assume(expected is not None)
    assert found == expected
