from __future__ import annotations

import pytest

from cargoship.dockerfile import BuilderImage, choose_builder
from cargoship.errors import CargoshipError, ManifestInvalid, UsageError

TOML = "rust-toolchain.toml"


def choose(
    *,
    image: str | None = None,
    rust: str | None = None,
    toolchain: tuple[str, str] | None = None,
    installed: str | None = "1.96.0",
    alpine: bool = False,
) -> BuilderImage:
    return choose_builder(image=image, rust=rust, toolchain=toolchain, installed=lambda: installed, alpine=alpine)


def channel(name: str) -> tuple[str, str]:
    return TOML, f'[toolchain]\nchannel = "{name}"\n'


DEBIAN, FILE = "rust:{}-slim-bookworm", {"toolchain_file": TOML}
CHOSEN = {
    "the Rust here": (choose(), BuilderImage(DEBIAN.format("1.96.0"))),
    "the one asked for": (choose(rust="1.90"), BuilderImage(DEBIAN.format("1.90"))),
    "Alpine": (choose(alpine=True), BuilderImage("rust:1.96.0-alpine")),
    "another image": (choose(image="me/rust:1", installed=None), BuilderImage("me/rust:1")),
    "another image, and a file": (
        choose(image="me/rust:1", toolchain=channel("1.80")),
        BuilderImage("me/rust:1", TOML),
    ),
    "the file's version": (
        choose(toolchain=channel("1.88.0"), installed=None),
        BuilderImage(DEBIAN.format("1.88.0"), TOML),
    ),
    "its host does not matter": (
        choose(toolchain=channel("1.88.0-x86_64-unknown-linux-gnu")),
        BuilderImage(DEBIAN.format("1.88.0"), TOML),
    ),
    "an old file's Rust, in the image of another": (
        choose(toolchain=channel("1.60.0"), rust="1.67"),
        BuilderImage(DEBIAN.format("1.67"), TOML),
    ),
    "a bare file": (
        choose(toolchain=("rust-toolchain", "1.88\n")),
        BuilderImage(DEBIAN.format("1.88"), "rust-toolchain"),
    ),
    "stable is pinned": (choose(toolchain=channel("stable")), BuilderImage(DEBIAN.format("1.96.0"), channel="1.96.0")),
    "no channel is stable": (
        choose(toolchain=(TOML, "[toolchain]\ncomponents = []\n")),
        BuilderImage(DEBIAN.format("1.96.0"), channel="1.96.0"),
    ),
    "a day's": (
        choose(toolchain=channel("nightly-2026-01-31"), rust="1.96.0"),
        BuilderImage(DEBIAN.format("1.96.0"), TOML),
    ),
}


@pytest.mark.parametrize("name", CHOSEN)
def test_the_builder(name: str) -> None:
    found, expected = CHOSEN[name]
    assert found == expected


REFUSED: dict[str, tuple[dict[str, object], type[CargoshipError], str]] = {
    "an old Rust": ({"rust": "1.65.0"}, UsageError, "no official image of Rust 1.65.0 on Debian 12"),
    "an old Rust in a file": (
        {"toolchain": channel("1.66")},
        UsageError,
        "no official image of Rust 1.66 on Debian 12",
    ),
    "no Rust": ({"installed": None}, UsageError, "no Rust was found to pin"),
    "an unreleased Rust": ({"installed": "1.98.0-nightly"}, UsageError, "no official image of Rust 1.98.0-nightly"),
    "no version": ({"rust": "latest"}, UsageError, "'latest' is not a version"),
    "two ways to say it": ({"rust": "1.96.0", "image": "me/rust"}, UsageError, "--rust and --builder"),
    "a channel that moves": ({"toolchain": channel("nightly")}, UsageError, "another Rust every day"),
    "a day's without an image": (
        {"toolchain": channel("beta-2026-01-31"), "installed": "1.97.0-beta.3"},
        UsageError,
        "no official image",
    ),
    "no TOML": ({"toolchain": (TOML, "[toolchain")}, ManifestInvalid, "rust-toolchain.toml cannot be read"),
    "an empty file": ({"toolchain": ("rust-toolchain", "\n")}, ManifestInvalid, "has no channel"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_without_an_exact_version_it_is_refused(name: str) -> None:
    asked, error, words = REFUSED[name]
    with pytest.raises(error, match=words):
        choose(**asked)  # type: ignore[arg-type] # a table of several kinds
