"""The table of commands: each is loaded when it is asked for, so that `--version` loads none of them."""

from __future__ import annotations

import importlib

import rich_click as click

from cargoship.cli.groups import CommandGroup
from cargoship.version import __version__

COMMANDS: dict[str, str] = {
    "build": "cargoship.cli.build",
    "init": "cargoship.cli.init",
    "pack": "cargoship.cli.pack",
    "plan": "cargoship.cli.plan",
    "run": "cargoship.cli.run",
    "watch": "cargoship.cli.watch",
    "resolve": "cargoship.cli.resolve",
    "apply": "cargoship.cli.apply",
    "create": "cargoship.cli.create",
    "delete": "cargoship.cli.delete",
    "up": "cargoship.cli.up",
    "deploy": "cargoship.cli.deploy",
    "inspect": "cargoship.cli.inspect",
    "verify": "cargoship.cli.verify",
    "diff": "cargoship.cli.diff",
    "size": "cargoship.cli.size",
    "report": "cargoship.cli.report",
    "timings": "cargoship.cli.timings",
    "history": "cargoship.cli.history",
    "sbom": "cargoship.cli.sbom",
    "licenses": "cargoship.cli.licenses",
    "copy": "cargoship.cli.copy",
    "merge": "cargoship.cli.merge",
    "rebase": "cargoship.cli.rebase",
    "rebuild": "cargoship.cli.rebuild",
    "login": "cargoship.cli.login",
    "logout": "cargoship.cli.logout",
    "base": "cargoship.cli.base",
    "doctor": "cargoship.cli.doctor",
    "cache": "cargoship.cli.cache",
    "prune": "cargoship.cli.prune",
    "cargo": "cargoship.cli.cargo",
    "recipe": "cargoship.cli.recipe",
    "dockerfile": "cargoship.cli.dockerfile",
    "schema": "cargoship.cli.schema",
    "help": "cargoship.cli.help",
    "version": "cargoship.cli.version",
}


class CommandTable(CommandGroup):
    """A group whose members are modules with a `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order in which a newcomer meets them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command, or None for a name that is none."""
        del ctx
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        command = importlib.import_module(module).command
        if not isinstance(command, click.Command):  # pragma: no cover - a fault of the table
            raise TypeError(module)
        return command

    def foreign(self, name: str) -> str | None:
        """See `CommandGroup.foreign`."""
        from cargoship.cli.strangers import STRANGE_COMMANDS

        return STRANGE_COMMANDS.get(name)


@click.group(
    cls=CommandTable,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "-V", "--version", prog_name="cargoship", message="%(prog)s %(version)s")
@click.option("-v", "--verbose", count=True, hidden=True)
@click.option("-q", "--quiet", is_flag=True, hidden=True)
@click.option("--color", type=click.Choice(["auto", "always", "never"]), hidden=True)
@click.option("--progress", type=click.Choice(["auto", "plain", "json"]), hidden=True)
@click.pass_context
def cargoship(ctx: click.Context, /, **_: object) -> None:
    """Turn a Cargo project into a multi-architecture container image: no Docker, no Dockerfile."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
