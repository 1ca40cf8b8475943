"""`cargoship resolve`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from cargoship.cli.asking import options, resolving
from cargoship.errors import OutputError, UsageError

if TYPE_CHECKING:
    from cargoship.deploy.resolve import ResolvedDocument


@click.command()
@resolving.file_option
@resolving.object_options
@resolving.format_option
@click.option(
    "-o", "--output", metavar="PATH",
    help="Write a file, or with / at its end a folder that gets each file under its name.  [default: standard output]",
)  # fmt: skip
@resolving.build_options
@click.pass_context
def resolve(ctx: click.Context, /, **_: object) -> None:
    """Write documents with the digests of images that are built for them.

    cargoship://BINARY or cargoship://PACKAGE in any text of a document stands for an image of the project, and in a
    Compose file a service's `build` does that points at a Cargo project. Every project is built and pushed once, to
    where its tags say, and the documents come out with `repository@sha256:...` there and every other byte as it was.
    Files with other names than .yaml, .yml and .json are taken as text. Nothing is built before every reference is
    known.
    """
    from cargoship.cli.results.resolved import tell_built
    from cargoship.deploy.joining import joined
    from cargoship.deploy.resolve import prepare
    from cargoship.deploy.resolve import resolve as resolve_documents

    session = options.begin(ctx)
    names = ctx.params["filenames"]
    if not names:
        raise UsageError(
            "there is nothing to resolve", hint="name a file or folder with -f, or standard input with -f -"
        )
    output = _checked(ctx.params["output"], session.world.cwd)
    sources = resolving.sources_of(ctx, session, names)
    if output is not None and output[1] and len({each.relative for each in sources}) < len(sources):
        raise UsageError(
            "two of the files would be written to one place", hint="resolve them into folders of their own"
        )
    request = resolving.request_of(ctx, session, sources)
    with session.work(verify=not ctx.params["no_verify"]) as context:
        prepared = prepare(request, context, session.operations)
        resolved = resolve_documents(prepared, context, session.operations)
    tell_built(session, resolved)
    if output is None:
        session.result_bytes(joined([each.data for each in resolved.documents]))
    elif output[1]:
        _write({output[0] / each.relative: each for each in resolved.documents})
    else:
        from cargoship.oci.files import write_output

        write_output(output[0], joined([each.data for each in resolved.documents]))


def _checked(given: str | None, cwd: Path) -> tuple[Path, bool] | None:
    """Where to write, and whether it is a folder; raises OutputError now, not after the build."""
    if given is None:
        return None
    path = cwd / given
    folder = path.is_dir() or given.endswith("/")
    if not folder and not path.parent.is_dir():
        raise OutputError(f"cannot write {path}: there is no folder {path.parent}")
    return path, folder


def _write(files: dict[Path, ResolvedDocument]) -> None:
    """Write files into a folder, all of them or none."""
    from cargoship.oci.files import atomic_file

    # each takes its place when the stack unwinds, which it does only after every one was written
    with ExitStack() as stack:
        for path, document in files.items():
            stack.enter_context(atomic_file(path)).write(document.data)


command = options.panelled(resolve)
