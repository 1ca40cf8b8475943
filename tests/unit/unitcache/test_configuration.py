"""Which settings make other units, and which do not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from cargoship.unitcache.keys.configuration import (
    ConfigurationFile,
    environment_as_text,
    manifest_digest,
    names_that_differ,
    settings_as_text,
)
from cargoship.unitcache.keys.named import NamedFiles, processor

TRIPLE = "aarch64-unknown-linux-musl"


def settings(config: str = "", env: Mapping[str, str] | None = None, options: tuple[str, ...] = ()) -> str:
    return settings_as_text(TRIPLE, files=[ConfigurationFile(config.encode())], options=options, env=env or {})


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
        '[resolver]\nfeature-unification = "workspace"',
        'paths = ["elsewhere"]',
        "[a-table-of-a-newer-cargo]\nx = 1",
        "this is no TOML",
        # cargo refuses these
        f'[target.{TRIPLE}.runner]\npath = "qemu"',
        f"[target.{TRIPLE}]\nrunner = 5",
        "[build]\ntarget-dir = 5",
        '[build]\npipelining = "x"',
        "term = 5",
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
        '[resolver]\nincompatible-rust-versions = "allow"',
        '[build]\ntarget-dir = "elsewhere"',
        '[target.x86_64-pc-windows-gnu]\nlinker = "ld"',
        f'[target.{TRIPLE}]\nrunner = "qemu"',
        f'[target.{TRIPLE}]\nrunner = ["qemu", "-L"]',
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
        ("RUSTC", True),
        ("CARGO_RESOLVER_FEATURE_UNIFICATION", True),
        ("CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS", False),
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
    assert (environment_as_text(TRIPLE, {name: "x"}) != environment_as_text(TRIPLE, {})) is matters


def test_options_count() -> None:
    assert settings(options=("--config", "x=1")) != settings()


def test_values_are_not_reported() -> None:
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


def test_files_and_programs_that_settings_name_count_by_content(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    named = NamedFiles((tmp_path,), str(tmp_path / "bin"))

    def reported(config: str = "", **env: str) -> str:
        around = settings_as_text(TRIPLE, files=[ConfigurationFile(config.encode())], options=(), env=env, named=named)
        return around + environment_as_text(TRIPLE, env, named)

    def change(path: str, text: str) -> None:
        (tmp_path / path).write_text(text)
        (tmp_path / path).chmod(0o755)

    for path, config, env in (
        ("link.x", "", {"RUSTFLAGS": "-C link-arg=-Tlink.x"}),
        ("ld.sh", f'[target.{TRIPLE}]\nlinker = "./ld.sh"', {}),
        ("bin/wrap", '[build]\nrustc-wrapper = "wrap"', {}),
        ("bin/my-clang", "", {"CC": "ccache my-clang"}),
    ):
        change(path, "one")
        one = reported(config, **env)
        change(path, "two")
        assert reported(config, **env) != one, path
        (tmp_path / path).unlink()
        assert reported(config, **env) != one, path


@pytest.mark.parametrize(
    ("flags", "native"),
    [
        ({"RUSTFLAGS": "-C target-cpu=native"}, True),
        ({"RUSTFLAGS": "-Ctarget-cpu=native"}, True),
        ({"CARGO_ENCODED_RUSTFLAGS": "-C\x1ftarget-cpu=native"}, True),
        ({"CFLAGS": "-O2 -march=native"}, True),
        ({"CXXFLAGS": "-mtune=native"}, True),
        ({"RUSTFLAGS": "-C target-cpu=x86-64-v3"}, False),
        ({"RUSTFLAGS": "--cfg native"}, False),
    ],
)
def test_native_counts_as_what_it_means_here(flags: Mapping[str, str], *, native: bool) -> None:
    def reported(processor: str) -> str:
        around = settings_as_text(TRIPLE, files=[], options=(), env=flags, processor=processor)
        return around + environment_as_text(TRIPLE, flags, processor=processor)

    assert (reported("one") != reported("two")) is native


def test_native_in_configuration_counts_too() -> None:
    config = b'[target.\'cfg(unix)\']\nrustflags = ["-C", "target-cpu=native"]'
    files = [ConfigurationFile(config)]
    one, two = (settings_as_text(TRIPLE, files=files, options=(), env={}, processor=each) for each in ("a", "b"))
    assert one != two
    assert processor()


def test_what_differs_is_named_by_key_and_file() -> None:
    def reported(*files: str, places: tuple[str, ...]) -> str:
        read = [ConfigurationFile(text.encode(), place) for text, place in zip(files, places, strict=True)]
        return settings_as_text(TRIPLE, files=read, options=(), env={})

    places = (".cargo/config.toml", ".cargo/flags.toml", "")
    same = (
        "include = ['flags.toml']",
        "[build]\nrustflags = ['-g']\n[env]\nWHO = 'one'",
        "[profile.release]\nlto = true",
    )
    edited = (same[0], "[env.WHO]\nvalue = 'two'\nforce = true", "[profile.release]\nlto = false")
    assert names_that_differ(reported(*same, places=places), reported(*edited, places=places)) == (
        "build.rustflags in .cargo/flags.toml",
        "env.WHO in .cargo/flags.toml",
        "profile.release.lto in cargo's configuration files",
    )
    assert reported(*same, places=places) != reported(*same, places=(places[0], places[2], places[1])), (
        "which counts more"
    )
