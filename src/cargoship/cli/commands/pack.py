"""`cargoship pack`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from cargoship.cli.asking import options, selecting, signing
from cargoship.cli.asking.asked import Asked
from cargoship.cli.results.outcome import RecordFiles, finish
from cargoship.cli.results.planned import print_plan
from cargoship.errors import UsageError

if TYPE_CHECKING:
    from cargoship.oci.platform import Platform


@click.command()
@options.path_argument
@click.option(
    "--binary",
    "binaries",
    multiple=True,
    required=True,
    metavar="PLATFORM=FILE",
    help="A program that is already built, such as linux/arm64=out/server; one for each platform and binary.",
)
@options.package_options
@options.libc_option
@options.offline_option
@options.image_options
@options.env_option
@options.destination_options
@signing.sign_option
@options.record_options
@options.progress_options
@click.pass_context
def pack(ctx: click.Context, /, **_: object) -> None:
    """Make the image of the Cargo project in PATH from binaries that were built elsewhere.

    The same settings, checks and destinations as `cargoship build`, without the compilation. Several binaries of one
    platform are distinguished by their file names.
    """
    from msgspec.structs import replace

    session = options.begin(ctx)
    binaries = parse_binaries(ctx.params["binaries"], session.world.cwd)
    selection = selecting.selection_of(ctx, session)
    selection = replace(selection, overrides={**selection.overrides, "platforms": tuple(map(str, binaries))})
    if ctx.params["dry_run"]:
        print_plan(session, selection, verify=not ctx.params["no_verify"])
        return
    records = RecordFiles.checked(ctx.params, session.world.cwd)
    with session.work(verify=not ctx.params["no_verify"]) as context:
        result = session.operations.pack(selection, binaries, context)
    finish(session, result, records, Asked.of(ctx))


def parse_binaries(texts: tuple[str, ...], cwd: Path) -> dict[Platform, tuple[Path, ...]]:
    """Parse `PLATFORM=FILE` texts, in their order; raises UsageError and PlatformUnknown."""
    from cargoship.platforms import row

    binaries: dict[Platform, tuple[Path, ...]] = {}
    for text in texts:
        name, _, file = text.partition("=")
        if not name or not file:
            raise UsageError(f"--binary {text!r} is not PLATFORM=FILE", hint="such as --binary linux/amd64=out/server")
        platform = row(name).platform
        path = cwd / file
        if not path.is_file():
            raise UsageError(f"--binary {text}: there is no file {path}")
        binaries[platform] = (*binaries.get(platform, ()), path)
    return binaries


command = options.panelled(pack)
