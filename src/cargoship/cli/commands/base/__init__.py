"""`cargoship base`: what can be done about bases."""

from __future__ import annotations

import rich_click as click

from cargoship.cli.commands.base.pin import command as pin
from cargoship.cli.groups import CommandGroup


@click.group(cls=CommandGroup)
def base() -> None:
    """Look after the base images that the settings name."""


base.add_command(pin)

command = base
