"""`cargoship rebuild`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from cargoship.cli.asking import offers, options, selecting
from cargoship.errors import NotRebuildable
from cargoship.printable import printable

if TYPE_CHECKING:
    from cargoship.cli.paint import Paint
    from cargoship.rebuilding.rebuild import Rebuilt


@click.command()
@click.argument("target", metavar="REFERENCE|PATH", shell_complete=offers.images)
@click.argument("path", type=click.Path(path_type=Path), default=".", metavar="[SOURCE]")
@click.option(
    "--platform",
    metavar="PLATFORM",
    shell_complete=offers.platforms,
    help="Make the image for this platform alone, such as linux/arm64.",
)
@click.option(
    "--check", is_flag=True, help="Compile nothing; say what is not as it was, and end with 44 where that is."
)
@click.option("--cached", is_flag=True, help="Take units from the caches: quick, and a proof of no more than they are.")
@options.offline_option
@click.option("-j", "--jobs", type=click.IntRange(min=1), metavar="N", help="Parallel compiler processes.")
@options.env_option
@options.set_option
@options.json_option
@options.progress_options
@click.pass_context
def rebuild(ctx: click.Context, /, **_: object) -> None:
    """Make an image again from what its provenance says, and say whether it comes out the same.

    SOURCE is the folder of the project, as it was for the image: nothing is checked out. What is not as it was then is
    reported before anything is compiled: the commit, lock files, compilers, settings, variables. Then everything is
    compiled in a folder apart, without caches, on the base by its digest, and the images are compared as by `cargoship
    diff`. Values of variables of the image are in no provenance: they come from the project, or from --env.

    The exit code is 0 where all is the same to the byte, 44 where something differs or nothing can be made again.
    """
    from cargoship.rebuilding.rebuild import RebuildOptions
    from cargoship.rebuilding.rebuild import rebuild as made_again

    session = options.begin(ctx)
    params = ctx.params
    selection = selecting.selection_of(ctx, session)
    with session.work() as context:
        found = made_again(
            params["target"], selection.path, context,
            RebuildOptions(
                params["platform"], selection.overrides, params["cached"],
                offline=params["offline"], jobs=params["jobs"], compiles=not params["check"],
            ),
        )  # fmt: skip
    if params["as_json"]:
        session.result_json(_document(found))
    else:
        session.result(_text(found, session.result_paint()))
    if not found.is_same:
        ctx.exit(NotRebuildable.exit_code)


def _text(found: Rebuilt, paint: Paint) -> str:
    from cargoship.cli.results.differing import comparison_text

    lines = [f"{paint.strong(printable(found.target))} {found.digest}, by {printable(found.builder)}"]
    lines += [f"  not as it was: {printable(str(each))}" for each in found.materials]
    if found.withheld:
        lines.append(f"  not given, and taken as they are here: {printable(', '.join(found.withheld))}")
    if found.comparison is not None:
        lines.append(comparison_text(found.comparison, paint))
    elif found.is_same:
        lines.append("  everything that is given is as it was")
    return "\n".join(lines)


def _document(found: Rebuilt) -> dict[str, object]:
    from cargoship.cli.results.differing import comparison_document

    return {
        "same": found.is_same,
        "target": found.target,
        "digest": str(found.digest),
        "source": str(found.source),
        "builder": found.builder,
        "materials": [{"name": each.name, "then": each.then, "now": each.now} for each in found.materials],
        "withheld": list(found.withheld),
        "comparison": None if found.comparison is None else comparison_document(found.comparison),
    }


command = options.panelled(rebuild)
