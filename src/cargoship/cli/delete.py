"""`cargoship delete`."""

from __future__ import annotations

import rich_click as click

from cargoship.cli import options, resolving
from cargoship.errors import UsageError


@click.command()
@resolving.file_option
@click.option("-R", "--recursive", is_flag=True, help="Look into the folders of a folder too.")
@options.talk_options
@click.argument("words", metavar="[-- KUBECTL-OPTIONS...]", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def delete(ctx: click.Context, /, **_: object) -> None:
    """Hand documents to `kubectl delete`, as they are: nothing is built.

    kubectl's output and exit code are passed on. Images stay in their registries.
    """
    from cargoship.deploy import handover
    from cargoship.deploy.resolve import as_they_are

    session = options.begin(ctx)
    names = ctx.params["filenames"]
    if not names:
        raise UsageError(
            "there is nothing to delete", hint="name a file or folder with -f, or standard input with -f -"
        )
    documents = as_they_are(resolving.sources_of(ctx, session, names))
    with session.work() as context:
        kubectl = handover.find_kubectl(context)
    handover.apply(kubectl, documents, ctx.params["words"], context, session.terminal, verb="delete")


command = options.panelled(delete)
