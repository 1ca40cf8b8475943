"""The wheel, installed in each of the ways that the README names."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from cargoship.version import __version__
from support.programs import REPOSITORY, run

pytestmark = pytest.mark.tools


def test_the_wheel_is_pure_and_whole(wheel: Path) -> None:
    assert wheel.name == f"cargoship-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("cargoship/")}
    source = REPOSITORY / "src"
    wanted = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == wanted


def test_pip_installs_it_without_a_compiler(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", "--only-binary=:all:", wheel, env={"PATH": "/nonexistent"})
    assert run(tmp_path / "venv" / "bin" / "cargoship", "--version").stdout.split()[-1] == __version__
    run(python, "-m", "pip", "check")


def test_uvx_runs_it(wheel: Path, tmp_path: Path) -> None:
    uv = Path(sys.executable).parent / "uv"
    done = run(uv, "tool", "run", "--from", wheel, "cargoship", "--version", env={"UV_CACHE_DIR": str(tmp_path)})
    assert done.stdout.split()[-1] == __version__


def test_pipx_runs_it(wheel: Path, tmp_path: Path) -> None:
    home = {"PIPX_HOME": str(tmp_path / "home"), "PIPX_BIN_DIR": str(tmp_path / "bin")}
    done = run(sys.executable, "-m", "pipx", "run", "--spec", wheel, "cargoship", "--version", env=home)
    assert done.stdout.split()[-1] == __version__
