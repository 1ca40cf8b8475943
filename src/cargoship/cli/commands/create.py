"""`cargoship create`."""

from __future__ import annotations

import rich_click as click

from cargoship.cli.asking import options, resolving
from cargoship.cli.commands.apply import hand_over


@click.command()
@resolving.file_option
@resolving.object_options
@resolving.format_option
@resolving.dry_run_option
@resolving.cluster_option
@resolving.build_options
@click.argument("words", metavar="[-- KUBECTL-OPTIONS...]", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def create(ctx: click.Context, /, **_: object) -> None:
    """Resolve documents and hand them to `kubectl create`.

    As `cargoship apply`, for objects that are not there yet.
    """
    hand_over(ctx, "create")


command = options.panelled(create)
