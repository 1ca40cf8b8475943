"""`cargoship inspect`."""

from __future__ import annotations

import rich_click as click

from cargoship.cli.asking import offers, options
from cargoship.cli.session import CliSession


@click.command()
@click.argument("target", metavar="REFERENCE|PATH", shell_complete=offers.images)
@click.option(
    "--elf",
    "elf",
    is_flag=True,
    help="Show its programs instead: machine, loader, libraries and where they are found, versions, hardening. The "
    "layers are read for it. A PATH may be a program itself.",
)
@options.json_option
@options.talk_options
@click.pass_context
def inspect(ctx: click.Context, /, **_: object) -> None:
    """Show an image: its platforms, layers, configuration and sizes.

    The image is in a registry (ghcr.io/me/app:1.0), an OCI layout folder (oci:FOLDER, oci:FOLDER:TAG), or an archive
    (oci-archive:FILE, docker-archive:FILE). What exists needs no word before it.
    """
    from cargoship.cli.results.inspected import inspection_document, inspection_text

    session = options.begin(ctx)
    if ctx.params["elf"]:
        _inspect_elf(session, ctx.params["target"], as_json=ctx.params["as_json"])
        return
    with session.work() as context:
        inspection = session.operations.inspect(ctx.params["target"], context)
    if ctx.params["as_json"]:
        session.result_json(inspection_document(inspection))
    else:
        session.result(inspection_text(inspection, session.result_paint()))


def _inspect_elf(session: CliSession, target: str, *, as_json: bool) -> None:
    from cargoship.cli.results.verified import programs_document, programs_text

    with session.work() as context:
        images = session.operations.inspect_programs(target, context)
    if as_json:
        session.result_json(programs_document(target, images))
    else:
        session.result(programs_text(images, session.result_paint()))


command = options.panelled(inspect)
