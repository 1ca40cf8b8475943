"""`cargoship diff`."""

from __future__ import annotations

import rich_click as click

from cargoship.cli.asking import offers, options, selecting

DIFFERENT = 1
"""The exit code for images that differ, as diff(1) has it."""


@click.command()
@click.argument("one", metavar="ONE", shell_complete=offers.images)
@click.argument("other", metavar="OTHER", shell_complete=offers.images)
@click.option(
    "--platform", "platforms", multiple=True, metavar="LIST", shell_complete=offers.some_platforms,
    help="Compare the images for these platforms alone, comma separated; linux/amd64=linux/arm64 compares ONE's for "
    "the first with OTHER's for the second.",
)  # fmt: skip
@click.option("--whole", is_flag=True, help="Read the layers that both have, too.")
@options.json_option
@options.talk_options
@click.pass_context
def diff(ctx: click.Context, /, **_: object) -> None:
    """Say where two images differ, no matter who made them.

    ONE and OTHER are references, such as ghcr.io/me/app:1.0, image layouts (oci:FOLDER, oci:FOLDER:TAG) or archives
    (oci-archive:FILE, docker-archive:FILE). What differs is named: values of the configuration, labels, annotations,
    layers, files with what of them (size, mode, owner, type, link, time), sections and crates of programs. What has the
    same digest is not fetched; layers are distinguished by what is in them. The exit code is 0 where everything is the
    same to the byte, 1 where something differs, another one for errors.
    """
    from cargoship.cli.results.differing import comparison_document, comparison_text
    from cargoship.images.comparing.compare import diff as compare

    session = options.begin(ctx)
    with session.work() as context:
        found = compare(
            ctx.params["one"],
            ctx.params["other"],
            context,
            platforms=selecting.split(ctx.params["platforms"]),
            whole=ctx.params["whole"],
        )
    if ctx.params["as_json"]:
        session.result_json(comparison_document(found))
    else:
        session.result(comparison_text(found, session.result_paint()))
    if not found.is_equal:
        ctx.exit(DIFFERENT)


command = options.panelled(diff)
