"""Which variables are inputs of a unit."""

from __future__ import annotations

import pytest

from cargoship.unitcache.keys.variables import all_that_count, counts


@pytest.mark.parametrize("name", ["PROFILE", "TARGET", "HOST", "DEBUG", "NUM_JOBS", "OUT_DIR"])
def test_what_cargo_sets_for_build_scripts_alone_is_the_users_for_a_macro(name: str) -> None:
    assert not counts(name, pinned=False, of_script=True)
    assert counts(name, pinned=False, of_script=False)
    assert counts(name, pinned=True, of_script=False)
    assert name in all_that_count({name: "mine"})


@pytest.mark.parametrize(
    "name",
    [
        "CARGO_PKG_TEAM", "CARGO_MANIFEST_AUTHOR", "CARGO_MANIFEST_LINKS", "CARGO_FEATURE_STD", "CARGO_CFG_UNIX",
        "CARGO_BIN_NAME", "CARGO_BIN_EXE_app", "CARGO_TARGET_TMPDIR", "CARGO_SBOM_PATH", "CARGO_RUSTC_CURRENT_DIR",
        "DEP_Z_ROOT", "RUSTC_LINKER",
    ],
)  # fmt: skip
def test_what_cargo_sets_for_some_units_alone_is_the_users_for_others(name: str) -> None:
    for of_script in (False, True):
        assert counts(name, pinned=False, of_script=of_script)
        assert counts(name, pinned=True, of_script=of_script)
    assert name in all_that_count({name: "mine"})


@pytest.mark.parametrize(
    "name", ["CARGO", "CARGO_PKG_NAME", "CARGO_PKG_VERSION_PRE", "CARGO_MANIFEST_DIR", "CARGO_MAKEFLAGS"]
)
def test_what_cargo_sets_for_all_is_never_the_users(name: str) -> None:
    for of_script in (False, True):
        assert not counts(name, pinned=False, of_script=of_script)
    assert name not in all_that_count({name: "mine"})


@pytest.mark.parametrize("name", ["RUSTC", "RUSTDOC"])
def test_what_cargo_hands_on_as_the_user_has_named_it_counts_for_sources_that_change(name: str) -> None:
    for of_script in (False, True):
        assert counts(name, pinned=False, of_script=of_script)
        assert not counts(name, pinned=True, of_script=of_script)


def test_what_a_session_has_counts_for_sources_that_change() -> None:
    assert counts("RUST_LOG", pinned=False, of_script=True)
    assert counts("RUST_LOG", pinned=False, of_script=False)
    assert not counts("RUST_LOG", pinned=True, of_script=True)
    assert "RUST_LOG" not in all_that_count({"RUST_LOG": "mine"})
