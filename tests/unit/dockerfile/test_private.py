"""What a Cargo.lock wants credentials for."""

from __future__ import annotations

from typing import Any

import pytest

from cargoship.dockerfile.private import PrivateSources, has_unlocked_sources, private_sources, undefined_registries

CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"
CLI = {"net": {"git-fetch-with-cli": True}}


def lock(*sources: str) -> str:
    entries = (
        f'[[package]]\nname = "p{place}"\nversion = "1.0.0"\nsource = "{source}"\n'
        for place, source in enumerate(sources)
    )
    return "version = 4\n\n" + "\n".join(entries)


@pytest.mark.parametrize(
    ("source", "config", "found"),
    [
        (CRATES_IO, None, PrivateSources()),
        ("sparse+https://index.crates.io/", None, PrivateSources()),
        ("git+ssh://git@github.com/me/app.git?branch=main#0123", None, PrivateSources(ssh=True)),
        ("git+https://github.com/me/app#0123", None, PrivateSources(git=True)),
        ("sparse+https://crates.example.com/index/", None,
         PrivateSources(registries=("https://crates.example.com/index",), token=True)),
        ("registry+ssh://git@example.com/index", CLI,
         PrivateSources(ssh=True, registries=("ssh://git@example.com/index",), token=True, by_program=True)),
    ],
)  # fmt: skip
def test_sources(source: str, config: dict[str, Any] | None, found: PrivateSources) -> None:
    assert private_sources(lock(CRATES_IO, source), config) == found


MIRROR = "sparse+https://mirror.example.com/index/"
GIT_MIRROR = "https://mirror.example.com/crates.io-index"
IN_A_FOLDER = {"directory": "./third/party/"}


def mirrored(name: str, **sources: dict[str, str]) -> dict[str, Any]:
    return {"source": {"crates-io": {"replace-with": name}, **sources}}


@pytest.mark.parametrize(
    ("source", "config", "found"),
    [
        # cargo looks for a token by the name that [registries] has for the index
        (CRATES_IO, {**mirrored("corp"), "registries": {"corp": {"index": MIRROR}}}, PrivateSources(token=True)),
        (CRATES_IO, {**mirrored("a", a={"registry": MIRROR, "replace-with": "corp"}), "registries": {
            "corp": {"index": MIRROR}}}, PrivateSources(token=True)),
        (CRATES_IO, {**mirrored("a", a={"registry": MIRROR}), "registries": {"corp": {"index": MIRROR}}},
         PrivateSources(token=True)),
        (CRATES_IO, mirrored("a", a={"registry": MIRROR}), PrivateSources()),
        (CRATES_IO, {**CLI, **mirrored("a", a={"registry": GIT_MIRROR})}, PrivateSources(by_program=True)),
        (CRATES_IO, mirrored("a", a={"registry": "ssh://git@example.com/index"}), PrivateSources(ssh=True)),
        (CRATES_IO, mirrored("a", a=IN_A_FOLDER), PrivateSources(folders=("third/party",))),
        (CRATES_IO, mirrored("a", a={"local-registry": "crates"}), PrivateSources(folders=("crates",))),
        # as `cargo vendor` writes it
        ("git+ssh://git@example.com/me/a.git?branch=b#0123", {**CLI, "source": {"a": IN_A_FOLDER, "x": {
            "git": "ssh://git@example.com/me/a.git", "branch": "b", "replace-with": "a"}}},
         PrivateSources(folders=("third/party",))),
        ("git+ssh://git@example.com/me/a.git?branch=other#0123", {"source": {"a": IN_A_FOLDER, "x": {
            "git": "ssh://git@example.com/me/a.git", "branch": "b", "replace-with": "a"}}}, PrivateSources(ssh=True)),
        ("sparse+https://crates.example.com/index/", {"source": {"a": IN_A_FOLDER, "x": {
            "registry": "sparse+https://crates.example.com/index/", "replace-with": "a"}}},
         PrivateSources(registries=("https://crates.example.com/index",), folders=("third/party",))),
        # what leads nowhere, or in a circle, is for cargo to refuse
        (CRATES_IO, mirrored("gone"), PrivateSources()),
        (CRATES_IO, mirrored("a", a={"replace-with": "b"}, b={"replace-with": "a"}), PrivateSources()),
        (CRATES_IO, {"source": {"crates-io": "odd", "x": 1}, "registries": []}, PrivateSources()),
    ],
)  # fmt: skip
def test_sources_that_stand_in_for_others(source: str, config: dict[str, Any], found: PrivateSources) -> None:
    assert private_sources(lock(source), config) == found


def test_without_a_lock_file_nothing_is_known() -> None:
    assert private_sources(None, None) == PrivateSources()


def test_programs_come_along_where_cargo_starts_them() -> None:
    assert private_sources(lock("git+https://github.com/me/app#0123"), CLI).packages == ("git", "openssh-client")
    assert private_sources(lock("git+https://github.com/me/app#0123"), None).packages == ()
    assert private_sources(lock(CRATES_IO), CLI).packages == ()


@pytest.mark.parametrize(
    ("config", "unknown"),
    [
        (None, ("https://crates.example.com/index",)),
        ({"registries": {"mine": {"index": "sparse+https://crates.example.com/index/"}}}, ()),
        (
            {"registries": {"mine": {"index": "sparse+https://other.example.com/"}}},
            ("https://crates.example.com/index",),
        ),
    ],
)
def test_registries_that_a_container_does_not_know(config: dict[str, Any] | None, unknown: tuple[str, ...]) -> None:
    private = private_sources(lock("sparse+https://crates.example.com/index/"), config)
    assert undefined_registries(private, config) == unknown


HTTPS_GIT = {"git": "https://github.com/me/secret"}


@pytest.mark.parametrize(
    ("manifest", "config", "unknown"),
    [
        ({"dependencies": {"serde": "1", "near": {"path": "../near"}}}, None, False),
        ({"dependencies": {"serde": "1", "secret": HTTPS_GIT}}, None, True),
        ({"target": {"cfg(unix)": {"build-dependencies": {"secret": {"registry": "corp"}}}}}, None, True),
        ({"workspace": {"dependencies": {"secret": {"version": "1", "registry-index": MIRROR}}}}, None, True),
        ({"patch": {"crates-io": {"serde": HTTPS_GIT}}}, None, True),
        ({"dependencies": {"serde": "1"}}, mirrored("a", a={"registry": MIRROR}), True),
        ({"dependencies": {"serde": "1"}}, {"build": {"jobs": 2}}, False),
    ],
)  # fmt: skip
def test_without_a_lock_file_nobody_knows_what_is_private(
    manifest: dict[str, Any], config: dict[str, Any] | None, *, unknown: bool
) -> None:
    """The Dockerfile had no mounts then, nothing said so, and Docker's cargo ended with 401."""
    assert has_unlocked_sources([manifest], None, config) is unknown
    assert not has_unlocked_sources([manifest], lock(CRATES_IO), config)
