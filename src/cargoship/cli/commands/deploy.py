"""`cargoship deploy`."""

from __future__ import annotations

import rich_click as click

from cargoship.cli.asking import options, resolving
from cargoship.errors import UsageError


@click.command()
@resolving.file_option
@click.option(
    "--print", "only_print", is_flag=True, help="Print the input of the AWS command line, and register nothing."
)
@resolving.build_options
@click.argument("words", metavar="[-- AWS-OPTIONS...]", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def deploy(ctx: click.Context, /, **_: object) -> None:
    """Resolve a task definition of Amazon ECS and register it.

    The file has what `aws ecs register-task-definition --cli-input-json` takes, as JSON or YAML. The images must be
    built for its runtimePlatform, which is checked before anything is built. What follows `--` goes to aws; its
    output and exit code are passed on.
    """
    from cargoship.cli.results.resolved import tell_built
    from cargoship.deploy import ecs, handover
    from cargoship.deploy.resolve import prepare, resolve

    session = options.begin(ctx)
    names = ctx.params["filenames"]
    if len(names) != 1:
        raise UsageError("one task definition is wanted", hint="name it with -f")
    request = resolving.request_of(ctx, session, resolving.sources_of(ctx, session, names))
    with session.work(verify=not ctx.params["no_verify"]) as context:
        aws = () if ctx.params["only_print"] else handover.find_aws(context)
        prepared = prepare(request, context, session.operations)
        ecs.check_platforms(prepared)
        for warning in ecs.warnings_of(prepared):
            context.emit(warning)
        resolved = resolve(prepared, context, session.operations)
    tell_built(session, resolved)
    task = ecs.task_input(resolved.documents[0])
    if aws:
        handover.register(aws, task, ctx.params["words"], context, session.terminal)
    else:
        session.result_bytes(task)


command = options.panelled(deploy)
