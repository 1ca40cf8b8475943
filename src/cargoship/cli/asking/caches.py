"""Which cache of compiled units is meant, where commands look after one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import rich_click as click

from cargoship.cli.asking import offers

if TYPE_CHECKING:
    from cargoship.settings.cache import StoreSpec

cache_argument: Callable[[Any], Any] = click.argument(
    "cache", required=False, metavar="[CACHE]", shell_complete=offers.caches
)


def spec_of(ctx: click.Context) -> StoreSpec | None:
    """The cache that is named, None for that of this machine; raises UsageError."""
    from cargoship.settings.cache import StoreSpec

    return None if ctx.params["cache"] is None else StoreSpec.parse(ctx.params["cache"])
