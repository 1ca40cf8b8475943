"""`cargoship symbols`."""

from __future__ import annotations

import rich_click as click

from cargoship.cli.asking import offers, options
from cargoship.printable import printable


@click.command()
@click.argument("target", metavar="REFERENCE|PATH", shell_complete=offers.images)
@click.option(
    "--platform", "platforms", metavar="PLATFORM", multiple=True, shell_complete=offers.platforms,
    help="Only those for this platform; may be given several times.",
)  # fmt: skip
@click.option(
    "-o", "--output", metavar="DIRECTORY", default=".", show_default=True, type=click.Path(file_okay=False),
    help="Where .build-id/ is written.",
)  # fmt: skip
@options.json_option
@options.talk_options
@click.pass_context
def symbols(ctx: click.Context, /, **_: object) -> None:
    """Bring the debug symbols of an image that was built with debug-symbols = "split".

    They are written in the layout by build id that gdb (set debug-file-directory DIRECTORY), perf (--buildid-dir) and
    debuginfod (-F DIRECTORY) read. What is there already is left alone.
    """
    from cargoship.cli.render import words
    from cargoship.images.symbols import fetch_symbols

    session = options.begin(ctx)
    with session.work() as context:
        found = fetch_symbols(
            ctx.params["target"], context.cwd / ctx.params["output"], context, platforms=ctx.params["platforms"]
        )
    if ctx.params["as_json"]:
        session.result_json(
            [
                {"program": each.program, "build-id": each.build_id, "path": str(each.path), "size": each.size_bytes}
                for each in found
            ]
        )
        return
    for each in found:
        session.result(f"{each.path}  {printable(each.program)}  {words.size(each.size_bytes)}")


command = options.panelled(symbols)
