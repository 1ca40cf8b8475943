"""`cargoship cache`: looking after compiled units."""

from __future__ import annotations

import rich_click as click

from cargoship.cli import options
from cargoship.cli.cache_audit import audit
from cargoship.cli.cache_care import gc, stats, verify
from cargoship.cli.cache_explain import explain
from cargoship.cli.cache_move import export, import_
from cargoship.cli.cache_signers import signers
from cargoship.cli.groups import CommandGroup


@click.group(cls=CommandGroup)
def cache() -> None:
    """Look after the compiled units that are kept between builds.

    CACHE is registry:REFERENCE, s3://BUCKET/PREFIX or dir:PATH; without it, the cache of this machine is meant.
    """


for each in (stats, explain, signers, audit, verify, gc, export, import_):
    cache.add_command(options.panelled(each))

command = cache
