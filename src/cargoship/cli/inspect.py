"""`cargoship inspect`."""

from __future__ import annotations

import rich_click as click

from cargoship.cli import options


@click.command()
@click.argument("target", metavar="REFERENCE|PATH")
@options.json_option
@options.talk_options
@click.pass_context
def inspect(ctx: click.Context, /, **_: object) -> None:
    """Show an image: its platforms, layers, configuration and sizes.

    The image is in a registry (ghcr.io/me/app:1.0), an OCI layout folder, or an archive file.
    """
    from cargoship.cli.inspected import inspection_document, inspection_text

    session = options.begin(ctx)
    with session.work() as context:
        inspection = session.pipeline.inspect(ctx.params["target"], context)
    if ctx.params["as_json"]:
        session.result_json(inspection_document(inspection))
    else:
        session.result(inspection_text(inspection, session.result_paint()))


command = options.panelled(inspect)
