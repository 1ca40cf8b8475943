"""`cargoship recipe`: a group of two."""

from __future__ import annotations

import rich_click as click

from cargoship.cli.groups import CommandGroup
from cargoship.cli.recipe_cook import command as cook
from cargoship.cli.recipe_prepare import command as prepare


@click.group(cls=CommandGroup)
def recipe() -> None:
    """Compile a workspace's dependencies apart from its code, for Dockerfiles: cargo-chef's recipes, both ways."""


recipe.add_command(prepare)
recipe.add_command(cook)

command = recipe
