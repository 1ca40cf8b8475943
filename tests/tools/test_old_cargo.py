"""A cargo that is too old for a manifest and stands before a newer one: people are told which is where."""

from __future__ import annotations

from pathlib import Path

import pytest

from cargoship.cargo import newer
from cargoship.cargo.project import load_project
from cargoship.errors import ManifestInvalid
from cargoship.process import SystemRunner

pytestmark = pytest.mark.tools

TOO_OLD = "error: feature edition2024 is required\n  Consider trying a newer version of Cargo"


def script(path: Path, versions: str, said: str = TOO_OLD) -> Path:
    """A cargo that has a version and takes no manifest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\nif [ "$1" = --version ]; then {versions}; exit; fi\necho "{said}" >&2; exit 101\n')
    path.chmod(0o755)
    return path


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(newer, "_DISTRIBUTIONS", tmp_path / "lib")
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "Cargo.toml").write_text('[package]\nname = "app"\nversion = "1.0.0"\nedition = "2024"\n')
    return folder


def hint(project: Path, **env: str) -> str | None:
    whole = {"PATH": f"{project.parent}/old:/nowhere", "HOME": f"{project.parent}/home", **env}
    with pytest.raises(ManifestInvalid) as caught:
        load_project(SystemRunner(), Path("cargo"), project, env=whole)
    return caught.value.hint


@pytest.mark.parametrize("where", ["home/.cargo/bin", "lib/rust-1.85/bin", "cargo-home/bin", "second"])
def test_a_newer_one_behind_it_is_pointed_out(where: str, project: Path) -> None:
    old = script(project.parent / "old" / "cargo", "echo 'cargo 1.65.0 (4bc8f24d3 2022-10-20)'")
    new = script(project.parent / where / "cargo", "echo 'cargo 1.85.1 (d73d2caf9 2024-12-31)'")
    env = {"CARGO_HOME": f"{project.parent}/cargo-home"} if "cargo-home" in where else {}
    if where == "second":
        env["PATH"] = f"{old.parent}:{new.parent}"
    assert hint(project, **env) == (
        f'this is cargo 1.65.0 ({old}), and {new} is 1.85.1: put its folder first, export PATH="{new.parent}:$PATH"'
    )


def test_without_a_newer_one_it_says_where_that_is_had(project: Path) -> None:
    old = script(project.parent / "old" / "cargo", "echo 'cargo 1.65.0 (4bc8f24d3 2022-10-20)'")
    script(project.parent / "home/.cargo/bin/cargo", "echo 'cargo 1.60.0'")
    script(project.parent / "lib/rust-1.99/bin/cargo", "exit 1")
    said = hint(project)
    assert said == f"this is cargo 1.65.0 ({old}): install a newer Rust (https://rustup.rs; with rustup: rustup update)"


def test_a_toolchain_file_that_chooses_it_is_named(project: Path) -> None:
    by_folder = "if [ -e Cargo.toml ]; then echo 'cargo 1.65.0'; else echo 'cargo 1.96.0'; fi"
    script(project.parent / "old" / "cargo", by_folder)
    said = hint(project)
    assert said is not None
    assert said.endswith("which a toolchain file or an override of rustup's chooses: name a newer Rust there")


def test_another_mistake_in_a_manifest_is_not_for_a_newer_cargo(project: Path) -> None:
    script(project.parent / "old" / "cargo", "echo 'cargo 1.65.0'", said="error: invalid type")
    assert hint(project) is None
