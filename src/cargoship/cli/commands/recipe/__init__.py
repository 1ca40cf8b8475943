"""`cargoship recipe`: a group of two."""

from __future__ import annotations

import rich_click as click

from cargoship.cli.commands.recipe.cook import command as cook
from cargoship.cli.commands.recipe.prepare import command as prepare
from cargoship.cli.groups import CommandGroup


@click.group(cls=CommandGroup)
def recipe() -> None:
    """Compile a workspace's dependencies apart from its code, for Dockerfiles: cargo-chef's recipes, both ways."""


recipe.add_command(prepare)
recipe.add_command(cook)

command = recipe
