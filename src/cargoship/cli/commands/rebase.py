"""`cargoship rebase`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from cargoship.cli.asking import offers, options
from cargoship.cli.results.outcome import finish_published
from cargoship.errors import OutOfDate

if TYPE_CHECKING:
    from cargoship.cli.session import CliSession
    from cargoship.images.rebasing.rebase import Rebased, RebasedImage


@click.command()
@click.argument("target", metavar="REFERENCE|PATH", shell_complete=offers.images)
@click.option(
    "--base",
    metavar="BASE",
    shell_complete=offers.bases,
    help="The new base.  [default: the one that the image has, as it is now]",
)
@click.option(
    "--old-base", metavar="BASE", shell_complete=offers.bases, help="What the image stands on, where that is not known."
)
@click.option(
    "-t", "--tag", "tags", multiple=True, metavar="REFERENCE",
    help="Name for the new image; may be repeated.  [default: that of the old one]",
)  # fmt: skip
@click.option("--check", is_flag=True, help="Write nothing; end with 26 where the base has changed.")
@click.option("--no-verify", is_flag=True, help="Do not check that the programs can start on the new base.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and write nothing.")
@options.json_option
@options.progress_options
@click.pass_context
def rebase(ctx: click.Context, /, **_: object) -> None:
    """Put an image that cargoship has made onto a new base, without compiling: for the weekly update of the base.

    The image is in a registry (ghcr.io/me/app:1.0), a layout (oci:FOLDER) or an archive. On every platform of it the
    layers of the old base are replaced by those of the new one, a registry's by mounting them where it has them, and
    the rest stays as it is. The result is to the byte what a build would make on the new base. It is refused where a
    program would not start there (a C library that is too old, a library that is missing), where the new base lacks a
    platform, and where nothing tells which layers are the base's. Where the base is unchanged nothing is written.
    Standard output gets the digest reference of what was pushed.
    """
    from cargoship.images.rebasing.rebase import rebase as put_onto

    session = options.begin(ctx)
    params = ctx.params
    publish = not (params["check"] or params["dry_run"])
    with session.work(verify=not params["no_verify"]) as context:
        found = put_onto(
            params["target"], context,
            base=params["base"], old_base=params["old_base"], tags=params["tags"], publish=publish,
        )  # fmt: skip
    _tell(session, found, as_json=params["as_json"], publish=publish)
    if params["check"] and found.is_changed:
        ctx.exit(OutOfDate.exit_code)


def _tell(session: CliSession, found: Rebased, *, as_json: bool, publish: bool) -> None:
    if as_json:
        session.result_json(_document(found))
        return
    session.say("\n".join(_lines(found)))
    if found.published:
        finish_published(session, found.published)
    elif publish and found.is_changed:
        session.result(f"{found.target}@{found.new}")


def _lines(found: Rebased) -> list[str]:
    if not found.is_changed:
        return [f"unchanged: {found.target} has its base as it is now"]
    return [f"{image.platform}: {_base(image, old=True)} -> {_base(image, old=False)}" for image in found.images]


def _base(image: RebasedImage, *, old: bool) -> str:
    base = image.old_base if old else image.new_base
    name = base.name or base.spec
    return name if base.digest is None else f"{name}@{base.digest.brief}"


def _document(found: Rebased) -> dict[str, object]:
    return {
        "target": found.target,
        "changed": found.is_changed,
        "old": found.old,
        "new": found.new,
        "published": [str(each.reference) for each in found.published],
        "images": [
            {
                "platform": str(image.platform),
                "old": str(image.old.digest),
                "new": str(image.new.digest),
                "old_base": _base_record(image, old=True),
                "new_base": _base_record(image, old=False),
            }
            for image in found.images
        ],
    }


def _base_record(image: RebasedImage, *, old: bool) -> dict[str, object]:
    base = image.old_base if old else image.new_base
    return {
        "name": base.name or base.spec,
        "digest": None if base.digest is None else str(base.digest),
        "layers": [str(layer.descriptor.digest) for layer in base.layers],
    }


command = options.panelled(rebase)
