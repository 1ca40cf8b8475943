"""Packages with binaries of one name, or with name and version of another: each image has its own program."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support.programs import RunCargoship, distribution_rust, run

pytestmark = pytest.mark.tools

WORKSPACE = '[workspace]\nmembers = ["a", "b"]\nresolver = "2"\n'


def write_member(folder: Path, name: str, rest: str = "", *, version: str = "0.1.0") -> None:
    folder.mkdir(parents=True)
    manifest = f'[package]\nname = "{name}"\nversion = "{version}"\nedition = "2021"\n{rest}'
    (folder / "Cargo.toml").write_text(manifest)


def write_program(path: Path, code: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"fn main() {{ {code} }}\n")


def build(run_cargoship: RunCargoship, project: Path, out: Path, *words: str) -> str:
    options = ("--platform", "linux/amd64", "--libc", "gnu", "--no-verify", "--base", "scratch", "-j1")
    return run_cargoship("build", *options, *words, "-o", f"rootfs:{out}/{{name}}", cwd=project).stderr


def test_each_image_has_the_program_of_its_own_package(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    project = tmp_path / "project"
    for name in ("a", "b"):
        write_member(project / name, name, f'[package.metadata.cargoship]\nname = "of-{name}"\n')
        write_program(project / name / "src/bin/migrate.rs", f'println!("{name}");')
    (project / "Cargo.toml").write_text(WORKSPACE)
    run(distribution_rust().get("CARGO", "cargo"), "generate-lockfile", cwd=project)
    cache = ("--cache-to", f"dir:{tmp_path / 'cache'}")
    said = {}
    for attempt in ("first", "again"):
        said[attempt] = build(run_cargoship, project, tmp_path / attempt, *cache)
        for name in ("a", "b"):
            assert run(tmp_path / attempt / f"of-{name}/linux/amd64/app/migrate").stdout == f"{name}\n"
        shutil.rmtree(project / "target")
    for name in ("a", "b"):
        assert f"nothing of {name} has changed since an earlier build: 1 program of it comes" in said["again"]
    assert "Compiled" not in said["again"]
    write_program(project / "b/src/bin/migrate.rs", 'println!("edited");')
    edited = build(run_cargoship, project, tmp_path / "edited", *cache)
    assert "nothing of a has changed" in edited
    assert "nothing of b has changed" not in edited
    for name, text in (("a", "a"), ("b", "edited")):
        assert run(tmp_path / f"edited/of-{name}/linux/amd64/app/migrate").stdout == f"{text}\n"


@pytest.mark.parametrize("locked", [True, False], ids=["lock", "no-lock"])
def test_a_member_is_not_taken_for_the_published_package(
    run_cargoship: RunCargoship, tmp_path: Path, *, locked: bool
) -> None:
    project = tmp_path / "project"
    write_member(project / "a", "itoa", version="1.0.17")
    write_program(project / "a/src/main.rs", 'println!("member");')
    write_member(project / "b", "b", '[dependencies]\nitoa = "=1.0.17"\n')
    write_program(project / "b/src/main.rs", 'println!("{}", itoa::Buffer::new().format(7));')
    (project / "Cargo.toml").write_text(WORKSPACE)
    if locked:
        run(distribution_rust().get("CARGO", "cargo"), "generate-lockfile", cwd=project)
    out = tmp_path / "out"
    build(run_cargoship, project, out, "--no-cache")
    assert run(out / "itoa/linux/amd64/app/itoa").stdout == "member\n"
    assert run(out / "b/linux/amd64/app/b").stdout == "7\n"


@pytest.mark.parametrize("version", ["1.0.17", "0.3.0"])
def test_cook_takes_a_name_for_the_member_and_not_for_the_crate(
    run_cargoship: RunCargoship, tmp_path: Path, version: str
) -> None:
    """cargo calls a bare name ambiguous where a member and a crate of the registry both have it."""
    project, cooked = tmp_path / "project", tmp_path / "cooked"
    write_member(project / "a", "itoa", '[dependencies]\ncfg-if = "=1.0.0"\n', version=version)
    write_program(project / "a/src/main.rs", "")
    write_member(project / "b", "b", '[dependencies]\nitoa = "=1.0.17"\n')
    write_program(project / "b/src/main.rs", "")
    (project / "Cargo.toml").write_text(WORKSPACE)
    run(distribution_rust().get("CARGO", "cargo"), "generate-lockfile", cwd=project)
    cooked.mkdir()
    run_cargoship("recipe", "prepare", "--recipe-path", cooked / "recipe.json", cwd=project)
    run_cargoship("recipe", "cook", "--package", "itoa", "--no-cache", cwd=cooked)
    made = {path.name.partition("-")[0] for path in cooked.glob("target/debug/deps/*.rlib")}
    assert made == {"libcfg_if"}


@pytest.mark.parametrize("locked", [True, False], ids=["lock", "no-lock"])
def test_a_package_may_have_a_name_in_any_script(run_cargoship: RunCargoship, tmp_path: Path, *, locked: bool) -> None:
    """cargo does not read its own id of such a package."""
    project = tmp_path / "project"
    write_member(project, "größe", '[[bin]]\nname = "program"\npath = "src/main.rs"\n')
    write_program(project / "src/main.rs", 'println!("{}", env!("CARGO_PKG_NAME"));')
    if locked:
        run(distribution_rust().get("CARGO", "cargo"), "generate-lockfile", cwd=project)
    build(run_cargoship, project, tmp_path / "out", "--no-cache")
    assert run(*(tmp_path / "out").glob("*/linux/amd64/app/program")).stdout == "größe\n"
