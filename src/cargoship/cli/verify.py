"""`cargoship verify`."""

from __future__ import annotations

import rich_click as click

from cargoship.cli import options


@click.command()
@click.argument("target", metavar="REFERENCE|PATH")
@options.json_option
@options.talk_options
@click.pass_context
def verify(ctx: click.Context, /, **_: object) -> None:
    """Check that an image can start on each of its platforms, whoever made it.

    The image is in a registry (ghcr.io/me/app:1.0), an OCI layout folder, or an archive file. Its layers are read: the
    program's machine, its loader, its libraries and their versions as the loader finds them, the user, the entrypoint,
    certificates, the health check. The exit code is 40 when an image cannot start.
    """
    from cargoship.cli.verified import verification_document, verification_text
    from cargoship.errors import CannotStart

    session = options.begin(ctx)
    with session.work() as context:
        examination = session.pipeline.verify(ctx.params["target"], context)
    if ctx.params["as_json"]:
        session.result_json(verification_document(examination))
    else:
        session.result(verification_text(examination, session.result_paint()))
    if not examination.ok:
        ctx.exit(CannotStart.exit_code)


command = options.panelled(verify)
