"""`cargoship init`: what it adds to a Cargo.toml, and what it refuses."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from cargoship.ci.settings import has_settings, has_table, read_manifest, with_settings
from cargoship.ci.workflow import Matrix
from cargoship.errors import ManifestInvalid, SettingsInvalid, UsageError
from cargoship.settings.fields import BY_KEY

PACKAGE = '[package]\nname = "app" # me\nversion = "1.0.0"\n'


@pytest.mark.parametrize(
    "manifest",
    [
        PACKAGE,
        PACKAGE.rstrip("\n"),
        PACKAGE.replace("\n", "\r\n"),
        PACKAGE + "[package.metadata.docs.rs]\nall-features = true\n\n\n",
        PACKAGE + "[dependencies]\n# last\n",
        PACKAGE + "[[bin]]\nname = 'x'\n[package.metadata]\na = 1\n",
    ],
)
def test_settings_are_added_and_nothing_else_changes(manifest: str) -> None:
    made = with_settings(manifest, "package", {"tags": '["h.io/{name}"]'})
    assert made.startswith(manifest)
    before = tomllib.loads(manifest)
    after = tomllib.loads(made)
    assert after["package"]["metadata"].pop("cargoship") == {}
    if not after["package"]["metadata"]:
        del after["package"]["metadata"]
    assert after == before
    assert has_settings(made, "package")
    assert not has_settings(manifest, "package")
    assert ("\n" in made.replace("\r\n", "")) is ("\r\n" not in manifest)
    assert '#tags = ["h.io/{name}"]' in made


def test_every_setting_that_is_shown_is_one_without_its_mark() -> None:
    made = with_settings(PACKAGE, "package", {})
    lines = [line[1:] for line in made.splitlines() if line.startswith("#") and not line.startswith("# ")]
    table = tomllib.loads("\n".join(lines))
    assert len(table) == len(lines) > 5
    for key, value in table.items():
        BY_KEY[key].spec.kind.parse(value)


def test_a_workspace_without_a_package() -> None:
    made = with_settings('[workspace]\nmembers = ["a"]\n', "workspace", {})
    assert tomllib.loads(made)["workspace"]["metadata"] == {"cargoship": {}}


@pytest.mark.parametrize("manifest", ['[package]\nname = "a"\nmetadata = { a = 1 }\n', 'package = { name = "a" }\n'])
def test_metadata_in_another_form_is_reported(manifest: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"\[package\.metadata\.cargoship\] cannot be written"):
        with_settings(manifest, "package", {})


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"[package\n", "/app/Cargo.toml is no TOML: "),
        (b'[package]\nname = "\xff"\n', "/app/Cargo.toml:2 is no UTF-8"),
        (b"", "/app/Cargo.toml has neither [package] nor [workspace]"),
        (b"[dependencies]\n", "/app/Cargo.toml has neither [package] nor [workspace]"),
    ],
)
def test_a_manifest_that_takes_no_settings(data: bytes, says: str) -> None:
    """One in Latin-1 was called a fault of cargoship, and settings were written into an empty one."""
    with pytest.raises(ManifestInvalid) as refused:
        read_manifest(data, Path("/app/Cargo.toml"))
    assert str(refused.value).startswith(says)
    assert refused.value.hint


def test_a_manifest_with_a_byte_order_mark() -> None:
    text = read_manifest(b"\xef\xbb\xbf" + PACKAGE.encode(), Path("Cargo.toml"))
    assert has_table(text, "package")
    assert not has_settings(text, "package")


def test_a_matrix_is_of_platforms_or_packages() -> None:
    with pytest.raises(UsageError, match='did you mean "platform"'):
        Matrix.parse("platforms")
