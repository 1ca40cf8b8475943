"""`cargoship help`."""

from __future__ import annotations

import rich_click as click

from cargoship.cli.asking import offers
from cargoship.errors import UsageError


@click.command("help")
@click.argument("words", metavar="[COMMAND]...", nargs=-1, shell_complete=offers.helped)
@click.pass_context
def help_(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Print the help of a command, as `cargoship COMMAND --help`."""
    at = ctx.parent
    if at is None:  # pragma: no cover - it is always below a group
        raise RuntimeError(ctx.command_path)
    for word in words:
        if not isinstance(at.command, click.Group):
            raise UsageError(f"{at.command_path} has no commands of its own", hint=f"see '{at.command_path} --help'")
        _, command, _ = at.command.resolve_command(at, [word])
        if command is None:
            raise UsageError(f"no such command {word!r}", hint=f"see '{at.command_path} --help'")
        at = type(at)(command, info_name=word, parent=at)
    click.echo(at.get_help())


command = help_
