"""`cargoship licenses`."""

from __future__ import annotations

import rich_click as click

from cargoship.cli.asking import options, selecting


@click.command()
@options.paths_argument
@options.package_options
@options.platform_option
@options.libc_option
@options.compile_options
@options.set_option
@click.option("--notices", is_flag=True, help="Print the notices, as include-licenses puts them into images.")
@options.json_option
@options.talk_options
@click.pass_context
def licenses(ctx: click.Context, /, **_: object) -> None:
    """Print the licences of all crates that the programs of a project are made of, and compile nothing.

    A crate of which no code is in a program, a procedural macro or what a build script needs, is marked `build`. What
    allow-licenses and deny-licenses refuse is marked, and is the end with an exit code of its own.
    """
    from cargoship.cli.results.licensed import licenses_document, licenses_text
    from cargoship.licensing import notices_of, survey_licenses
    from cargoship.run_toolchain import wanted_by

    session = options.begin(ctx)
    selection = selecting.selection_of(ctx, session)
    with session.work() as context:
        plan = session.operations.plan(selection, context)
        survey = survey_licenses(plan, wanted_by(plan, context), context)
    if ctx.params["notices"]:
        for image in plan.images:
            session.result(notices_of(image, survey, plan).decode())
    elif ctx.params["as_json"]:
        session.result_json(licenses_document(survey))
    else:
        session.result(licenses_text(survey))
    survey.check()


command = options.panelled(licenses)
