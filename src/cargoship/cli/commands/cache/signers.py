"""`cargoship cache signers`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from cargoship.cli.asking import offers, options
from cargoship.cli.asking.caches import cache_argument, spec_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cargoship.unitcache.stores.signers import CacheSigner, CacheSigners


@click.command()
@cache_argument
@click.option(
    "--cache-trust",
    "trusted",
    multiple=True,
    metavar="KEY",
    shell_complete=offers.files,
    help="Verify what this public key (a file, env://NAME) or IDENTITY by ISSUER has signed; may be repeated.",
)
@options.json_option
@options.talk_options
@click.pass_context
def signers(ctx: click.Context, /, **_: object) -> None:
    """Tell who has signed what in a cache: units, builds, and what nobody has signed.

    A signature's own word for whom it is of is worth nothing: it is verified for those that --cache-trust names, and
    marked so. -v lists the units.
    """
    from cargoship.caches import cache_signers
    from cargoship.cli.render.document import indented
    from cargoship.settings.trust import parse_trusted

    session = options.begin(ctx)
    named = tuple(ctx.params["trusted"])
    for each in named:
        parse_trusted(each)
    with session.work() as context:
        found = cache_signers(spec_of(ctx), named, context)
    if ctx.params["as_json"]:
        session.result(indented(_document(found)))
        return
    for line in _lines(found, named=bool(ctx.params["verbose"])):
        session.result(line)


def _lines(found: CacheSigners, *, named: bool) -> Iterator[str]:
    from cargoship.cli.render import words
    from cargoship.printable import printable

    for each in found.signers:
        name = printable(each.name) or "somebody"
        said = f"signed by {name}" if each.trusted else f"says it is of {name}, not verified: {printable(each.why)}"
        builds = f" and {words.count(each.builds, 'build')}" if each.builds else ""
        yield f"{words.count(len(each.units), 'unit')}{builds}: {said}"
        yield from (f"    {printable(unit)}" for unit in each.units if named)
    if found.unsigned or not found.signers:
        yield f"{words.count(len(found.unsigned), 'unit')}: nobody has signed"
        yield from (f"    {printable(unit)}" for unit in found.unsigned if named)


def _document(found: CacheSigners) -> dict[str, object]:
    return {
        "cache": found.cache,
        "units": found.units,
        "signers": [_signer(each) for each in found.signers],
        "unsigned": list(found.unsigned),
    }


def _signer(each: CacheSigner) -> dict[str, object]:
    return {
        "signer": each.name or None,
        "trusted": each.trusted,
        "why": each.why or None,
        "signatures": each.signatures,
        "builds": each.builds,
        "seconds": each.seconds,
        "units": list(each.units),
    }
