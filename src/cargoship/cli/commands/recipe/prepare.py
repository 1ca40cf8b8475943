"""`cargoship recipe prepare`."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from cargoship.cli.asking import offers, options


@click.command()
@options.path_argument
@click.option(
    "--recipe-path",
    type=click.Path(path_type=Path),
    default="recipe.json",
    show_default=True,
    metavar="FILE",
    help="Where the recipe is written; - is standard output.",
)
@click.option(
    "--bin",
    "member",
    metavar="NAME",
    shell_complete=offers.members,
    help="Keep only what this package or binary needs.",
)
@options.talk_options
@click.pass_context
def prepare(ctx: click.Context, /, **_: object) -> None:
    """Write the recipe of the workspace in PATH: its manifests and lock file, masked, without its code.

    The recipe changes when dependencies, features, profiles, targets, the toolchain file or cargo's configuration
    change, and does not when versions, code, comments or formatting do. No cargo is needed, and nothing is compiled.
    """
    from cargoship.events import Level, Note, Written
    from cargoship.oci.files import write_output
    from cargoship.recipe.gather import gather_workspace
    from cargoship.recipe.prepare import doubts, make_recipe

    session = options.begin(ctx)
    emit = session.renderer().emit
    sources = gather_workspace(session.world.cwd / ctx.params["path"])
    made = make_recipe(sources, member=ctx.params["member"])
    for doubt in doubts(sources):
        emit(Note(doubt, Level.WARNING))
    target: Path = ctx.params["recipe_path"]
    if str(target) == "-":
        session.result_bytes(made.to_json().rstrip(b"\n") + b"\n")
        return
    path = session.world.cwd / target
    write_output(path, made.to_json())
    emit(Written("recipe", str(path)))


command = options.panelled(prepare)
