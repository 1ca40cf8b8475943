"""`cargoship size`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from cargoship.cli.asking import offers, options, selecting

if TYPE_CHECKING:
    from cargoship.cli.session import CliSession

_HERE = "."


@click.command()
@click.argument("target", metavar="[REFERENCE|PATH]", default=_HERE, shell_complete=offers.images)
@click.option(
    "--max", "at_most", metavar="SIZE",
    help="End with 45 where an image has more bytes on some platform, such as 20MB, as a pull transfers them.",
)  # fmt: skip
@click.option("-n", "--number", type=click.IntRange(min=0), default=10, show_default=True, help="How many of each.")
@click.option(
    "--platform", "platforms", multiple=True, metavar="LIST", shell_complete=offers.some_platforms,
    help="Only the images for these platforms, comma separated; may be repeated.",
)  # fmt: skip
@options.json_option
@options.talk_options
@click.pass_context
def size(ctx: click.Context, /, **_: object) -> None:
    """Say what the bytes of an image are: layers, files, and the crates in its programs.

    Any image: a reference, a layout's folder (oci:FOLDER), or an archive. PATH may also be a program, or a Cargo
    project, whose last build is meant. Crates come from the symbols of a program, and so does C by its source files;
    what no symbol tells (constants of the compiler, tables for unwinding, the symbols) is named by its section. A
    program's parts add up to its size to the byte. One that was stripped (strip = true) has sections alone.
    """
    from cargoship.cli.results.sized import sizes_document, sizes_text
    from cargoship.errors import TooLarge
    from cargoship.images.sizes import sizes_of
    from cargoship.settings.cache import size_of

    session = options.begin(ctx)
    bound = None if ctx.params["at_most"] is None else size_of(ctx.params["at_most"])
    platforms, found = selecting.split(ctx.params["platforms"]), {}
    with session.work() as context:
        for target in _targets(session, ctx.params["target"]):
            found[target] = sizes_of(target, context, platforms=platforms)
    if ctx.params["as_json"]:
        session.result_json([sizes_document(target, images) for target, images in found.items()])
    else:
        paint, number = session.result_paint(), ctx.params["number"]
        session.result("\n\n".join(sizes_text(target, images, number, paint) for target, images in found.items()))
    large = [
        f"{target}{'' if image.platform is None else f' for {image.platform}'} has {image.size_bytes} bytes"
        for target, images in found.items()
        for image in images
        if bound is not None and image.size_bytes > bound
    ]
    if large:
        raise TooLarge(f"{'; '.join(large)}: more than {ctx.params['at_most']}", hint="look at what is largest in it")


def _targets(session: CliSession, target: str) -> list[str]:
    """The images of a project's last build; anything else is what it is."""
    from cargoship.cargo.manifest import MANIFEST
    from cargoship.errors import UsageError

    folder = session.world.cwd / target
    # as cargo does, in a folder of a project too; one that is named is what it is
    here = (folder, *folder.parents) if target == _HERE and not (folder / "oci-layout").exists() else (folder,)
    if not any((each / MANIFEST).is_file() for each in here):
        return [target]
    from cargoship.recording import find_record

    with session.work() as context:
        record, _ = find_record(session.world.cwd / target, context)
    if not record.images:
        raise UsageError("the last build here has made no image", hint="build it, or name an image")
    for image in record.images:
        if not image.is_readable:
            raise UsageError(
                f"the last build here made {image.reference} for an engine, or as files: there is no image to read",
                hint="cargoship build makes one that is read here; else name an image",
            )
    return [image.reference for image in record.images]


command = options.panelled(size)
