"""An error in a file names the line."""

from __future__ import annotations

from pathlib import Path

import pytest

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
