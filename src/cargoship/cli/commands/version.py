"""`cargoship version`."""

from __future__ import annotations

import rich_click as click

from cargoship.version import __version__


@click.command()
def version() -> None:
    """Print the version, as `cargoship --version`."""
    click.echo(f"cargoship {__version__}")


command = version
