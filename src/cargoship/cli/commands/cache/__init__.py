"""`cargoship cache`: looking after compiled units."""

from __future__ import annotations

import rich_click as click

from cargoship.cli.asking import options
from cargoship.cli.commands.cache.audit import audit
from cargoship.cli.commands.cache.care import gc, stats, verify
from cargoship.cli.commands.cache.explain import explain
from cargoship.cli.commands.cache.move import export, import_
from cargoship.cli.commands.cache.signers import signers
from cargoship.cli.groups import CommandGroup


@click.group(cls=CommandGroup)
def cache() -> None:
    """Look after the compiled units that are kept between builds.

    CACHE is registry:REFERENCE, s3://BUCKET/PREFIX or dir:PATH; without it, the cache of this machine is meant.
    """


for each in (stats, explain, signers, audit, verify, gc, export, import_):
    cache.add_command(options.panelled(each))

command = cache
