"""`cargoship schema`."""

from __future__ import annotations

import rich_click as click

from cargoship.cli import options


@click.command()
@options.talk_options
@click.pass_context
def schema(ctx: click.Context, /, **_: object) -> None:
    """Print the JSON schema of [package.metadata.cargoship], for editors and checkers."""
    from cargoship.settings.schema import schema_text

    options.begin(ctx).result(schema_text().rstrip("\n"))


command = options.panelled(schema)
