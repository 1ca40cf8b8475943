"""`cargoship copy`."""

from __future__ import annotations

import rich_click as click

from cargoship.cli import options
from cargoship.cli.outcome import finish_published
from cargoship.errors import UsageError


@click.command()
@click.argument("source", metavar="SOURCE")
@click.argument("target", metavar="TARGET")
@click.option("--all", "everything", is_flag=True, help="Copy every platform and attestation.  [default]")
@click.option("--platform", metavar="PLATFORM", help="Copy the image for this platform alone.")
@options.progress_options
@click.pass_context
def copy(ctx: click.Context, /, **_: object) -> None:
    """Copy an image from one registry or repository to another.

    SOURCE and TARGET are references, such as ghcr.io/me/app:1.0. Digests stay what they are. What the target's
    registry has already is not sent, what it has in another repository is mounted, and the rest is streamed through
    without a file in between. Standard output gets the digest reference of the copy.
    """
    if ctx.params["everything"] and ctx.params["platform"]:
        raise UsageError("--all and --platform exclude each other")
    session = options.begin(ctx)
    with session.work() as context:
        published = session.pipeline.copy(ctx.params["source"], ctx.params["target"], ctx.params["platform"], context)
    finish_published(session, (published,))


command = options.panelled(copy)
