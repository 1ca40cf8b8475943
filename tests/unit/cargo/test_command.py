from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from cargoship.cargo.command import CargoBuild

PLAIN = CargoBuild(manifest=Path("/w/Cargo.toml"), cwd=Path("/w"))
HEAD = ("build", "--manifest-path", "/w/Cargo.toml", "--message-format", "json-render-diagnostics")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ("--release",)),
        ({"profile": "dist"}, ("--profile", "dist")),
        (
            {"packages": ("a@0.1.0", "b@0.2.0"), "bins": ("x", "y"), "targets": ("t1", "t2.2.17")},
            ("--release", "--package", "a@0.1.0", "--package", "b@0.2.0", "--bin", "x", "--bin", "y",
             "--target", "t1", "--target", "t2.2.17"),
        ),
        ({"features": ("a", "b/c"), "no_default_features": True},
         ("--release", "--features", "a,b/c", "--no-default-features")),
        ({"all_features": True, "locked": True, "offline": True},
         ("--release", "--all-features", "--locked", "--offline")),
        ({"frozen": True, "locked": True, "offline": True}, ("--release", "--frozen")),
        ({"jobs": 3, "config": ("a=1",)}, ("--release", "--jobs", "3", "--config", "a=1")),
    ],
)  # fmt: skip
def test_arguments(given: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert replace(PLAIN, **given).arguments() == HEAD + expected


def test_variants() -> None:
    assert PLAIN.with_targets("t").arguments("zigbuild") == (
        "zigbuild", *HEAD[1:], "--release", "--target", "t",
    )  # fmt: skip


def test_a_value_that_looks_like_an_option_stays_a_value() -> None:
    evil = "--config=build.rustc-wrapper='/tmp/evil'"
    build = replace(PLAIN, bins=("app", evil), packages=("-p",), features=("--all", "x"), profile="-v")
    words = build.arguments()
    assert [word for word in words if word.startswith("-")] == [
        "--manifest-path", "--message-format", "--profile=-v", "--package=-p", "--bin", f"--bin={evil}",
        "--features=--all,x",
    ]  # fmt: skip
    assert words[words.index("--bin") + 1] == "app"
