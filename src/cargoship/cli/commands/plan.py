"""`cargoship plan`."""

from __future__ import annotations

import rich_click as click

from cargoship.cli.asking import options, selecting
from cargoship.cli.results.planned import cluster_of, print_plan


@click.command()
@options.paths_argument
@options.package_options
@options.since_option
@options.platform_option
@options.libc_option
@options.compile_options
@options.image_options
@options.env_option
@options.destination_options
@click.option(
    "--remote-slots",
    metavar="N,N,...",
    help="Also foresee how long compiling would take on a Remote Execution cluster with so many slots.",
)
@click.option(
    "--remote-link",
    metavar="RATE,TIME|ADDRESS",
    help="The link to that cluster, such as 100Mbit,20ms, or reapi://HOST:PORT to measure it.  [default: 1Gbit,1ms]",
)
@options.json_option
@options.talk_options
@click.pass_context
def plan(ctx: click.Context, /, **_: object) -> None:
    """Print what `cargoship build` would do with the same options, and do nothing.

    What a build refuses before it compiles is refused here too: options and settings that do not go together, files
    that are not there, a base that its registry does not have, that lacks a platform or does not know the image's user,
    a Rust that lacks one of its targets, what cargo objects to (a lock file, a dependency, a newer Rust),
    a place that cannot be written to, an engine that does not answer.
    With --offline no registry is asked. Whether registries take a push and Debian has the packages, a build alone
    finds out.

    What --remote-slots foresees is a guess from the times and sizes of units in the record of a build in
    target/cargoship/.records.
    """
    session = options.begin(ctx)
    cluster = cluster_of(ctx.params["remote_slots"], ctx.params["remote_link"])
    selection = selecting.selection_of(ctx, session)
    print_plan(session, selection, verify=not ctx.params["no_verify"], as_json=ctx.params["as_json"], cluster=cluster)


command = options.panelled(plan)
