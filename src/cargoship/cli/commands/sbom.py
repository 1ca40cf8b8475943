"""`cargoship sbom`."""

from __future__ import annotations

import rich_click as click

from cargoship.cli.asking import offers, options


@click.command()
@click.argument("target", metavar="REFERENCE|PATH", shell_complete=offers.images)
@click.option(
    "--platform",
    metavar="PLATFORM",
    shell_complete=offers.platforms,
    help="What the image is made of on one platform, such as linux/arm64.",
)
@click.option(
    "--format", "form", type=click.Choice(("cyclonedx", "spdx", "spdx-3")), help="This format, where it has several."
)
@options.talk_options
@click.pass_context
def sbom(ctx: click.Context, /, **_: object) -> None:
    """Print the SBOM (bill of materials) of an image: the document that was attached to it, as its maker wrote it.

    cargoship attaches one to what it builds. Those of others are found too: referrers, and BuildKit's attestations.
    """
    session = options.begin(ctx)
    with session.work() as context:
        found = session.operations.find_sbom(
            ctx.params["target"], context, platform=ctx.params["platform"], form=ctx.params["form"]
        )
    if session.world.stdout.isatty():
        session.result(found.document.decode("utf-8", "replace"))
    else:
        # byte for byte: somebody may have signed it
        session.result_bytes(found.document)


command = options.panelled(sbom)
