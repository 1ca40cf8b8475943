"""`cargoship cache export` and `import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from cargoship.cli.asking import options
from cargoship.cli.asking.caches import cache_argument, spec_of

if TYPE_CHECKING:
    from cargoship.caches import Moved
    from cargoship.cli.session import CliSession

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("file", type=_FILE)
@cache_argument
@options.json_option
@options.talk_options
@click.pass_context
def export(ctx: click.Context, /, **_: object) -> None:
    """Write a whole cache into one FILE, to carry it where no registry reaches."""
    from cargoship.caches import export_cache
    from cargoship.cli.render import words

    session = options.begin(ctx)
    with session.work() as context:
        moved = export_cache(spec_of(ctx), session.world.cwd / ctx.params["file"], context)
    units = words.count(moved.units, "unit")
    _tell(session, moved, f"{units} from {moved.cache} in {moved.path}", as_json=ctx.params["as_json"])


@click.command("import")
@click.argument("file", type=_FILE)
@cache_argument
@options.json_option
@options.talk_options
@click.pass_context
def import_(ctx: click.Context, /, **_: object) -> None:
    """Add what `cargoship cache export` wrote into FILE to a cache.

    Every pack is checked against its digest. Units that the cache has already stay as they are.
    """
    from cargoship.caches import import_cache
    from cargoship.cli.render import words

    session = options.begin(ctx)
    with session.work() as context:
        moved = import_cache(spec_of(ctx), session.world.cwd / ctx.params["file"], context)
    _tell(session, moved, f"{moved.cache} has {words.count(moved.units, 'unit')} now", as_json=ctx.params["as_json"])


def _tell(session: CliSession, moved: Moved, sentence: str, *, as_json: bool) -> None:
    from cargoship.cli.render import words
    from cargoship.cli.render.document import indented

    if as_json:
        document = {
            "cache": moved.cache,
            "file": str(moved.path),
            "units": moved.units,
            "packs": moved.packs,
            "bytes": moved.size,
        }
        session.result(indented(document))
        return
    session.result(f"{sentence}, {words.count(moved.packs, 'pack')}, {words.size(moved.size)}")
