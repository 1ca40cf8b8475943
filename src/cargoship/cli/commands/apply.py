"""`cargoship apply`."""

from __future__ import annotations

import rich_click as click

from cargoship.cli.asking import options, resolving
from cargoship.errors import UsageError


@click.command()
@resolving.file_option
@resolving.object_options
@resolving.format_option
@resolving.dry_run_option
@resolving.cluster_option
@resolving.build_options
@click.argument("words", metavar="[-- KUBECTL-OPTIONS...]", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def apply(ctx: click.Context, /, **_: object) -> None:
    """Resolve documents and hand them to `kubectl apply`.

    As `cargoship resolve`, and then `kubectl apply -f -` with the options that follow `--`. kubectl's output and exit
    code are passed on. With --cluster the images are built for this machine and no registry is needed; the documents go
    to that cluster, unless --context after `--` names another. With --dry-run nothing is built, pushed or applied: the
    images that would be are listed.
    """
    hand_over(ctx, "apply")


def hand_over(ctx: click.Context, verb: str) -> None:
    """Resolve the documents that the options name, and hand them to a verb of kubectl."""
    from cargoship.cli.results.resolved import tell_built, tell_prepared
    from cargoship.deploy import handover
    from cargoship.deploy.recipients import check_for_kubectl
    from cargoship.deploy.resolve import prepare, resolve

    session = options.begin(ctx)
    names = ctx.params["filenames"]
    if not names:
        raise UsageError(
            f"there is nothing to {verb}", hint="name a file or folder with -f, or standard input with -f -"
        )
    words = resolving.kubectl_words(ctx)
    request = resolving.request_of(ctx, session, resolving.sources_of(ctx, session, names))
    with session.work(verify=not ctx.params["no_verify"]) as context:
        kubectl = () if ctx.params["dry_run"] else handover.find_kubectl(context)
        prepared = prepare(request, context, session.operations, check_for_kubectl)
        if ctx.params["dry_run"]:
            tell_prepared(session, prepared)
            return
        resolved = resolve(prepared, context, session.operations, resolving.called(request))
    tell_built(session, resolved)
    handover.apply(kubectl, resolved.documents, words, context, session.terminal, verb=verb)


command = options.panelled(apply)
