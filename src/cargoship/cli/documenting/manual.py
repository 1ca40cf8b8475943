"""The manual pages, one a command, from the commands themselves; `reference` writes them to man/.

Format: man(7), as groff and mandoc read it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import rich_click as click

from cargoship.cli.asking.panels import panels_of
from cargoship.cli.documenting.every_command import every_command, idle_session
from cargoship.cli.table import cargoship
from cargoship.version import __version__

FOLDER = Path(__file__).parents[4] / "man"
_CODE = re.compile(r"`([^`]+)`")


def manual_pages() -> Mapping[str, str]:
    """The pages by the names of their files."""
    root = idle_session()
    commands = dict(every_command(root))
    pages = {"cargoship.1": "\n".join(_overview(root, commands)) + "\n"}
    for ctx, command in commands.items():
        name = ctx.command_path.replace(" ", "-")
        pages[f"{name}.1"] = "\n".join(_page(name, ctx, command)) + "\n"
    return pages


def _overview(root: click.Context, commands: Mapping[click.Context, click.Command]) -> Iterator[str]:
    yield from _head("cargoship", cargoship.get_short_help_str(200))
    yield ".SH SYNOPSIS\n.B cargoship\n.I COMMAND\n[\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]"
    yield ".SH DESCRIPTION"
    yield from _paragraphs(cargoship.help or "")
    yield ".SH COMMANDS"
    for ctx, command in commands.items():
        yield f".TP\n.BR {ctx.command_path.replace(' ', '-')} (1)"
        yield _escaped(command.get_short_help_str(200))
    del root


def _page(name: str, ctx: click.Context, command: click.Command) -> Iterator[str]:
    yield from _head(name, command.get_short_help_str(200))
    arguments = " ".join(each.make_metavar(ctx) for each in command.params if isinstance(each, click.Argument))
    yield f".SH SYNOPSIS\n.B {_escaped(ctx.command_path)}\n[\\fIOPTIONS\\fR] {_escaped(arguments)}".rstrip()
    yield ".SH DESCRIPTION"
    yield from _paragraphs(command.help or "")
    named = {each: option for option in command.get_params(ctx) if isinstance(option, click.Option)
             for each in option.opts}  # fmt: skip
    placed: set[int] = set()
    for title, names in {**panels_of(command), "Options": list(named)}.items():
        chosen = [named[each] for each in names if each in named and id(named[each]) not in placed]
        rows = [record for option in dict.fromkeys(chosen) if (record := option.get_help_record(ctx)) is not None]
        placed.update(map(id, chosen))
        if rows:
            yield f".SH {_escaped(title.upper())}"
            yield from (
                f".TP\n.B {_escaped(spelled)}\n{_escaped(' '.join(help_text.split()))}" for spelled, help_text in rows
            )
    yield ".SH SEE ALSO\n.BR cargoship (1)"


def _head(name: str, summary: str) -> Iterator[str]:
    yield '.\\" Made by `python -m cargoship.cli.documenting.reference`'
    yield f'.TH "{name.upper()}" "1" "" "cargoship {__version__}" "cargoship"'
    yield f".SH NAME\n{_escaped(name)} \\- {_escaped(summary.rstrip('.'))}"


def _paragraphs(text: str) -> Iterator[str]:
    """Paragraphs; those that are indented stand as they are."""
    for block in re.split(r"\n{2,}", inspect.cleandoc(text).replace("\b", "")):
        lines = block.strip("\n").splitlines()
        if lines and all(line.startswith("  ") for line in lines):
            yield ".EX"
            yield from map(_escaped, lines)
            yield ".EE"
        elif lines:
            yield ".PP"
            yield _CODE.sub(r"\\fB\1\\fR", _escaped(" ".join(line.strip() for line in lines)))


def _escaped(text: str) -> str:
    """Text as roff takes it for text: no line of it is a request, no dash a hyphen."""
    safe = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{safe}" if safe.startswith((".", "'")) else safe


def write_manual() -> None:
    """Write the pages, and remove those of commands that are gone."""
    pages = manual_pages()
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.1"):
        if path.name not in pages:
            path.unlink()
    for name, text in pages.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
