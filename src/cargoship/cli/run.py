"""`cargoship run`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import rich_click as click

from cargoship.cli import options, running


@click.command()
@running.run_options
@click.pass_context
def run(ctx: click.Context, /, **_: object) -> None:
    """Build the image for one platform and run it here.

    In Docker or podman, with the settings' ports published on the loopback; where there is no engine, in the image's
    own files, under QEMU for another processor. What follows `--` are the program's arguments, in place of the
    settings' `args`. The program's exit code is passed on.
    """
    from cargoship.deploy import launch
    from cargoship.errors import UsageError
    from cargoship.platforms import row

    session = options.begin(ctx)
    asked = ctx.params["platform"]
    if asked is not None and "," in asked:
        raise UsageError("one platform is run at a time", hint="name one with --platform")
    platform = None if asked is None else row(asked).platform
    wishes = launch.Wishes(
        ctx.params["words"], ctx.params["variables"], ctx.params["network"], tty=session.is_interactive
    )
    with tempfile.TemporaryDirectory(prefix="cargoship-run-") as folder:
        with session.work(verify=not ctx.params["no_verify"]) as context:
            host = launch.find_host(context)
            selection = launch.selection_for(options.selection_of(ctx, session), host, platform, Path(folder))
            launch.check_alone([image.name for image in session.pipeline.plan(selection, context).images])
            result = session.pipeline.build(selection, context)
        if host.engine is None:
            command = launch.bare_command(result, Path(folder), wishes, context)
        else:
            command = launch.container_command(result, host, wishes, context)
        code = session.terminal.attach(command)
    # as a shell tells the signal that ended a program
    ctx.exit(code if code >= 0 else 128 - code)


command = options.panelled(run)
