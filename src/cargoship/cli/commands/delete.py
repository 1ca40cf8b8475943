"""`cargoship delete`."""

from __future__ import annotations

import rich_click as click

from cargoship.cli.asking import offers, options, resolving
from cargoship.errors import UsageError


@click.command()
@resolving.file_option
@click.option("-R", "--recursive", is_flag=True, help="Look into the folders of a folder too.")
@click.option(
    "--cluster", "clusters", multiple=True, metavar="CLUSTER", shell_complete=offers.clusters,
    help="Delete from a local cluster: kind, minikube or k3d, or kind:NAME.",
)  # fmt: skip
@options.talk_options
@click.argument("words", metavar="[-- KUBECTL-OPTIONS...]", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def delete(ctx: click.Context, /, **_: object) -> None:
    """Hand documents to `kubectl delete`, as they are: nothing is built.

    kubectl's output and exit code are passed on. Images stay in their registries and clusters. With --cluster the
    documents are deleted from that one, unless --context after `--` names another.
    """
    from cargoship.deploy import handover
    from cargoship.deploy.resolve import as_they_are

    session = options.begin(ctx)
    names = ctx.params["filenames"]
    if not names:
        raise UsageError(
            "there is nothing to delete", hint="name a file or folder with -f, or standard input with -f -"
        )
    words = resolving.kubectl_words(ctx)
    documents = as_they_are(resolving.sources_of(ctx, session, names))
    with session.work() as context:
        kubectl = handover.find_kubectl(context)
    handover.apply(kubectl, documents, words, context, session.terminal, verb="delete")


command = options.panelled(delete)
