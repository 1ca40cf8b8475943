"""`cargoship merge`."""

from __future__ import annotations

import rich_click as click

from cargoship.cli.asking import offers, options, signing
from cargoship.cli.results.outcome import finish_published


@click.command()
@click.option(
    "-t", "--tag", "tags", multiple=True, required=True, metavar="REFERENCE",
    help="Name for the merged image, such as ghcr.io/me/app:1.0; may be repeated.",
)  # fmt: skip
@click.argument("parts", metavar="IMAGE...", nargs=-1, required=True, shell_complete=offers.images)
@signing.sign_option
@options.progress_options
@click.pass_context
def merge(ctx: click.Context, /, **_: object) -> None:
    """Make one image for many platforms of images that exist already.

    IMAGE is a reference, an image layout or an archive, as for `cargoship copy`. For builds that are spread over
    several jobs: each pushes its platforms and hands on the digest reference that it prints, ghcr.io/me/app@sha256:...;
    the last one merges them. Attestations come along. Two images for one platform are refused. In a tag, {repository}
    stands for each repository of the parts, which then has an image of its own, and
    {git.short}, {branch?}, {git.tag?} and {latest} stand for what git knows of the current folder. Standard output gets
    the digest reference of the merged image, one line for each repository.
    """
    session = options.begin(ctx)
    with session.work() as context:
        published = session.operations.merge(ctx.params["parts"], ctx.params["tags"], context, sign=ctx.params["sign"])
    finish_published(session, published)


command = options.panelled(merge)
