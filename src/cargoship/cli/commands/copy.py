"""`cargoship copy`."""

from __future__ import annotations

import rich_click as click

from cargoship.cli.asking import offers, options, selecting
from cargoship.cli.results.outcome import finish_published
from cargoship.errors import UsageError


@click.command()
@click.argument("source", metavar="SOURCE", shell_complete=offers.images)
@click.argument("target", metavar="TARGET", shell_complete=offers.images)
@click.option("--all", "everything", is_flag=True, help="Copy every platform and attestation.  [default]")
@click.option(
    "--platform", "platforms", multiple=True, metavar="LIST", shell_complete=offers.some_platforms,
    help="Copy the images for these platforms alone, comma separated; may be repeated.",
)  # fmt: skip
@click.option("--referrers", is_flag=True, help="Also copy the signatures, SBOMs and attestations that refer to it.")
@options.progress_options
@click.pass_context
def copy(ctx: click.Context, /, **_: object) -> None:
    """Copy an image to, from or between registries.

    SOURCE and TARGET are references, such as ghcr.io/me/app:1.0, image layouts (oci:FOLDER, oci:FOLDER:TAG) or archives
    (oci-archive:FILE, docker-archive:FILE). Digests stay what they are. What the target's registry has already is not
    sent, what it has in another repository is mounted, and the rest is streamed through without a file in between.
    Standard output gets the digest reference of a copy in a registry.

    One --platform copies that image without an index around it, several an index of these. --referrers takes along what
    the referrers API lists, or the tag that stands in for it, and cosign's tags (sha256-....sig, .att, .sbom); in a
    layout or OCI archive they become entries of its index.json. What a layout or archive has comes along in any case.
    """
    platforms = selecting.split(ctx.params["platforms"])
    if ctx.params["everything"] and platforms:
        raise UsageError("--all and --platform exclude each other")
    session = options.begin(ctx)
    with session.work() as context:
        published = session.operations.copy(
            ctx.params["source"],
            ctx.params["target"],
            context,
            platforms=platforms,
            referrers=ctx.params["referrers"],
        )
    finish_published(session, () if published is None else (published,))


command = options.panelled(copy)
