"""An error in a file names the line."""

from __future__ import annotations

from pathlib import Path

import pytest

from cargoship.ci.settings import has_settings
from cargoship.decoding import decode_toml
from cargoship.settings.lines import line_shown

MANIFEST = """\
[package]
name = "app"
keywords = ["platforms", "user",
  "env"]
description = '''
user = "no"
'''

# user = "x"
[package.metadata.cargoship]
tags = [
  "a",
]
user = "web"

[package.metadata.cargoship.env]
A = "1"
[workspace.metadata]
cargoship = { platforms = ["vax"] }
"""


@pytest.mark.parametrize(
    ("section", "key", "line"),
    [
        ("package", "tags", 11), ("package", "user", 14), ("package", "env", 16), ("workspace", "platforms", 19),
        ("package", "base", None),
    ],
)  # fmt: skip
def test_a_setting_has_its_line(tmp_path: Path, section: str, key: str, line: int | None) -> None:
    manifest = tmp_path / "Cargo.toml"
    manifest.write_text(MANIFEST)
    shown = str(manifest) if line is None else f"{manifest}:{line}"
    assert line_shown(manifest, [section, "metadata", "cargoship", key]) == shown
    assert line_shown(tmp_path / "none.toml", [key]) == str(tmp_path / "none.toml")


def test_a_manifest_may_begin_with_a_mark(tmp_path: Path) -> None:
    """cargo takes it; `init` and `dockerfile` took such a manifest for no TOML, and errors named no line."""
    text = "\ufeff[package]\nname = 'x'\n[package.metadata.cargoship]\nuser = 5\n"
    (tmp_path / "Cargo.toml").write_text(text, encoding="utf-8")
    assert decode_toml(text)["package"]["name"] == "x"
    assert decode_toml(text.encode())["package"]["name"] == "x"
    assert has_settings(text, "package")
    keys = ["package", "metadata", "cargoship", "user"]
    assert line_shown(tmp_path / "Cargo.toml", keys) == f"{tmp_path / 'Cargo.toml'}:4"
