"""`cargoship apply`."""

from __future__ import annotations

import rich_click as click

from cargoship.cli import options, resolving
from cargoship.errors import UsageError


@click.command()
@resolving.file_option
@resolving.object_options
@resolving.format_option
@resolving.build_options
@click.argument("words", metavar="[-- KUBECTL-OPTIONS...]", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def apply(ctx: click.Context, /, **_: object) -> None:
    """Resolve documents and hand them to `kubectl apply`.

    As `cargoship resolve`, and then `kubectl apply -f -` with the options that follow `--`. kubectl's output and exit
    code are passed on.
    """
    from cargoship.deploy import handover
    from cargoship.deploy.resolve import prepare, resolve

    session = options.begin(ctx)
    names = ctx.params["filenames"]
    if not names:
        raise UsageError("there is nothing to apply", hint="name a file or folder with -f, or standard input with -f -")
    request = resolving.request_of(ctx, session, resolving.sources_of(ctx, session, names))
    with session.work(verify=not ctx.params["no_verify"]) as context:
        kubectl = handover.find_kubectl(context)
        resolved = resolve(prepare(request, context, session.pipeline), context, session.pipeline)
    resolving.tell_built(session, resolved)
    handover.apply(kubectl, resolved.documents, ctx.params["words"], context, session.terminal)


command = options.panelled(apply)
