"""`cargoship cargo -- clippy`: what a clean run of Clippy finds fault with is never passed by the cache."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.cargo_units import Change, create, edit
from support.programs import RunCargoship, distribution_rust, run

pytestmark = pytest.mark.tools

PACKAGE = '[package]\nname = "{}"\nversion = "0.1.0"\nedition = "2021"\n'
WORKSPACE = {
    "Cargo.toml": '[workspace]\nmembers = ["app", "helper"]\nresolver = "2"\n',
    "app/Cargo.toml": PACKAGE.format("app") + '[dependencies]\nhelper = { path = "../helper" }\n',
    "app/src/main.rs": 'fn main() { println!("{}", helper::sum(1, 2, 3)); }\n',
    "helper/Cargo.toml": PACKAGE.format("helper"),
    "helper/src/lib.rs": "pub fn sum(a: i32, b: i32, c: i32) -> i32 { a + b + c }\n",
}
DENIED = ("clippy", "--", "-D", "warnings")
FEW = "too-many-arguments-threshold = 2\n"
RETURNS = edit("helper/src/lib.rs", "{ a + b + c }", "{ return a + b + c; }")


@dataclass(frozen=True)
class Case:
    """What is run, and what is made otherwise before a second run, which finds fault with something."""

    change: Change | None = None
    first: tuple[str, ...] = DENIED
    then: tuple[str, ...] = DENIED
    variables: Mapping[str, str] = field(default_factory=dict)
    before: Change | None = None


CASES = {
    "clippy.toml": Case(create("clippy.toml", FEW)),
    ".clippy.toml of a package": Case(create("helper/.clippy.toml", FEW)),
    "another clippy.toml": Case(create("clippy.toml", FEW), before=create("clippy.toml", FEW.replace("2", "9"))),
    "a clippy.toml that is gone": Case(
        lambda place: (place / "helper/clippy.toml").unlink(),
        before=lambda place: (
            create("clippy.toml", FEW)(place),
            create("helper/clippy.toml", FEW.replace("2", "9"))(place),
        )[0],
    ),
    "a clippy.toml above the workspace": Case(create("../clippy.toml", FEW)),
    "CLIPPY_CONF_DIR": Case(create("lints/clippy.toml", FEW), variables={"CLIPPY_CONF_DIR": "lints"}),
    "packages asked for": Case(
        before=RETURNS,
        first=("clippy", "--no-deps", "-p", "app", "--", "-D", "warnings"),
        then=("clippy", "--no-deps", "-p", "helper", "--", "-D", "warnings"),
    ),
    "packages asked for as Clippy's own word": Case(
        before=RETURNS,
        first=("clippy", "-p", "app", "--", "-D", "warnings", "--no-deps"),
        then=("clippy", "-p", "helper", "--", "-D", "warnings", "--no-deps"),
    ),
    "dependencies too": Case(
        before=RETURNS,
        first=("clippy", "--no-deps", "-p", "app", "--", "-D", "warnings"),
        then=("clippy", "-p", "app", "--", "-D", "warnings"),
    ),
    "lints on the command line": Case(before=RETURNS, first=("clippy",)),
    "lints in RUSTFLAGS": Case(
        before=RETURNS, first=("clippy",), then=("clippy",), variables={"RUSTFLAGS": "-Dclippy::needless_return"}
    ),
    "lints in a manifest": Case(
        edit("helper/Cargo.toml", "[package]", '[lints.clippy]\nneedless_return = "deny"\n[package]'),
        before=RETURNS, first=("clippy",), then=("clippy",),
    ),
    "lints in the code": Case(
        edit("helper/src/lib.rs", "pub fn", "#![deny(clippy::needless_return)]\npub fn"),
        before=RETURNS, first=("clippy",), then=("clippy",),
    ),
    "check before it": Case(before=RETURNS, first=("check",)),
}  # fmt: skip


@pytest.mark.parametrize("fresh", [True, False], ids=["fresh", "in place"])
@pytest.mark.parametrize("name", CASES, ids=lambda name: name.replace(" ", "-"))
def test_what_is_found_fault_with_is_told(
    run_cargoship: RunCargoship, tmp_path: Path, name: str, *, fresh: bool
) -> None:
    case, place = CASES[name], tmp_path / "above" / "place"
    for path, text in WORKSPACE.items():
        create(path, text)(place)
    if case.before is not None:
        case.before(place)
    run(distribution_rust().get("CARGO", "cargo"), "generate-lockfile", "--offline", cwd=place)
    cache = ("--cache-to", f"dir:{tmp_path / 'cache'}")

    def code(words: tuple[str, ...], env: Mapping[str, str]) -> int:
        return run_cargoship("cargo", *cache, "--", *words, cwd=place, env=env, check=False).returncode

    assert code(case.first, {}) == 0
    if case.change is not None:
        case.change(place)
    if fresh:
        shutil.rmtree(place / "target")
    assert code(case.then, case.variables) == 101


@pytest.mark.parametrize("words", [DENIED, ("clippy", "--no-deps", "-p", "app")], ids=" ".join)
def test_what_is_the_same_is_not_looked_at_again(
    run_cargoship: RunCargoship, tmp_path: Path, words: tuple[str, ...]
) -> None:
    place = tmp_path / "place"
    for path, text in WORKSPACE.items():
        create(path, text)(place)
    create("clippy.toml", FEW.replace("2", "9"))(place)
    run(distribution_rust().get("CARGO", "cargo"), "generate-lockfile", "--offline", cwd=place)
    for restored in ("0 restored", "2 restored"):
        shutil.rmtree(place / "target", ignore_errors=True)
        run_cargoship("cargo", "--cache-to", f"dir:{tmp_path / 'cache'}", "--", *words, cwd=place)
        assert restored in run_cargoship("cache", "explain", cwd=place).stdout
