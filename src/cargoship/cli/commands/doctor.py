"""`cargoship doctor`."""

from __future__ import annotations

import rich_click as click

from cargoship.cli.asking import options, selecting
from cargoship.cli.asking.asked import Asked


@click.command()
@options.path_argument
@click.option("--fix", is_flag=True, help="Run the commands that mend what is missing, then link an empty program.")
@options.platform_option
@options.libc_option
@options.what_options
@options.json_option
@options.progress_options
@click.pass_context
def doctor(ctx: click.Context, /, **_: object) -> None:
    """Look for everything that building the project in PATH needs, for each platform.

    Prints what was found, and for what is missing the command that mends it. The exit code is 0 when nothing is
    missing.
    """
    from cargoship.cli.results.diagnosed import diagnosis_document, diagnosis_text

    session = options.begin(ctx)
    selection = selecting.selection_of(ctx, session)
    with session.work() as context:
        diagnosis = session.operations.doctor(selection, context, fix=ctx.params["fix"])
    if ctx.params["as_json"]:
        session.result_json(diagnosis_document(diagnosis))
    else:
        mend = Asked.of(ctx).again("--fix", but=("fix",))
        session.result(diagnosis_text(diagnosis, mend, session.result_paint()))
    if not diagnosis.ok:
        ctx.exit(1)


command = options.panelled(doctor)
