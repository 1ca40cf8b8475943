"""Flags for rustc: which place cargo takes them from for a target, and where one more can be added."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace

from cargoship.cargo.command import CargoBuild
from cargoship.cargo.target_flags import counting_flags, environment_for, is_for

MUSL, ARM = "x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"
OF_MUSL = "CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS"
CPU = "-Ctarget-cpu=x86-64-v3"


def build(
    folder: Path, config: str = "", *, processor: str | None = "x86-64-v3", **more: tuple[str, ...]
) -> CargoBuild:
    (folder / ".cargo").mkdir()
    (folder / ".cargo/config.toml").write_text(config)
    return CargoBuild(folder / "Cargo.toml", folder, targets=(MUSL,), processor=processor, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("env", "config", "name", "value"),
    [
        ({}, "", "CARGO_BUILD_RUSTFLAGS", CPU),
        ({}, "[build]\nrustflags = ['--cfg', 'one']", "CARGO_BUILD_RUSTFLAGS", CPU),
        ({"CARGO_BUILD_RUSTFLAGS": "--cfg one"}, "", "CARGO_BUILD_RUSTFLAGS", f"--cfg one {CPU}"),
        ({"RUSTFLAGS": "--cfg one"}, "[build]\nrustflags = 'x'", "RUSTFLAGS", f"--cfg one {CPU}"),
        ({"RUSTFLAGS": ""}, "", "RUSTFLAGS", CPU),
        ({"RUSTFLAGS": "x", "CARGO_ENCODED_RUSTFLAGS": "a\x1fb"}, "", "CARGO_ENCODED_RUSTFLAGS", f"a\x1fb\x1f{CPU}"),
        ({"CARGO_ENCODED_RUSTFLAGS": ""}, "", "CARGO_ENCODED_RUSTFLAGS", CPU),
        ({OF_MUSL: "--cfg one"}, "", OF_MUSL, f"--cfg one {CPU}"),
        ({}, f"[target.{MUSL}]\nrustflags = ['--cfg', 'one']\n[build]\nrustflags = 'x'", OF_MUSL, CPU),
        ({}, "[target.'cfg(unix)']\nrustflags = '--cfg one'", OF_MUSL, CPU),
        ({}, "[target.'cfg(windows)']\nrustflags = '--cfg one'", "CARGO_BUILD_RUSTFLAGS", CPU),
        ({}, f"[target.{ARM}]\nrustflags = '--cfg one'", "CARGO_BUILD_RUSTFLAGS", CPU),
        ({}, f"[target.{MUSL}]\nrustflags = []\nlinker = 'x'", "CARGO_BUILD_RUSTFLAGS", CPU),
    ],
)
def test_a_flag_is_added_where_cargo_looks(
    tmp_path: Path, env: Mapping[str, str], config: str, name: str, value: str
) -> None:
    home = {"HOME": str(tmp_path / "home"), **env}
    made = environment_for(build(tmp_path, config), home)
    assert made == {**home, name: value}


def test_nothing_is_added_for_what_the_triple_stands_for(tmp_path: Path) -> None:
    env = {"RUSTFLAGS": "x"}
    assert environment_for(build(tmp_path, processor=None), env) is env


@pytest.mark.parametrize(
    ("env", "config", "of_musl", "of_arm"),
    [
        ({"RUSTFLAGS": "one"}, "[build]\nrustflags = 'two'", "one", "one"),
        ({"CARGO_ENCODED_RUSTFLAGS": "-C\x1fone"}, "", "-C one", "-C one"),
        ({}, "[build]\nrustflags = ['a', 'b']", "a b", "a b"),
        ({}, f"[target.{ARM}]\nrustflags = 'arm'\n[build]\nrustflags = 'all'", "all", "arm"),
        ({}, f"[target.{MUSL}]\nrustflags = 'musl'", "musl", ""),
        ({OF_MUSL: "env"}, f"[target.{MUSL}]\nrustflags = 'file'", "file env", ""),
        ({}, "[target.'cfg(target_arch = \"aarch64\")']\nrustflags = 'arm'", "", "arm"),
        ({}, "", "", ""),
        ({}, "no toml", "", ""),
        ({}, "target = 3\nbuild = []", "", ""),
    ],
)
def test_what_counts_for_a_target(
    tmp_path: Path, env: Mapping[str, str], config: str, of_musl: str, of_arm: str
) -> None:
    made = build(tmp_path, config)
    home = {"HOME": str(tmp_path / "home"), **env}
    for triple, flags in ((MUSL, of_musl), (ARM, of_arm)):
        assert " ".join(text for _, text in counting_flags(made, triple, home)) == flags


def test_options_of_cargo_count(tmp_path: Path) -> None:
    made = build(tmp_path, "[build]\nrustflags = 'file'")
    made = replace(made, config=(f"target.{MUSL}.rustflags = ['option']",))
    assert counting_flags(made, MUSL, {"HOME": "/"}) == [("--config", "option")]


@pytest.mark.parametrize(
    ("name", "triple", "holds"),
    [
        (MUSL, MUSL, True),
        (ARM, MUSL, False),
        ("cfg(unix)", MUSL, True),
        ("cfg(windows)", MUSL, False),
        ('cfg(target_os = "linux")', MUSL, True),
        ('cfg(all(unix, target_arch="x86_64"))', MUSL, True),
        ('cfg(all(unix, not(target_arch="x86_64")))', MUSL, False),
        ('cfg(any(windows, all(target_env = "musl", target_pointer_width = "64")))', MUSL, True),
        ('cfg(any(windows, all(target_env = "gnu", target_pointer_width = "64")))', MUSL, False),
        ('cfg(not(any(windows, target_os = "macos")))', MUSL, True),
        ("cfg(all())", MUSL, True),
        ("cfg(any())", MUSL, False),
        ("cfg(true)", MUSL, True),
        ("cfg(false)", MUSL, False),
        ('cfg(target_abi = "eabihf")', "armv7-unknown-linux-musleabihf", True),
        ('cfg(target_arch = "arm")', "armv7-unknown-linux-gnueabihf", True),
        ('cfg(target_env = "gnu")', "armv7-unknown-linux-gnueabihf", True),
        ('cfg(target_endian = "big")', "s390x-unknown-linux-musl", True),
        ('cfg(target_arch = "x86")', "i686-unknown-linux-gnu", True),
        ('cfg(target_os = "wasi")', "wasm32-wasip1", True),
        ("cfg(", MUSL, True),
        ("cfg(a b c))(", MUSL, False),
    ],
)
def test_whether_a_table_is_for_a_target(name: str, triple: str, *, holds: bool) -> None:
    assert is_for(name, triple) is holds
