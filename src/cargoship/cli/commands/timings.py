"""`cargoship timings`."""

from __future__ import annotations

import rich_click as click

from cargoship.cli.asking import options
from cargoship.cli.asking.records import target_argument


@click.command()
@target_argument
@click.option(
    "--format",
    "form",
    type=click.Choice(("text", "json", "trace")),
    default="text",
    show_default=True,
    help="Text, JSON, or a trace for Perfetto (ui.perfetto.dev) and chrome://tracing.",
)
@options.talk_options
@click.pass_context
def timings(ctx: click.Context, /, **_: object) -> None:
    """Say where the time of the last build went.

    The slowest units, the critical path (the chain of units, each needing the one before, that takes longest), what
    another core would bring, and why units were compiled at all. PATH is a project, RECORD the file of a record: every
    build leaves one in target/cargoship/.records. What another core would bring is a guess.
    """
    from cargoship.cli.results.timed import timings_document, timings_text
    from cargoship.recording import find_record

    session = options.begin(ctx)
    with session.work() as context:
        record, before = find_record(session.world.cwd / ctx.params["target"], context)
    match ctx.params["form"]:
        case "json":
            session.result_json(timings_document(record, before))
        case "trace":
            from cargoship.records.trace import trace_of

            session.result_json(trace_of(record))
        case _:
            session.result(timings_text(record, before, session.result_paint()))


command = options.panelled(timings)
