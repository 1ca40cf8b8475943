"""`cargoship schema`."""

from __future__ import annotations

import rich_click as click

from cargoship.cli.asking import options

# Even Better TOML is taplo, and takes the schema of a whole file
_WHOLE = {"cargo-toml", "taplo"}


@click.command()
@click.option(
    "--for",
    "purpose",
    type=click.Choice(["settings", *sorted(_WHOLE), "record"]),
    default="settings",
    show_default=True,
    help="What the schema describes: the table of settings, a whole Cargo.toml, as editors with taplo want it, or the "
    "record that a build leaves.",
)
@options.talk_options
@click.pass_context
def schema(ctx: click.Context, /, **_: object) -> None:
    """Print the JSON schema of [package.metadata.cargoship], for editors and checkers.

    With --for taplo it is the schema of a whole Cargo.toml, which Even Better TOML takes as it is.
    """
    if ctx.params["purpose"] == "record":
        from cargoship.records.model import record_schema

        options.begin(ctx).result_json(record_schema())
        return
    from cargoship.settings.schema import SchemaOf, schema_text

    of = SchemaOf.CARGO_TOML if ctx.params["purpose"] in _WHOLE else SchemaOf.SETTINGS
    options.begin(ctx).result(schema_text(of).rstrip("\n"))


command = options.panelled(schema)
