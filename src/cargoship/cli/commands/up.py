"""`cargoship up`."""

from __future__ import annotations

import rich_click as click

from cargoship.cli.asking import options, resolving


@click.command()
@resolving.file_option
@click.option("--load", is_flag=True, help="Load the images into the local engine, for its platform, and push nothing.")
@resolving.build_options
@click.argument("words", metavar="[-- COMPOSE-OPTIONS...]", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def up(ctx: click.Context, /, **_: object) -> None:
    """Resolve Compose files and hand them to `docker compose up`.

    The files are those that -f or COMPOSE_FILE names, else compose.yaml or docker-compose.yml with its override.
    Services whose image is cargoship://BINARY, or whose build is a Cargo project, run what is built and pushed for
    them, or with --load, which needs no registry, what is built for this machine. What follows `--` goes to
    `docker compose up`; its output and exit code are passed on.
    """
    from msgspec.structs import replace

    from cargoship.cli.results.resolved import tell_built
    from cargoship.deploy import handover, launch
    from cargoship.deploy.interpolation import refuse_references
    from cargoship.deploy.recipients import check_for_compose
    from cargoship.deploy.resolve import by_digest, prepare, resolve

    session = options.begin(ctx)
    names = ctx.params["filenames"] or handover.compose_files(session.world.cwd, session.world.env)
    sources = resolving.sources_of(ctx, session, names)
    folder = sources[0].folder
    # Compose takes all paths from there, those of further files too
    sources = [replace(each, folder=folder) for each in sources]
    request = resolving.request_of(ctx, session, sources)
    with session.work(verify=not ctx.params["no_verify"]) as context:
        compose = handover.find_compose(context)
        host = launch.find_host(context) if ctx.params["load"] else None
        called = by_digest if host is None else launch.called_locally(host, context)
        if host is not None:
            request = replace(request, selection=launch.selection_of_engine(request.selection, host))
        prepared = prepare(request, context, session.operations, check_for_compose)
        for each in prepared.found:
            refuse_references(each, handover.compose_variables(folder, context.env, context.cwd))
        resolved = resolve(prepared, context, session.operations, called)
    tell_built(session, resolved)
    handover.up(compose, resolved.documents, ctx.params["words"], context, session.terminal, folder=folder)


command = options.panelled(up)
