"""`cargoship cargo`."""

from __future__ import annotations

import rich_click as click

from cargoship.cli.asking import options, selecting


@click.command(context_settings={"ignore_unknown_options": False})
@click.option(
    "--programs",
    "programs_alone",
    is_flag=True,
    help="If nothing has changed since an earlier build, put its programs in their places and do not start cargo.",
)
@options.remote_option
@options.cache_options
@options.progress_options
@click.argument("words", metavar="-- COMMAND [ARGUMENTS...]", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def cargo(ctx: click.Context, /, **_: object) -> None:
    """Run cargo here with the unit cache around it: `cargoship cargo -- test --workspace`.

    Compiled units are put in place before cargo starts, and what it compiles is kept. COMMAND is build, check, clippy,
    rustc, test, bench or zigbuild; everything after `--` is cargo's own. The exit code is cargo's.

    With --programs and `build` or `zigbuild`, a build that was made before comes whole: its programs alone.
    """
    from cargoship.run_cargo import run_cargo

    session = options.begin(ctx)
    with session.work() as context:
        ended = run_cargo(
            ctx.params["words"],
            context,
            selecting.cache_overrides(ctx.params),
            programs_alone=ctx.params["programs_alone"],
            remote=selecting.named_cluster(ctx.params),
        )
    code = ended.code if ended.then is None else session.terminal.attach(ended.then)
    # as a shell tells the signal that ended a program
    ctx.exit(code if code >= 0 else 128 - code)


command = options.panelled(cargo)
