"""What the commands that resolve documents share: their options, and what those ask for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from cargoship.cli import options
from cargoship.cli.session import Session

if TYPE_CHECKING:
    from cargoship.deploy.documents import Source
    from cargoship.deploy.resolve import Request, Resolved

file_option = click.option(
    "-f", "--filename", "filenames", multiple=True, metavar="FILE",
    help="What to resolve: a file, a folder (its .yaml, .yml and .json files), or - for standard input; "
    "may be repeated.",
)  # fmt: skip

object_options = options.group(
    click.option("-R", "--recursive", is_flag=True, help="Look into the folders of a folder too."),
    click.option("-l", "--selector", metavar="LABELS", help="Only the objects with these labels, such as app=web."),
)

format_option = click.option(
    "--format", "form", metavar="FORMAT", default="auto",
    help="How files are read: yaml, json or text.  [default: by their names]",
)  # fmt: skip

build_options = options.group(
    click.option(
        "--project", "projects", multiple=True, type=click.Path(path_type=Path), metavar="DIR",
        help="Where binaries and packages are looked up; may be repeated.  [default: .]",
    ),
    options.platform_option,
    options.libc_option,
    options.compile_options,
    options.image_options,
    options.progress_options,
)  # fmt: skip


def request_of(ctx: click.Context, session: Session, sources: Sequence[Source]) -> Request:
    """What the options ask for; raises UsageError."""
    from cargoship.deploy.documents import Format
    from cargoship.deploy.resolve import Request
    from cargoship.deploy.selector import Selector

    given: dict[str, Any] = ctx.params
    cwd = session.world.cwd
    selector = given.get("selector")
    return Request(
        sources=tuple(sources),
        projects=tuple(cwd / each for each in given["projects"] or (".",)),
        selection=options.selection_of(ctx, session),
        selector=None if selector is None else Selector.parse(selector),
        format=Format.parse(given.get("form", "auto")),
    )


def sources_of(ctx: click.Context, session: Session, names: Sequence[str]) -> list[Source]:
    """The files that are named; raises UsageError."""
    from cargoship.deploy.documents import read_sources

    recursive = ctx.params.get("recursive", False)
    return read_sources(names, recursive=recursive, cwd=session.world.cwd, stdin=session.read_stdin)


def tell_built(session: Session, resolved: Resolved) -> None:
    """What was built and pushed, on standard error; for programs, the records of the builds."""
    from cargoship.cli.outcome import add_job_summary, document
    from cargoship.cli.summary import summary

    for result in resolved.results:
        add_job_summary(session, result)
        if session.json_progress:
            session.tell_result(document(result))
        else:
            session.say(summary(result, session.paint()))
