"""`cargoship run`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import rich_click as click

from cargoship.cli.asking import options, running, selecting

if TYPE_CHECKING:
    from cargoship.cli.session import CliSession
    from cargoship.context import Context
    from cargoship.deploy.launch import Host
    from cargoship.process import Command

_PATIENCE_S = 10.0
"""How long a program has to end after Ctrl-C, as with `docker stop`; a second Ctrl-C ends it at once."""


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
    from cargoship.rootfs.unpack import private

    session = options.begin(ctx)
    asked = ctx.params["platform"]
    if asked is not None and "," in asked:
        raise UsageError("one platform is run at a time", hint="name one with --platform")
    platform = None if asked is None else row(asked).platform
    wishes = launch.LaunchOptions(
        ctx.params["words"],
        ctx.params["variables"],
        ctx.params["network"],
        tty=session.is_interactive,
        name=f"cargoship-run-{os.getpid()}",
    )
    with private("cargoship-run-") as folder:
        with session.work(verify=not ctx.params["no_verify"]) as context:
            host = launch.find_host(context)
            selection = launch.selection_for(selecting.selection_of(ctx, session), host, platform, folder)
            launch.check_alone([image.name for image in session.operations.plan(selection, context).images])
            result = session.operations.build(selection, context)
        if host.engine is None:
            command = launch.bare_command(result, folder, wishes, context)
        else:
            command = launch.container_command(result, host, wishes, context)
        code = _attached(session, command, host, wishes.name, context)
    if host.engine is not None:
        launch.check_started(command, code)
    # as a shell tells the signal that ended a program
    ctx.exit(code if code >= 0 else 128 - code)


def _attached(session: CliSession, command: Command, host: Host, name: str | None, context: Context) -> int:
    """Run it to its end; no container stays behind an interrupt, whatever the engine's client was doing."""
    from cargoship.deploy.launch import remove_container
    from cargoship.process import GracePeriod

    def removed() -> None:
        if host.engine is not None and name is not None:
            remove_container(host.engine, name, context)

    try:
        return session.terminal.attach(command, patience=GracePeriod(_PATIENCE_S, removed))
    except KeyboardInterrupt:
        removed()
        raise


command = options.panelled(run)
