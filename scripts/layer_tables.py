"""Writes the tables of layers in docs/architecture.md: from the contracts of imports and from docstrings.

    .venv/bin/python scripts/layer_tables.py

The order is that of a contract in pyproject.toml, and beside each module or package stands the first line of its own
docstring.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
PAGE = REPOSITORY / "docs" / "architecture.md"


def with_tables(page: str) -> str:
    """The page with its tables as they are to be; each stands between two comments that name its contract."""
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    for contract in contracts:
        begin, end = (f"<!-- {word} {contract['id']} -->" for word in ("layers of", "end of"))
        if begin in page:
            before, rest = page.split(begin)
            table = "\n".join(_table(contract))
            page = f"{before}{begin}\n\n{table}\n\n{end}{rest.split(end)[1]}"
    return page


def _table(contract: dict[str, list[str]]) -> Iterator[str]:
    folder = REPOSITORY / "src" / contract["containers"][0].replace(".", "/")
    yield "| layer | what it is |"
    yield "| --- | --- |"
    for layer in contract["layers"]:
        for number, name in enumerate(re.findall(r"\w+", layer)):
            room = folder / name
            path = room / "__init__.py" if room.is_dir() else room.with_suffix(".py")
            said = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]
            yield f"| {'… ' if number else ''}`{name}{'/' if room.is_dir() else ''}` | {said.rstrip('.')} |"


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
