"""`cargoship cargo` and `cargoship recipe cook`: the unit cache where no image is made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from support.cooking import prepare_ours
from support.programs import RunCargoship, distribution_rust, run
from support.unit_projects import SAYS, write_workspace

pytestmark = pytest.mark.tools


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_workspace(tmp_path_factory.mktemp("wrapped") / "project")
    run(distribution_rust().get("CARGO", "cargo"), "generate-lockfile", cwd=folder)
    return folder


def fresh(project: Path, folder: Path) -> Path:
    """A checkout with new times and nothing compiled."""
    shutil.copytree(project, folder, ignore=shutil.ignore_patterns("target"), copy_function=shutil.copyfile)
    return folder


def units(stderr: str) -> list[dict[str, object]]:
    events = [json.loads(line) for line in stderr.splitlines() if line.startswith("{")]
    return [event for event in events if event["event"] == "unit-finished"]


@pytest.mark.parametrize("words", [("build",), ("build", "--release"), ("check",)], ids=" ".join)
def test_a_second_checkout_compiles_nothing(
    run_cargoship: RunCargoship, project: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    cache = ("--cache-to", f"dir:{tmp_path / 'cache'}")
    # debug information holds the folder: without release, local crates are for checkouts in the same one
    second = tmp_path / "checkout"
    first = tmp_path / "first" if "--release" in words else second
    run_cargoship("cargo", *cache, "--", *words, cwd=fresh(project, first))
    shutil.rmtree(first)
    done = run_cargoship("cargo", "--progress", "json", *cache, "--", *words, cwd=fresh(project, second))
    seen = units(done.stderr)
    assert {unit["package"] for unit in seen} == {"app", "helper", "itoa", "maker", "native-sys"}
    assert [unit for unit in seen if not unit["fresh"]] == []
    if words[0] == "build":
        program = second / "target" / ("release" if "--release" in words else "debug") / "app"
        assert run(program).stdout == SAYS


def test_its_tests_run_and_cargos_exit_code_is_passed_on(
    run_cargoship: RunCargoship, project: Path, tmp_path: Path
) -> None:
    place = fresh(project, tmp_path / "place")
    code = "#[test]\nfn works() { assert_eq!(1 + 1, TWO); }\n"
    (place / "helper" / "tests").mkdir()
    cache = ("--cache-to", f"dir:{tmp_path / 'cache'}")
    (place / "helper" / "tests" / "sum.rs").write_text("const TWO: i32 = 2;\n" + code)
    done = run_cargoship("cargo", *cache, "--", "test", "-p", "helper", cwd=place)
    assert "test works ... ok" in done.stdout
    (place / "helper" / "tests" / "sum.rs").write_text("const TWO: i32 = 3;\n" + code)
    failed = run_cargoship("cargo", *cache, "--", "test", "-p", "helper", cwd=place, check=False)
    assert failed.returncode == 101
    assert "test works ... FAILED" in failed.stdout


def test_a_cook_takes_dependencies_from_the_cache(run_cargoship: RunCargoship, project: Path, tmp_path: Path) -> None:
    recipe = prepare_ours(project, tmp_path / "recipe.json")
    cache = ("--cache-to", f"dir:{tmp_path / 'cache'}")
    shown = []
    for name in ("first", "second"):
        kitchen = tmp_path / name
        kitchen.mkdir()
        words = ("recipe", "cook", "--recipe-path", recipe, "--progress", "json")
        shown.append(units(run_cargoship(*words, *cache, cwd=kitchen).stderr))
    first, second = ({unit["package"]: unit["fresh"] for unit in seen} for seen in shown)
    assert first["itoa"] is False
    assert second["itoa"] is True
    # what was compiled of dummies is nobody's
    assert [name for name, was_fresh in second.items() if was_fresh] == ["itoa"]
