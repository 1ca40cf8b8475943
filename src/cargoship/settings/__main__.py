"""Writes what is generated from the settings' model: docs/settings.md and schema.json.

Run it in a checkout, after changing the model: python -m cargoship.settings
"""

from __future__ import annotations

from pathlib import Path

from cargoship.settings.reference import settings_page
from cargoship.settings.schema import schema_text


def write(checkout: Path) -> None:
    """Write both files into a checkout of the project."""
    (checkout / "docs" / "settings.md").write_text(settings_page(), encoding="utf-8")
    (checkout / "src" / "cargoship" / "settings" / "schema.json").write_text(schema_text(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(__file__).parents[3])
