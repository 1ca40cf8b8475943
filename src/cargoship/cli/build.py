"""`cargoship build`."""

from __future__ import annotations

import rich_click as click

from cargoship.cli import options
from cargoship.cli.outcome import Records, finish
from cargoship.cli.planned import print_plan


@click.command()
@options.path_argument
@options.package_options
@options.platform_option
@options.libc_option
@options.compile_options
@options.image_options
@options.destination_options
@options.record_options
@options.progress_options
@click.pass_context
def build(ctx: click.Context, /, **_: object) -> None:
    """Compile the Cargo project in PATH for every platform and make its image.

    Standard output gets the digest reference of each image, one a line, and nothing else. Settings come from
    [package.metadata.cargoship] and [workspace.metadata.cargoship] in Cargo.toml, then from CARGOSHIP_* variables,
    then from these options.
    """
    session = options.begin(ctx)
    selection = options.selection_of(ctx, session)
    if ctx.params["dry_run"]:
        print_plan(session, selection)
        return
    records = Records.checked(ctx.params, session.world.cwd)
    with session.work(verify=not ctx.params["no_verify"]) as context:
        result = session.pipeline.build(selection, context)
    finish(session, result, records)


command = options.panelled(build)
