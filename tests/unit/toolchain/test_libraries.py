"""What build scripts are given of a target's system libraries."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from cargoship.debian.sysroot import Sysroot
from cargoship.errors import ToolMissing
from cargoship.toolchain.libraries import library_environment
from cargoship.toolchain.wrappers import RUSTC, write_wrappers

AMD64, ARM64 = "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"
SUFFIX = "aarch64_unknown_linux_gnu"


@pytest.fixture
def sysroots(tmp_path: Path) -> dict[str, Sysroot]:
    return {
        triple: Sysroot(tmp_path / multiarch, multiarch, {})
        for triple, multiarch in ((AMD64, "x86_64-linux-gnu"), (ARM64, "aarch64-linux-gnu"))
    }


@pytest.fixture
def path(tmp_path: Path) -> str:
    program = tmp_path / "bin" / "pkg-config"
    program.parent.mkdir()
    program.touch(0o755)
    return str(program.parent)


def test_every_way_to_look_for_a_library(sysroots: dict[str, Sysroot], path: str, tmp_path: Path) -> None:
    made = library_environment(sysroots, {"PATH": path}, cache_dir=tmp_path)
    root = tmp_path / "aarch64-linux-gnu"
    assert made[f"PKG_CONFIG_ALLOW_CROSS_{SUFFIX}"] == "1"
    assert made[f"PKG_CONFIG_LIBDIR_{SUFFIX}"].split(":")[0] == f"{root}/usr/lib/aarch64-linux-gnu/pkgconfig"
    assert made[f"PKG_CONFIG_PATH_{SUFFIX}"] == ""
    headers = ["-idirafter", f"{root}/usr/include/aarch64-linux-gnu", "-idirafter", f"{root}/usr/include"]
    libraries = [f"-L{root}/usr/lib/aarch64-linux-gnu", "-Wno-unused-command-line-argument"]
    assert shlex.split(made[f"CFLAGS_{SUFFIX}"]) == shlex.split(made[f"CXXFLAGS_{SUFFIX}"]) == headers + libraries
    # bindgen reads the first, cargo-zigbuild sets both
    assert shlex.split(made[f"BINDGEN_EXTRA_CLANG_ARGS_{ARM64}"]) == headers
    assert shlex.split(made[f"BINDGEN_EXTRA_CLANG_ARGS_{SUFFIX}"]) == headers
    cmake = Path(made[f"CMAKE_TOOLCHAIN_FILE_{SUFFIX}"]).read_text()
    assert f'set(CMAKE_FIND_ROOT_PATH "{root}")\n' in cmake
    assert f'set(CMAKE_C_COMPILER "$ENV{{CC_{SUFFIX}}}")\n' in cmake
    assert (Path(made["CARGOSHIP_LIBRARIES"]) / ARM64).readlink() == root / "usr/lib/aarch64-linux-gnu"
    # nothing that build scripts for the host would take
    assert not {"CFLAGS", "PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR", "PKG_CONFIG_ALLOW_CROSS"} & made.keys()


def test_what_a_user_has_set_stays(sysroots: dict[str, Sysroot], path: str, tmp_path: Path) -> None:
    own = {
        "PATH": path,
        "CFLAGS": "-O3",
        "TARGET_CXXFLAGS": "-g",
        f"CFLAGS_{ARM64}": "-Os",
        f"PKG_CONFIG_LIBDIR_{SUFFIX}": "/mine",
        f"CMAKE_TOOLCHAIN_FILE_{ARM64}": "/mine.cmake",
        "BINDGEN_EXTRA_CLANG_ARGS": "-DX",
    }
    made = library_environment(sysroots, own, cache_dir=tmp_path)
    assert made["CFLAGS_x86_64_unknown_linux_gnu"].startswith("-O3 -idirafter")
    assert made[f"CFLAGS_{SUFFIX}"].startswith("-Os -idirafter")
    assert made[f"CXXFLAGS_{SUFFIX}"].startswith("-g -idirafter")
    assert made[f"PKG_CONFIG_LIBDIR_{SUFFIX}"] == "/mine"
    assert f"CMAKE_TOOLCHAIN_FILE_{SUFFIX}" not in made
    assert "CMAKE_TOOLCHAIN_FILE_x86_64_unknown_linux_gnu" in made
    assert made[f"BINDGEN_EXTRA_CLANG_ARGS_{ARM64}"].startswith("-DX -idirafter")


def test_nothing_changes_without_build_packages(tmp_path: Path) -> None:
    env = {"PATH": "/nowhere"}
    assert library_environment({}, env, cache_dir=tmp_path) == env
    assert list(tmp_path.iterdir()) == []


def test_pkg_config_comes_along(sysroots: dict[str, Sysroot], path: str, tmp_path: Path) -> None:
    made = library_environment(sysroots, {"PATH": "/nowhere"}, cache_dir=tmp_path)
    program = made[f"PKG_CONFIG_{SUFFIX}"]
    done = subprocess.run([program, "--version"], capture_output=True, check=True)
    assert done.stdout
    for own in ({"PATH": path}, {"PATH": "/nowhere", "PKG_CONFIG": "/own/pkg-config"}):
        assert f"PKG_CONFIG_{SUFFIX}" not in library_environment(sysroots, own, cache_dir=tmp_path)


def test_without_pkg_config(sysroots: dict[str, Sysroot], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ToolMissing) as caught:
        library_environment(sysroots, {"PATH": "/nowhere"}, cache_dir=tmp_path)
    assert "pip install pkgconf" in (caught.value.hint or "")


def test_the_linker_finds_libraries_without_being_given_a_place(
    sysroots: dict[str, Sysroot], path: str, tmp_path: Path
) -> None:
    for sysroot in sysroots.values():
        sysroot.library_folder.mkdir(parents=True)
    made = library_environment(sysroots, {"PATH": path}, cache_dir=tmp_path)
    rustc = write_wrappers(tmp_path / "cache", [], identity="test") / RUSTC
    echo = tmp_path / "echo"
    echo.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    echo.chmod(0o755)
    env = {"PATH": "/usr/bin:/bin", "CARGOSHIP_RUSTC": str(echo), "CARGOSHIP_LIBRARIES": made["CARGOSHIP_LIBRARIES"]}

    def given(*arguments: str) -> list[str]:
        done = subprocess.run([rustc, *arguments], env=env, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    assert given("x.rs", "--target", ARM64)[-2:] == ["-L", f"native={made['CARGOSHIP_LIBRARIES']}/{ARM64}"]
    assert given("x.rs") == ["x.rs"]  # build scripts and procedural macros
    assert given("x.rs", "--target", "riscv64gc-unknown-linux-gnu")[-2:] == ["--target", "riscv64gc-unknown-linux-gnu"]
