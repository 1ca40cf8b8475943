"""The table of commands: each is loaded when it is asked for, so that `--version` loads none of them."""

from __future__ import annotations

import importlib

import rich_click as click

from cargoship.cli.groups import CommandGroup
from cargoship.version import __version__

GROUPS: dict[str, tuple[str, ...]] = {
    "Build": ("build", "run", "watch", "plan", "pack"),
    "Set up": ("init", "doctor", "dockerfile", "schema"),
    "Deploy": ("resolve", "apply", "create", "delete", "up", "deploy"),
    "Look at images": ("inspect", "verify", "size", "diff", "sbom", "licenses", "symbols", "symbolicate"),
    "Make images of images": ("copy", "merge", "rebase", "rebuild"),
    "Look back at builds": ("timings", "report", "history"),
    "Registries and bases": ("login", "logout", "base"),
    "What is kept": ("cache", "prune"),
    "With cargo alone": ("cargo", "recipe"),
    "About cargoship": ("help", "version"),
}
"""Every command, in the order in which a newcomer meets them, below the titles of `cargoship --help`."""

COMMANDS: dict[str, str] = {name: f"cargoship.cli.commands.{name}" for names in GROUPS.values() for name in names}
"""The module of each."""


class CommandTable(CommandGroup):
    """A group whose members are modules with a `command`."""

    def get_help(self, ctx: click.Context) -> str:
        """As rich_click does, with the commands below their titles, and where the documentation is."""
        if not self.panels:
            for title, names in GROUPS.items():
                self.add_panel(click.RichCommandPanel(title, commands=list(names)))
        self.epilog = f"Documentation: {_documentation()}"
        return super().get_help(ctx)

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
        from cargoship.cli.failing.strangers import STRANGE_COMMANDS

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


def _documentation() -> str:
    """Where it is, as the metadata of this installation says."""
    from importlib.metadata import metadata

    named: dict[str, str] = dict(each.split(", ", 1) for each in metadata("cargoship").get_all("Project-URL") or ())
    return named.get("Documentation", "the folder docs of the sources")
