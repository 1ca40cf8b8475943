from __future__ import annotations

from pathlib import Path

from cargoship.cli.reference import reference_page

PAGE = Path(__file__).parents[3] / "docs" / "cli.md"


def test_the_page_is_what_the_commands_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference_page(), "run: python -m cargoship.cli.reference"
