"""Every command of the command line, for pages that are generated from them and for tests."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import click

from cargoship.cli.session import CliSession, World
from cargoship.cli.table import COMMANDS, cargoship


def idle_session() -> click.Context:
    """A run of nothing, for those who ask commands what they take."""
    nothing = io.StringIO()
    session = CliSession(World({}, Path("/"), nothing, nothing))
    return click.Context(cargoship, info_name="cargoship", **cargoship.context_settings, obj=session)


def every_command(root: click.Context) -> Iterator[tuple[click.Context, click.Command]]:
    """All commands that do something, those of groups among them, in the order in which help shows them."""
    for name in COMMANDS:
        command = cargoship.get_command(root, name)
        if command is not None:
            yield from _members(command, click.Context(command, info_name=name, parent=root))


def _members(command: click.Command, ctx: click.Context) -> Iterator[tuple[click.Context, click.Command]]:
    if isinstance(command, click.Group):
        for name, member in command.commands.items():
            yield from _members(member, click.Context(member, info_name=name, parent=ctx))
    else:
        yield ctx, command
