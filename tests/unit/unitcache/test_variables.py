"""Which variables are inputs of a unit."""

from __future__ import annotations

import pytest

from cargoship.unitcache.keys.variables import all_that_count, counts


@pytest.mark.parametrize(
    "name", ["PROFILE", "TARGET", "HOST", "DEBUG", "CARGO_FEATURE_STD", "CARGO_CFG_UNIX", "DEP_Z_ROOT"]
)
def test_what_cargo_sets_for_build_scripts_alone_is_the_users_for_a_macro(name: str) -> None:
    assert not counts(name, pinned=False, of_script=True)
    assert counts(name, pinned=False, of_script=False)
    assert counts(name, pinned=True, of_script=False)
    assert name in all_that_count({name: "mine"})


def test_what_a_session_has_counts_for_sources_that_change() -> None:
    assert counts("RUST_LOG", pinned=False, of_script=True)
    assert counts("RUST_LOG", pinned=False, of_script=False)
    assert not counts("RUST_LOG", pinned=True, of_script=True)
    assert "RUST_LOG" not in all_that_count({"RUST_LOG": "mine"})
