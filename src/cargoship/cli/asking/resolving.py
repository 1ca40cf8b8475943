"""What the commands that resolve documents share: their options, and what those ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from cargoship.cli.asking import offers, options, selecting
from cargoship.cli.session import CliSession
from cargoship.errors import UsageError

if TYPE_CHECKING:
    from cargoship.deploy.documents import SourceFile
    from cargoship.deploy.resolve import ResolveRequest
    from cargoship.plan import ImagePlan
    from cargoship.shipping import BuiltImage

file_option = click.option(
    "-f", "--filename", "filenames", multiple=True, metavar="FILE", shell_complete=offers.files,
    help="What to resolve: a file, a folder (its .yaml, .yml and .json files), or - for standard input; "
    "may be repeated.",
)  # fmt: skip

object_options = options.group(
    click.option("-R", "--recursive", is_flag=True, help="Look into the folders of a folder too."),
    click.option("-l", "--selector", metavar="LABELS", help="Only the objects with these labels, such as app=web."),
)

format_option = click.option(
    "--format", "form", metavar="FORMAT", default="auto", shell_complete=offers.documents,
    help="How files are read: yaml, json or text.  [default: by their names]",
)  # fmt: skip

cluster_option = click.option(
    "--cluster", "clusters", multiple=True, metavar="CLUSTER", shell_complete=offers.clusters,
    help="Load the images into the nodes of a local cluster, and push nothing: kind, minikube or k3d, or kind:NAME. "
    "The documents go to it too.",
)  # fmt: skip

dry_run_option = click.option("--dry-run", is_flag=True, help="List the images that would be built, and do nothing.")

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


def request_of(ctx: click.Context, session: CliSession, sources: Sequence[SourceFile]) -> ResolveRequest:
    """What the options ask for, for this machine alone where a local cluster gets it; raises UsageError."""
    from cargoship.deploy.documents import Format
    from cargoship.deploy.launch import selection_of_cluster
    from cargoship.deploy.resolve import ResolveRequest
    from cargoship.deploy.selector import Selector

    given: dict[str, Any] = ctx.params
    cwd = session.world.cwd
    selector = given.get("selector")
    selection = selecting.selection_of(ctx, session)
    return ResolveRequest(
        sources=tuple(sources),
        projects=tuple(cwd / each for each in given["projects"] or (".",)),
        selection=selection_of_cluster(selection) if selection.clusters else selection,
        selector=None if selector is None else Selector.parse(selector),
        format=Format.parse(given.get("form", "auto")),
    )


def called(request: ResolveRequest) -> Callable[[ImagePlan, BuiltImage], str]:
    """What an image is called in documents: as a local cluster has it, else by its digest in a registry."""
    from cargoship.deploy.launch import called_in_cluster
    from cargoship.deploy.resolve import by_digest

    return called_in_cluster if request.selection.clusters else by_digest


def kubectl_words(ctx: click.Context) -> tuple[str, ...]:
    """Kubectl's options, with the local cluster where they name none: another one would not have the images.

    Raises UsageError for several clusters.
    """
    from cargoship.plan import Cluster

    words: tuple[str, ...] = ctx.params["words"]
    clusters = [Cluster.parse(text) for text in ctx.params["clusters"]]
    if len(clusters) > 1:
        raise UsageError("documents go to one cluster", hint="name one with --cluster")
    if not clusters or any(word.partition("=")[0] == "--context" for word in words):
        return words
    return ("--context", clusters[0].kubectl_context, *words)


def sources_of(ctx: click.Context, session: CliSession, names: Sequence[str]) -> list[SourceFile]:
    """The files that are named; raises UsageError."""
    from cargoship.deploy.documents import read_sources

    recursive = ctx.params.get("recursive", False)
    return read_sources(names, recursive=recursive, cwd=session.world.cwd, stdin=session.read_stdin)
