"""Options of the commands that run an image here."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from cargoship.cli.asking import offers, options

run_options = options.group(
    click.option(
        "--project", "path", type=click.Path(path_type=Path), default=".", metavar="DIR",
        help="The Cargo project.  [default: .]",
    ),
    options.package_options,
    click.option(
        "--platform", "platform", metavar="PLATFORM", shell_complete=offers.platforms,
        help="What to run it as.  [default: the engine's own]",
    ),
    click.option(
        "-e", "--env", "variables", multiple=True, metavar="NAME[=VALUE]",
        help="A variable of the program; may be repeated.",
    ),
    click.option(
        "--network", metavar="NAME", shell_complete=offers.networks, help="The engine's network for it, such as host."
    ),
    options.libc_option,
    options.compile_options,
    options.image_options,
    options.progress_options,
    click.argument("words", metavar="[-- ARGUMENTS...]", nargs=-1, type=click.UNPROCESSED),
)  # fmt: skip
