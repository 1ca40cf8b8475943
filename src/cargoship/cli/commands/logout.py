"""`cargoship logout`."""

from __future__ import annotations

import rich_click as click

from cargoship.cli.asking import offers, options


@click.command()
@click.argument("registry", default="docker.io", metavar="[REGISTRY]", shell_complete=offers.registries)
@options.talk_options
@click.pass_context
def logout(ctx: click.Context, /, **_: object) -> None:
    """Forget the credentials for a registry, those of docker login included.

    REGISTRY is a host such as ghcr.io; without one it is Docker Hub.
    """
    from cargoship.registry.auth.login import log_out, registry_name

    session = options.begin(ctx)
    registry = registry_name(ctx.params["registry"])
    with session.work() as context:
        known = log_out(registry, env=context.env, runner=context.runner)
    session.say(f"logged out of {registry}" if known else f"no credentials for {registry} were kept")


command = options.panelled(logout)
