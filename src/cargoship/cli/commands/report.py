"""`cargoship report`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from cargoship.cli.asking import options
from cargoship.cli.asking.records import target_argument

if TYPE_CHECKING:
    from cargoship.context import Context
    from cargoship.records.model import RunRecord

_SHOWN_FILES, _SHOWN_LAYOUTS = 50, 20


@click.command()
@target_argument
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default="cargoship-report.html", show_default=True,
    metavar="FILE", help="Where to write the page.",
)  # fmt: skip
@click.option("--open", "opens", is_flag=True, help="Show it in the browser.")
@options.talk_options
@click.pass_context
def report(ctx: click.Context, /, **_: object) -> None:
    """Write a page about the last build: a file of HTML that needs no network.

    A timeline of units with the critical path, why they were compiled, what each platform took, what the images
    consist of, and what is otherwise than in the build before. PATH is a project, RECORD the file of a record. Images
    are looked into where they lie in a layout; those that are in registries alone are described by their layers.
    """
    from cargoship.cli.results.reporting.page import report_page
    from cargoship.oci.files import write_output
    from cargoship.recording import find_record

    session = options.begin(ctx)
    place = session.world.cwd / ctx.params["output"]
    with session.work() as context:
        record, before = find_record(session.world.cwd / ctx.params["target"], context)
        sizes, unknown = _sizes(record, context)
        write_output(place, report_page(record, before, sizes, unknown).encode())
    session.result(str(place))
    if ctx.params["opens"]:
        with session.work() as context:
            _open(place, context)


def _open(place: Path, context: Context) -> None:
    """Show a file as the desktop does; raises ToolMissing where there is none, as on a server."""
    from cargoship.errors import ToolMissing
    from cargoship.process import Command

    program = "open" if sys.platform == "darwin" else "xdg-open"
    hint = "the page is written: open it in a browser, here or on another machine"
    try:
        done = context.runner.run(Command((program, str(place)), env=context.env), timeout_s=30)
    except ToolMissing as error:
        raise ToolMissing(error.message, hint=hint) from error
    if done.code:
        raise ToolMissing(f"{program} did not open {place} (exit code {done.code})", hint=hint)


def _sizes(record: RunRecord, context: Context) -> tuple[list[dict[str, Any]], str]:
    """What is in the images that lie here, and why of others that is not known."""
    from cargoship.cli.results.sized import sizes_document
    from cargoship.errors import CargoshipError
    from cargoship.images.sizes import sizes_of

    found, unknown = [], ""
    for image in record.images[:_SHOWN_LAYOUTS]:
        if not image.reference.startswith("oci:"):
            unknown = "they are not in a layout; cargoship size looks into any image"
            continue
        try:
            document = sizes_document(image.name, sizes_of(image.reference, context))
        except CargoshipError as error:
            unknown = error.message
            continue
        for each in document["images"]:
            del each["files"][_SHOWN_FILES:]
        found.append(document)
    return found, unknown


command = options.panelled(report)
