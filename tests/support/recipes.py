"""Recipes of workspaces that tests have written."""

from __future__ import annotations

from pathlib import Path

from cargoship.recipe.gather import gather_workspace
from cargoship.recipe.model import Recipe
from cargoship.recipe.prepare import make_recipe


def prepare_recipe(path: Path, *, member: str | None = None) -> Recipe:
    """The recipe of the workspace around `path`, as `cargoship recipe prepare` makes it."""
    return make_recipe(gather_workspace(path), member=member)
