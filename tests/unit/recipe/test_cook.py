"""cargo's command line for a cook, and what is removed after it, with a cargo that does what it is asked to."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cargoship.errors import CompileFailed, OutputError, UsageError
from cargoship.events import ignore
from cargoship.process import Command, Completed
from cargoship.recipe.cook import Cooking, CookPrograms, Subcommand, compile_dependencies, write_skeleton
from cargoship.recipe.dummies import Dummies, profile_folder, remove_dummies
from cargoship.recipe.model import CargoManifest, CargoTarget, Lib, Recipe, Skeleton
from support.scripted import ScriptedRunner, said

RECIPE = Recipe(
    Skeleton(
        (
            CargoManifest(
                "Cargo.toml",
                '[package]\nname = "my-app"\nversion = "0.0.1"\n',
                (
                    CargoTarget("src/lib.rs", Lib(), "my_app"),
                    CargoTarget("src/main.rs", "Bin", "my-app"),
                    CargoTarget("examples/shown.rs", "Example", "shown"),
                    CargoTarget("tests/itoa.rs", "Test", "itoa"),
                ),
            ),
        )
    )
)
OPTIONS: dict[str, tuple[Cooking, tuple[str, ...]]] = {
    "nothing": (Cooking(), ("build", "--message-format", "json-render-diagnostics")),
    "release": (Cooking(profile="release"), ("--profile", "release")),
    "check": (Cooking(subcommand=Subcommand.CHECK), ("check",)),
    "clippy": (Cooking(subcommand=Subcommand.CLIPPY), ("clippy",)),
    "zigbuild": (
        Cooking(subcommand=Subcommand.ZIGBUILD, targets=("a", "b")),
        ("zigbuild", "--target", "a", "--target", "b"),
    ),
    "features": (
        Cooking(features=("a", "b/c"), no_default_features=True, all_features=True),
        ("--features", "a,b/c", "--no-default-features", "--all-features"),
    ),
    "targets": (
        Cooking(benches=True, tests=True, examples=True, all_targets=True, all_bins=True, bins=("x", "y")),
        ("--bin", "x", "--bin", "y", "--benches", "--tests", "--examples", "--all-targets", "--bins"),
    ),
    "packages": (Cooking(packages=("a", "b"), workspace=True), ("--package", "a", "--package", "b", "--workspace")),
    "network": (Cooking(offline=True, locked=True, frozen=True), ("--offline", "--locked", "--frozen")),
    "rest": (
        Cooking(
            unstable=("one", "two=3"), jobs=2, timings=True, verbose=True,
            target_dir=Path("out"), manifest_path=Path("sub/Cargo.toml"),
        ),
        ("-Z", "one", "-Z", "two=3", "--jobs", "2", "--timings", "--verbose", "--target-dir", "out", "--manifest-path"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("cooking", "words"), OPTIONS.values(), ids=OPTIONS)
def test_cargos_command_line(cooking: Cooking, words: tuple[str, ...]) -> None:
    arguments = list(cooking.arguments())
    positions = [arguments.index(word) for word in words]
    assert len(set(positions)) == len(set(words))


def test_a_name_that_looks_like_an_option_stays_a_name() -> None:
    words = Cooking(bins=("--config=x",), packages=("-Z",), targets=("-v",), features=("-q",)).arguments()
    assert {"--bin=--config=x", "--package=-Z", "--target=-v", "--features=-q"} <= set(words)
    assert not {"--config=x", "-Z", "-v", "-q"} & set(words)


def test_profiles_that_share_a_folder() -> None:
    names = {name: profile_folder(name) for name in ("dev", "test", "release", "bench", "thin")}
    assert names == {"dev": "debug", "test": "debug", "release": "release", "bench": "release", "thin": "thin"}


LOCAL, FOREIGN, OTHER = "1" * 16, "2" * 16, "3" * 16
# (path, whether it stays)
V1 = {
    f".fingerprint/my-app-{LOCAL}/lib-my_app": False,
    f".fingerprint/itoa-{FOREIGN}/lib-itoa": True,
    f".fingerprint/my-app-{OTHER}/test-integration-test-itoa": False,
    f".fingerprint/my-application-{FOREIGN}/lib": True,
    f"build/my-app-{LOCAL}/out/made.rs": False,
    f"build/libc-{FOREIGN}/out/made.rs": True,
    f"deps/libmy_app-{LOCAL}.rlib": False,
    f"deps/libmy_app-{LOCAL}.rmeta": False,
    f"deps/my_app-{LOCAL}.d": False,
    # a test of ours that is called as a dependency is
    f"deps/itoa-{OTHER}": False,
    f"deps/itoa-{OTHER}.d": False,
    f"deps/libitoa-{FOREIGN}.rlib": True,
    f"deps/itoa-{FOREIGN}.d": True,
    f"deps/libmy_application-{FOREIGN}.rlib": True,
    "deps/libmy_app.so": False,
    f"examples/shown-{LOCAL}": False,
    "examples/shown": False,
    "examples/shown.d": False,
    "examples/other": True,
    "incremental/my_app-0rqk97mrlq6vg/s-1/query-cache.bin": False,
    "incremental/build_script_build-0rqk97/s-1/query-cache.bin": False,
    "incremental/another-0rqk97/s-1/query-cache.bin": True,
    "my-app": False,
    "my-app.d": False,
    "libmy_app.rlib": False,
    "my-application": True,
    ".cargo-lock": True,
}
V2 = {
    f"build/my-app/{LOCAL}/fingerprint/lib-my_app": False,
    f"build/my-app/{LOCAL}/out/libmy_app-{LOCAL}.rlib": False,
    f"build/my-app/{OTHER}/run/stdout": False,
    f"build/itoa/{FOREIGN}/out/libitoa-{FOREIGN}.rlib": True,
    f"build/my-application/{FOREIGN}/fingerprint/lib": True,
    "my-app": False,
}
DUMMIES = Dummies.of(RECIPE, ())


@pytest.mark.parametrize("files", [V1, V2], ids=["v1", "v2"])
@pytest.mark.parametrize("below", ["", "x86_64-unknown-linux-musl"])
def test_what_dummies_became_is_removed_and_nothing_else(tmp_path: Path, files: dict[str, bool], below: str) -> None:
    folder = tmp_path / below / "release"
    for place in files:
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).touch()
    other_profile = tmp_path / "debug" / "my-app"
    other_profile.parent.mkdir()
    other_profile.touch()
    remove_dummies(DUMMIES, [tmp_path, tmp_path / "is-not-there"], "release")
    assert {place: (folder / place).exists() for place in files} == files
    assert other_profile.exists()


@pytest.mark.parametrize("place", [".fingerprint/my-app-{}/lib", "build/my-app/{}/fingerprint/lib"])
def test_a_dependency_of_the_same_name_stays(tmp_path: Path, place: str) -> None:
    theirs = tmp_path / "debug" / place.format(FOREIGN)
    ours = tmp_path / "debug" / place.format(LOCAL)
    for path in (theirs, ours):
        path.parent.mkdir(parents=True)
        path.touch()
    named = Dummies(DUMMIES.packages, DUMMIES.stems, frozenset({FOREIGN}))
    remove_dummies(named, [tmp_path], "dev")
    assert (theirs.exists(), ours.exists()) == (True, False)


def test_what_stays_behind_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stubborn = tmp_path / "libmy_app.rlib"
    stubborn.touch()
    monkeypatch.setattr(Path, "unlink", lambda *_: None)
    with pytest.raises(OutputError, match="still there"):
        remove_dummies(Dummies(frozenset(), frozenset(), reported=(stubborn,)), [], "dev")


def kitchen(root: Path, build: Callable[[Command], Completed]) -> ScriptedRunner:
    project = {
        "packages": [],
        "workspace_members": [],
        "workspace_root": str(root),
        "target_directory": str(root / "target"),
        "build_directory": str(root / "between"),
    }
    return ScriptedRunner({("metadata",): said(json.dumps(project)), ("build",): build})


def cook(root: Path, runner: ScriptedRunner, cooking: Cooking) -> None:
    write_skeleton(RECIPE, cooking, root, emit=ignore)
    programs = CookPrograms(Path("cargo"), Path("cargo"), {})
    compile_dependencies(RECIPE, cooking, root, programs=programs, runner=runner, emit=ignore)


def test_dummies_go_after_a_failure_too(tmp_path: Path) -> None:
    made = tmp_path / "between" / "debug" / ".fingerprint" / f"my-app-{LOCAL}"

    def build(_: Command) -> Completed:
        made.mkdir(parents=True)
        return said(code=101, stderr="error: could not compile `itoa`\n")

    with pytest.raises(CompileFailed):
        cook(tmp_path, kitchen(tmp_path, build), Cooking())
    assert not made.exists()


def test_dummies_go_after_an_interruption_too(tmp_path: Path) -> None:
    made = tmp_path / "target" / "debug" / "my-app"

    def build(_: Command) -> Completed:
        made.parent.mkdir(parents=True)
        made.touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cook(tmp_path, kitchen(tmp_path, build), Cooking())
    assert not made.exists()


def test_the_target_directory_that_is_asked_for_is_swept(tmp_path: Path) -> None:
    runner = kitchen(tmp_path, lambda _: said())
    cook(tmp_path, runner, Cooking(target_dir=Path("elsewhere")))
    for command in runner.commands:
        assert (command.env or {})["CARGO_TARGET_DIR"] == str(tmp_path / "elsewhere")


def test_a_manifest_outside_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with pytest.raises(UsageError):
        write_skeleton(RECIPE, Cooking(manifest_path=Path("../Cargo.toml")), root, emit=ignore)
    assert list(root.iterdir()) == []
