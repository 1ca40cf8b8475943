from __future__ import annotations

import os
from pathlib import Path

import pytest

from cargoship.cargo.above import check_owners
from cargoship.cargo.project import load_project
from cargoship.errors import ForeignFile
from cargoship.toolchain.rust import toolchains
from support.scripted import ScriptedRunner

STRANGER = 1234
READ = ["Cargo.toml", ".cargo/config.toml", ".cargo/config", "rust-toolchain.toml", "rust-toolchain"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "shared/mine"
    root.mkdir(parents=True)
    (root / "Cargo.toml").touch()
    return root


def place(path: Path, owner: int) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.touch()
    os.chown(path, owner, owner)
    return path


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("above", ["..", "../.."])
def test_a_strangers_file_above_the_project_is_not_obeyed(project: Path, above: str, name: str) -> None:
    path = place((project / above).resolve() / name, STRANGER)
    runner = ScriptedRunner({})
    with pytest.raises(ForeignFile, match=f"cargo would obey {path} here, which belongs to another user"):
        load_project(runner, Path("cargo"), project, env={})
    with pytest.raises(ForeignFile):
        list(toolchains(runner, {"RUSTC": "/bin/true"}, project))
    assert runner.commands == []


@pytest.mark.parametrize("name", READ)
def test_ones_own_and_roots_are(project: Path, name: str) -> None:
    place(project.parent / name, os.geteuid())
    place(project.parent.parent / name, 0)
    check_owners(project, {})


def test_the_named_folders_owner_is_who_was_meant(project: Path) -> None:
    os.chown(project, STRANGER, STRANGER)
    place(project.parent / ".cargo/config.toml", STRANGER)
    check_owners(project, {})
    (project / "below").mkdir()
    with pytest.raises(ForeignFile):
        check_owners(project / "below", {})


def test_what_is_in_the_named_folder_is_the_projects(project: Path) -> None:
    # as root has it after unpacking an archive
    place(project / "Cargo.toml", STRANGER)
    check_owners(project, {})
    # as /tmp is
    project.chmod(0o1777)
    with pytest.raises(ForeignFile):
        check_owners(project, {})


def test_who_calls_sudo_is_oneself(project: Path) -> None:
    place(project.parent / ".cargo/config.toml", STRANGER)
    check_owners(project, {"SUDO_UID": str(STRANGER)})
    with pytest.raises(ForeignFile):
        check_owners(project, {"SUDO_UID": "x"})


@pytest.mark.parametrize("whose", ["folder", "link", "target"])
def test_every_way_to_a_files_content_counts(project: Path, tmp_path: Path, whose: str) -> None:
    file = place(tmp_path / "elsewhere", STRANGER if whose == "target" else 0)
    folder = project.parent / ".cargo"
    folder.mkdir()
    (folder / "config.toml").symlink_to(file)
    if whose == "link":
        os.chown(folder / "config.toml", STRANGER, STRANGER, follow_symlinks=False)
    if whose == "folder":
        os.chown(folder, STRANGER, STRANGER)
    with pytest.raises(ForeignFile):
        check_owners(project, {})


def test_a_link_to_the_project_leads_to_its_own_folders(project: Path, tmp_path: Path) -> None:
    place(project.parent / "rust-toolchain.toml", STRANGER)
    (tmp_path / "link").symlink_to(project)
    with pytest.raises(ForeignFile):
        check_owners(tmp_path / "link", {})
