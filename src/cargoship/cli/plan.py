"""`cargoship plan`."""

from __future__ import annotations

import rich_click as click

from cargoship.cli import options
from cargoship.cli.planned import print_plan


@click.command()
@options.path_argument
@options.package_options
@options.platform_option
@options.libc_option
@options.compile_options
@options.image_options
@options.destination_options
@options.json_option
@options.talk_options
@click.pass_context
def plan(ctx: click.Context, /, **_: object) -> None:
    """Print what `cargoship build` would do with the same options, and do nothing.

    Everything that a build refuses before it compiles is refused here too.
    """
    session = options.begin(ctx)
    selection = options.selection_of(ctx, session)
    print_plan(session, selection, as_json=ctx.params["as_json"])


command = options.panelled(plan)
