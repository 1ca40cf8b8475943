"""The documentation: a site without a dead link, and commands that there are, with options that they have."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cargoship.cli.documenting.every_command import idle_session
from cargoship.cli.documenting.reference import errors_page
from cargoship.cli.table import cargoship
from support.programs import REPOSITORY, run

pytestmark = pytest.mark.tools

DOCS = REPOSITORY / "docs"
PAGES = [
    REPOSITORY / "README.md",
    *(path for path in sorted(DOCS.rglob("*.md")) if "decisions" not in path.parts and path.name != "CHANGELOG.md"),
]


def test_the_site_has_no_dead_link(tmp_path: Path) -> None:
    mkdocs = Path(sys.executable).parent / "mkdocs"
    run(mkdocs, "build", "--strict", "--site-dir", tmp_path / "site", cwd=REPOSITORY, env={"NO_MKDOCS_2_WARNING": "1"})
    for page in ("index.html", "tutorial/index.html", "guides/from-ko/index.html", "errors/index.html"):
        text = (tmp_path / "site" / page).read_text()
        assert 'data-md-color-scheme="slate"' in text, "dark, for those who have it so"


def test_the_page_of_errors_is_up_to_date() -> None:
    assert (DOCS / "errors.md").read_text() == errors_page(), "run: python -m cargoship.cli.documenting.reference"


def commands(text: str) -> Iterator[list[str]]:
    """The cargoship commands of code in lines, as words of a shell; those of blocks are whole, and parsed as such."""
    for line in re.findall(r"`([^`\n]+)`", text):
        found = re.match(r"\s*(?:[A-Z_]+=\S+ )*cargoship (?=[a-z])(.*)", line.rpartition("| ")[2])
        if found is None:
            continue
        try:
            words = shlex.split(found[1], comments=True)
        except ValueError:  # a sentence about a command
            continue
        ends = [place for place, word in enumerate(words) if word in {"&&", "||", ";", "|", "<", ">", "--", "..."}]
        yield words[: min(ends, default=len(words))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_documented_commands_exist_with_their_options(page: Path) -> None:
    root = idle_session()
    for words in commands(page.read_text()):
        command: click.Command | None = cargoship.get_command(root, words[0])
        assert command is not None, words
        rest = words[1:]
        ctx = click.Context(command, info_name=words[0], parent=root)
        while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
            command = command.get_command(ctx, rest[0])
            assert command is not None, words
            ctx, rest = click.Context(command, info_name=rest[0], parent=ctx), rest[1:]
        known = {name: each for each in command.get_params(ctx) for name in (*each.opts, *each.secondary_opts)}
        left = iter(rest)
        for word in left:
            if not re.match(r"--[a-z]", word):
                continue
            name, _, value = word.partition("=")
            assert name in known, (words, word)
            option = known[name]
            if isinstance(option, click.Option) and not option.is_flag and not value:
                # whatever it looks like
                next(left, None)
