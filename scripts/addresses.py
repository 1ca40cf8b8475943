"""See that all files give the project the address that pyproject.toml has, and that a release is of it.

On GitHub the workflow's own repository has to be the one that is named: what is released leads to where it came from.
"""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

PLACES = (
    "pyproject.toml",
    "mkdocs.yml",
    "docs/ci.md",
    "docs/settings.md",
    "src/cargoship/settings/schema.json",
    "src/cargoship/version.py",
)
"""Where the address stands."""
_OWN = re.compile(
    r"github\.com/([\w.-]+)/(cargoship)\b|([\w-]+)\.github\.io/(cargoship)\b|uses: ([\w.-]+)/(cargoship)@"
)


def wrong(root: Path, env: Mapping[str, str]) -> Iterator[str]:
    """What is not of the repository that pyproject.toml names."""
    source = tomllib.loads((root / "pyproject.toml").read_text())["project"]["urls"]["Source"]
    owner, name = source.removeprefix("https://github.com/").split("/")
    for place in PLACES:
        for number, line in enumerate((root / place).read_text().splitlines(), 1):
            for found in _OWN.finditer(line):
                said = tuple(part for part in found.groups() if part)
                if said != (owner, name):
                    yield f"{place}:{number}: {found[0]} is not {owner}/{name}, which pyproject.toml names"
    here = env.get("GITHUB_REPOSITORY", f"{owner}/{name}")
    if here != f"{owner}/{name}":
        yield f"pyproject.toml: this is {here}, and Source under [project.urls] leads to {owner}/{name}"


if __name__ == "__main__":
    complaints = list(wrong(Path(__file__).parents[1], os.environ))
    sys.exit("\n".join(complaints) or None)
