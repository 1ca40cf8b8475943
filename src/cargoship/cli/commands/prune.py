"""`cargoship prune`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import rich_click as click

from cargoship.cli.asking import options
from cargoship.errors import UsageError

if TYPE_CHECKING:
    from cargoship.leftovers import Pruned

_DAYS = 7


@click.command()
@options.paths_argument
@click.option(
    "--days", type=click.IntRange(min=0), metavar="N",
    help=f"Remove what was not used for so long.  [default: {_DAYS}]",
)  # fmt: skip
@click.option("--all", "everything", is_flag=True, help="Remove everything, however new.")
@click.option("--dry-run", is_flag=True, help="Say what would go, and remove nothing.")
@options.json_option
@options.talk_options
@click.pass_context
def prune(ctx: click.Context, /, **_: object) -> None:
    """Remove what cargoship itself has left in target/, the target folders of the projects at PATHs.

    That are the layouts of images in target/cargoship, layers that are kept from build to build, copies of programs
    with the list of their crates, records of the last build, and what killed runs have left. What cargo has made stays:
    cargo clean removes that, and all of this too. Whatever is not known to be cargoship's stays and is named. Where a
    build is going on, nothing is removed.

    The bytes that come free are fewer than those of the files: a layout and the layers that are kept share theirs.
    """
    from cargoship.cli.render.document import indented
    from cargoship.leftovers import PruneRules
    from cargoship.leftovers import prune as prune_projects

    if ctx.params["everything"] and ctx.params["days"] is not None:
        raise UsageError("--all and --days exclude each other")
    session = options.begin(ctx)
    days = None if ctx.params["everything"] else _DAYS if ctx.params["days"] is None else ctx.params["days"]
    rules = PruneRules(days, time.time_ns(), dry=ctx.params["dry_run"])
    with session.work() as context:
        pruned = prune_projects([session.world.cwd / each for each in ctx.params["paths"] or (".",)], rules, context)
    if ctx.params["as_json"]:
        session.result(indented({"dry_run": rules.dry, "folders": [_document(each) for each in pruned]}))
        return
    for each in pruned:
        for line in _lines(each, dry=rules.dry):
            session.result(line)


def _document(pruned: Pruned) -> dict[str, object]:
    return {
        "folder": str(pruned.folder),
        "bytes_removed": pruned.freed_bytes,
        "removed": [
            {"kind": each.kind.value, "path": str(each.path), "files": len(each.paths), "bytes": each.size_bytes}
            for each in pruned.gone
        ],
        "stays": [{"path": str(path), "reason": why} for path, why in pruned.stays],
    }


def _lines(pruned: Pruned, *, dry: bool) -> list[str]:
    from cargoship.cli.render import words

    lines = [f"{each.kind.value:<10}{words.size(each.size_bytes):>9}  {each.path}" for each in pruned.gone]
    lines += [f"stays: {path}: {why}" for path, why in pruned.stays]
    went = "would come free" if dry else "came free"
    return [*lines, f"{words.size(pruned.freed_bytes)} {went} in {pruned.folder}"]


command = options.panelled(prune)
