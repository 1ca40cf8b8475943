"""Which settings make other units, and which do not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from cargoship.unitcache.configuration import (
    configuration_files,
    environment_told,
    manifest_digest,
    settings_told,
)

TRIPLE = "aarch64-unknown-linux-musl"


def settings(config: str = "", env: Mapping[str, str] | None = None, options: tuple[str, ...] = ()) -> str:
    return settings_told(TRIPLE, files=[config.encode()], options=options, env=env or {})


@pytest.mark.parametrize(
    "config",
    [
        '[build]\nrustflags = ["-g"]',
        '[build]\nrustc-wrapper = "sccache"',
        f'[target.{TRIPLE}]\nlinker = "ld"',
        '[target.\'cfg(target_os = "linux")\']\nrustflags = ["-g"]',
        "[profile.release]\nlto = true",
        '[env]\nNAME = "value"',
        "[unstable]\nbuild-std = []",
        'paths = ["elsewhere"]',
        "[a-table-of-a-newer-cargo]\nx = 1",
        "this is no TOML",
    ],
)
def test_configuration_that_makes_other_units(config: str) -> None:
    assert settings(config) != settings()


@pytest.mark.parametrize(
    "config",
    [
        "# a comment",
        "[net]\noffline = true",
        '[alias]\nb = "build"',
        "[term]\nquiet = true",
        '[registries.mine]\nindex = "https://example.com"\ntoken = "secret"',
        "[build]\njobs = 3",
        '[build]\ntarget-dir = "elsewhere"',
        '[target.x86_64-pc-windows-gnu]\nlinker = "ld"',
        f'[target.{TRIPLE}]\nrunner = "qemu"',
    ],
)
def test_configuration_that_does_not(config: str) -> None:
    assert settings(config) == settings()


@pytest.mark.parametrize(
    ("name", "matters"),
    [
        ("RUSTFLAGS", True),
        ("CARGO_ENCODED_RUSTFLAGS", True),
        ("RUSTC_WRAPPER", True),
        ("CARGO_PROFILE_RELEASE_LTO", True),
        ("CARGO_BUILD_RUSTFLAGS", True),
        ("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER", True),
        ("CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER", False),
        ("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUNNER", False),
        ("CARGO_TARGET_DIR", False),
        ("CARGO_BUILD_TARGET_DIR", False),
        ("CARGO_BUILD_JOBS", False),
        ("CARGO_TERM_COLOR", False),
        ("HOME", False),
        ("TOKEN", False),
    ],
)
def test_variables_that_make_other_units(name: str, *, matters: bool) -> None:
    assert (settings(env={name: "x"}) != settings()) is matters
    assert (settings(env={name: "x"}) != settings(env={name: "y"})) is matters


@pytest.mark.parametrize(
    ("name", "matters"),
    [
        ("CC", True),
        ("CFLAGS", True),
        ("HOST_CC", True),
        ("CC_aarch64_unknown_linux_musl", True),
        ("CC_aarch64-unknown-linux-musl", True),
        ("CC_x86_64_unknown_linux_musl", False),
        ("PKG_CONFIG_PATH", True),
        ("OPENSSL_DIR", True),
        ("PATH", False),
        ("CMAKE_TOOLCHAIN_FILE_aarch64_unknown_linux_musl", False),
    ],
)
def test_variables_that_build_scripts_look_at(name: str, *, matters: bool) -> None:
    assert (environment_told(TRIPLE, {name: "x"}) != environment_told(TRIPLE, {})) is matters


def test_options_count() -> None:
    assert settings(options=("--config", "x=1")) != settings()


def test_values_are_not_told() -> None:
    assert "hunter2" not in settings(env={"RUSTFLAGS": "hunter2"})


@pytest.mark.parametrize(
    ("manifest", "same"),
    [
        ('[package]\nname = "a"\n\n# why\n[dependencies]\n', True),
        ('[package]\nname = "a"\n[dependencies]\nserde = "1"\n', True),
        ('[package]\nname = "a"\ndescription = "b"\n', False),
        ('[package]\nname = "a"\n[lints.rust]\nunused = "deny"\n', False),
        ('[package]\nname = "a"\n[features]\nx = []\n', False),
    ],
)
def test_what_of_a_manifest_counts(manifest: str, *, same: bool) -> None:
    plain = manifest_digest(b'[package]\nname = "a"\n', None)
    assert (manifest_digest(manifest.encode(), None) == plain) is same


def test_what_is_inherited_counts() -> None:
    own = b'[package]\nname = "a"\n[lints]\nworkspace = true\n'
    one, two = (b'[workspace.lints.rust]\nunused = "%s"\n' % level for level in (b"warn", b"deny"))
    assert manifest_digest(own, one) != manifest_digest(own, two)
    assert manifest_digest(b'[package]\nname = "a"\n', one) == manifest_digest(b'[package]\nname = "a"\n', two)


def test_configuration_is_looked_for_as_cargo_does(tmp_path: Path) -> None:
    for place in ("home/config.toml", "a/b/.cargo/config.toml", "a/.cargo/config", "a/.cargo/config.toml"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text("")
    found = [path for path in configuration_files(tmp_path / "a" / "b", tmp_path / "home") if tmp_path in path.parents]
    assert [str(path.relative_to(tmp_path)) for path in found] == [
        "a/b/.cargo/config.toml", "a/.cargo/config", "home/config.toml",
    ]  # fmt: skip
