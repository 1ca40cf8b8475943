"""What a recipe becomes on disk, and what it does not overwrite."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomli

from cargoship.errors import OutputError, RecipeInvalid, WouldOverwrite
from cargoship.recipe.model import CargoManifest, CargoTarget, Kind, Lib, LibFacts, Recipe, Skeleton
from cargoship.recipe.skeleton import HEADER, check_free, skeleton_files, write_files

MANIFEST = """
[package]
name = "app"
[[test]]
name = "plain"
harness = false
[[bench]]
name = "quick"
harness = false
"""
KINDS: dict[str, Kind] = {
    "src/lib.rs": Lib(),
    "src/main.rs": "Bin",
    "build.rs": "BuildScript",
    "examples/shown.rs": "Example",
    "tests/plain.rs": "Test",
    "tests/harnessed.rs": "Test",
    "benches/quick.rs": "Bench",
    "benches/slow.rs": "Bench",
}


def recipe(contents: str = MANIFEST, kinds: dict[str, Kind] | None = None) -> Recipe:
    targets = (KINDS if kinds is None else kinds).items()
    manifest = CargoManifest(
        "Cargo.toml", contents, tuple(CargoTarget(path, kind, Path(path).stem) for path, kind in targets)
    )
    return Recipe(
        Skeleton((manifest,), config_file="[net]\n", lock_file="version = 4\n", rust_toolchain_file=("Bare", "1.90\n"))
    )


def test_every_target_has_a_dummy_of_its_kind() -> None:
    files = skeleton_files(recipe())
    empty = {path for path in KINDS if not files[path].strip()}
    assert empty == {"src/lib.rs", "tests/harnessed.rs", "benches/slow.rs"}
    assert {files[path].strip() for path in KINDS if path not in empty} == {"fn main() {}"}
    assert set(files) - set(KINDS) == {"Cargo.toml", "Cargo.lock", ".cargo/config.toml", "rust-toolchain"}


def test_without_the_standard_library() -> None:
    files = skeleton_files(recipe(kinds={**KINDS, "macros.rs": Lib(LibFacts(is_proc_macro=True))}), no_std=True)
    plain = {path for path in files if path.endswith(".rs") and "#![no_std]" not in files[path]}
    # these run on the host
    assert plain == {"build.rs", "macros.rs"}
    assert "#[panic_handler]" in files["src/main.rs"]
    assert "custom_test_frameworks" in files["tests/harnessed.rs"]
    assert "custom_test_frameworks" not in files["tests/plain.rs"]


def test_a_dummys_manifest_is_distinguished_from_the_real_one() -> None:
    made = tomli.loads(skeleton_files(recipe())["Cargo.toml"])
    assert "lints" in made
    # but lints that somebody else's recipe has are left alone
    assert tomli.loads(skeleton_files(recipe(MANIFEST + "[lints.rust]\n"))["Cargo.toml"])["lints"] == {"rust": {}}


def test_a_manifest_that_is_no_toml() -> None:
    with pytest.raises(RecipeInvalid, match=r"Cargo\.toml is no TOML"):
        skeleton_files(recipe("[package"))


def test_cooking_twice_is_cooking_once(tmp_path: Path) -> None:
    files = skeleton_files(recipe())
    for changed in (
        recipe(),
        recipe(MANIFEST + "[features]\na = []\n"),
        recipe(kinds={**KINDS, "src/bin/more.rs": "Bin"}),
    ):
        files = skeleton_files(changed)
        check_free(tmp_path, files)
        write_files(tmp_path, files)
    assert (tmp_path / "Cargo.toml").read_text().startswith(HEADER)
    # what cargo itself makes of the lock file is no reason to stop
    (tmp_path / "Cargo.lock").write_text("version = 3\n")
    check_free(tmp_path, files)


THEIRS = {
    "a manifest": ("Cargo.toml", '[package]\nname = "app"\n'),
    "a source": ("src/main.rs", 'fn main() { println!("mine"); }\n'),
    "a library": ("src/lib.rs", "pub mod mine;\n"),
    "a lock file": ("Cargo.lock", "version = 3\n"),
    "a configuration": (".cargo/config.toml", "[build]\n"),
    "a toolchain": ("rust-toolchain", "nightly\n"),
    "no text": ("src/main.rs", "\udcff"),
}


@pytest.mark.parametrize(("place", "text"), THEIRS.values(), ids=THEIRS)
def test_what_is_somebodys_is_not_overwritten(tmp_path: Path, place: str, text: str) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(WouldOverwrite) as raised:
        check_free(tmp_path, skeleton_files(recipe()))
    assert str(path) in raised.value.message
    assert "--force" in (raised.value.hint or "")


def test_sources_over_dummies_are_somebodys_again(tmp_path: Path) -> None:
    files = skeleton_files(recipe())
    write_files(tmp_path, files)
    (tmp_path / "src" / "main.rs").write_text('fn main() { println!("mine"); }\n')
    with pytest.raises(WouldOverwrite):
        check_free(tmp_path, files)


def test_a_link_and_a_folder_are_not_written_through(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    root = tmp_path / "root"
    root.mkdir()
    (root / "src").symlink_to(outside)
    with pytest.raises(RecipeInvalid, match="leads out of"):
        write_files(root, skeleton_files(recipe()))
    with pytest.raises(RecipeInvalid, match="leads out of"):
        write_files(root, {"src/deep/down/Cargo.toml": ""})
    assert list(outside.iterdir()) == []
    (root / "circle").symlink_to("circle")
    with pytest.raises(OutputError, match="circle"):
        write_files(root, {"circle/deep/Cargo.toml": ""})
    (root / "Cargo.lock").mkdir()
    with pytest.raises(WouldOverwrite):
        check_free(root, skeleton_files(recipe()))
