from __future__ import annotations

import io
import re
from pathlib import Path

import click
import pytest

from cargoship.cli.asking.panels import panels_of
from cargoship.cli.documenting.manual import FOLDER, manual_pages
from cargoship.cli.documenting.reference import commands_page
from cargoship.cli.main import main
from cargoship.cli.session import World
from cargoship.cli.table import COMMANDS, GROUPS, cargoship

PAGE = Path(__file__).parents[3] / "docs" / "cli.md"


def test_the_page_is_what_the_commands_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == commands_page(), "run: python -m cargoship.cli.documenting.reference"


def test_the_manual_is_what_the_commands_say() -> None:
    written = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.1")}
    assert written == manual_pages(), "run: python -m cargoship.cli.documenting.reference"


def test_no_text_of_a_manual_page_is_a_request_of_roff() -> None:
    for name, page in manual_pages().items():
        for line in page.splitlines():
            assert not line.startswith("'"), name
            assert not line.startswith(".") or re.match(r"\.(\\\"|TH|SH|TP|PP|BR?|I|EX|EE)( |$)", line), (name, line)


@pytest.mark.parametrize(
    ("path", "option", "title"),
    [
        (("init",), "--force", "What to write"),
        (("dockerfile",), "--check", "The file"),
        (("copy",), "--platform", "What to copy"),
        (("run",), "--project", "What to build"),
        (("recipe", "cook"), "--check", "How to cook"),
        (("apply",), "--project", "What to resolve"),
    ],
)
def test_an_option_stands_where_its_command_means_it(path: tuple[str, ...], option: str, title: str) -> None:
    command: click.Command = cargoship
    for name in path:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found
    assert [held for held, names in panels_of(command).items() if option in names] == [title]


def test_help_shows_every_command_once_below_a_title(capsys: pytest.CaptureFixture[str]) -> None:
    """It was one list of 37 names, of which one was `help-`."""
    assert main(["--help"], World({}, Path("/"), io.StringIO(), io.StringIO())) == 0
    shown = capsys.readouterr().out
    names = re.findall(r"^│ ([a-z]+)  ", shown, re.MULTILINE)
    assert sorted(names) == sorted(COMMANDS)
    for title in GROUPS:
        assert f"─ {title} ─" in shown
    assert "Documentation: https://" in shown
