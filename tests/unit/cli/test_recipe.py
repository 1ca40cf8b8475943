"""`cargoship recipe`: options that do not go together, what is written where, and what is said."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cargoship.cli.main import main
from cargoship.cli.session import World
from cargoship.recipe.model import read_recipe
from support.projects import project


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    code = main(["recipe", *arguments], World({"PATH": ""}, folder, out, err))
    return code, out.getvalue(), err.getvalue()


def test_prepare_writes_the_recipe(tmp_path: Path) -> None:
    project(tmp_path)
    code, out, err = run(tmp_path, "prepare")
    assert (code, out) == (0, "")
    assert "recipe.json" in err
    assert "no Cargo.lock" in err
    assert read_recipe(tmp_path / "recipe.json").skeleton.manifests[0].relative_path == "Cargo.toml"


def test_prepare_writes_to_standard_output(tmp_path: Path) -> None:
    project(tmp_path / "app")
    (tmp_path / "app" / "Cargo.lock").write_text("version = 4\n")
    code, out, err = run(tmp_path, "prepare", "app", "--recipe-path", "-")
    assert (code, err) == (0, "")
    assert json.loads(out)["version"] == 1


def test_prepare_fails_and_leaves_nothing(tmp_path: Path) -> None:
    project(tmp_path)
    code, out, err = run(tmp_path, "prepare", "--bin", "ap")
    assert (code, out) == (13, "")
    assert 'did you mean "app"?' in err
    assert not (tmp_path / "recipe.json").exists()


REFUSED = {
    "two ways": (("--check", "--clippy"), "--check and --clippy do not go together"),
    "nothing and something": (("--no-build", "--zigbuild"), "--zigbuild and --no-build do not go together"),
    "two profiles": (("--release", "--profile", "thin"), "--release and --profile do not go together"),
    "platform and target": (
        ("--platform", "linux/amd64", "--target", "x"),
        "--platform and --target do not go together",
    ),
    "platform and check": (("--platform", "linux/amd64", "--check"), "--platform and --check do not go together"),
    "libc alone": (("--libc", "gnu"), "--libc needs --platform"),
    "no jobs": (("--jobs", "0"), "--jobs"),
}


@pytest.mark.parametrize(("options", "words"), REFUSED.values(), ids=REFUSED)
def test_options_that_do_not_go_together(tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    code, _, err = run(tmp_path, "cook", *options)
    assert code == 2
    assert words in err


def test_cook_writes_and_compiles_nothing_when_asked(tmp_path: Path) -> None:
    project(tmp_path / "app")
    run(tmp_path, "prepare", "app")
    (tmp_path / "kitchen").mkdir()
    code, out, err = run(tmp_path / "kitchen", "cook", "--recipe-path", "../recipe.json", "--no-build")
    assert (code, out, err) == (0, "", "")
    assert (tmp_path / "kitchen" / "src" / "main.rs").read_text() == "fn main() {}\n"


ERRORS: dict[str, tuple[Callable[[Path], Path | None], int, str]] = {
    "no recipe": (lambda _: None, 22, "there is no recipe"),
    "a platform that is none": (lambda _: None, 17, "amiga"),
    "sources in the way": (lambda folder: folder / "src" / "main.rs", 23, "would be overwritten"),
    "no cargo": (lambda _: None, 30, "rustc was not found on PATH"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_cook_refuses(tmp_path: Path, name: str) -> None:
    place, expected, words = ERRORS[name]
    project(tmp_path / "app")
    kitchen = tmp_path / "kitchen"
    kitchen.mkdir()
    if name != "no recipe":
        run(tmp_path, "prepare", "app", "--recipe-path", "kitchen/recipe.json")
    if (mine := place(kitchen)) is not None:
        mine.parent.mkdir(parents=True)
        mine.write_text("mod mine;\n")
    options = ("--platform", "linux/amiga") if "platform" in name else ()
    code, out, err = run(kitchen, "cook", *options)
    assert (code, out) == (expected, "")
    assert words in err
    if mine is not None:
        assert mine.read_text() == "mod mine;\n"
        assert not (kitchen / "Cargo.toml").exists()
        assert run(kitchen, "cook", "--no-build", "--force")[0] == 0
        assert mine.read_text() == "fn main() {}\n"
