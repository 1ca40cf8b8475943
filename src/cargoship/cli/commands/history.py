"""`cargoship history`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from cargoship.cli.asking import options

if TYPE_CHECKING:
    from cargoship.cli.paint import Paint
    from cargoship.records.model import RunRecord

_BARS = "▁▂▃▄▅▆▇█"
_SHOWN = 10


@click.command()
@click.argument("project", required=False, type=click.Path(path_type=Path), default=".", metavar="[PATH]")
@options.json_option
@options.talk_options
@click.pass_context
def history(ctx: click.Context, /, **_: object) -> None:
    """Show the last builds of the project in PATH: how long they took, what was compiled, how large images are.

    A line of bars has one for each of the last 50 builds, the newest on the right. A build that failed has no size.
    """
    from cargoship.errors import UsageError
    from cargoship.recording import records_at

    session = options.begin(ctx)
    with session.work() as context:
        records = list(records_at(session.world.cwd / ctx.params["project"], context).readable())
    if not records:
        raise UsageError("no build has left a record here", hint="build with cargoship build")
    records.reverse()
    if ctx.params["as_json"]:
        session.result_json([_document(each) for each in records])
    else:
        session.result("\n".join(_lines(records, session.result_paint())))


def _document(record: RunRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "began": record.began,
        "outcome": record.outcome,
        "seconds": record.seconds,
        "units": len(record.units) + record.units_left_out,
        "compiled": _compiled(record),
        "recalled": record.cache.recalled,
        "images": {image.name: image.size for image in record.images},
    }


def _lines(records: Sequence[RunRecord], paint: Paint) -> list[str]:
    from cargoship.cli.render import words
    from cargoship.printable import printable

    names = list(dict.fromkeys(image.name for record in records for image in record.images))
    rows: list[tuple[str, list[float | None], str]] = [
        ("time", [record.seconds for record in records], words.duration(records[-1].seconds)),
        ("compiled", [_compiled(record) for record in records], words.count(_compiled(records[-1]), "unit")),
    ]
    for name in names:
        sizes = [_size(record, name) for record in records]
        last = next(size for size in reversed(sizes) if size is not None)
        rows.append((printable(name), list(sizes), words.size(last)))
    width = max(len(name) for name, _, _ in rows)
    lines = [
        f"{paint.strong(name.ljust(width))}  {sparkline(values)}  {last}{_range(name, values)}"
        for name, values, last in rows
    ]
    for record in records[-_SHOWN:]:
        sizes_shown = [words.size(image.size) for image in record.images[:1]] if len(record.images) == 1 else []
        units = "from the cache" if record.cache.recalled else f"{_compiled(record)} compiled"
        outcome = [paint.bad("failed")] if record.outcome == "failed" else []
        about = ", ".join([units, *sizes_shown, *outcome])
        began = printable(record.began)[:19].replace("T", " ")
        lines.append(f"{paint.dim(began)}  {words.duration(record.seconds):>7}  {about}")
    return lines


def sparkline(values: Sequence[float | None]) -> str:
    """A bar for each value, from nothing to the largest; a space for one that is not known."""
    top = max((value for value in values if value is not None), default=0.0)
    return "".join(
        " " if value is None else _BARS[min(round(value / top * (len(_BARS) - 1)), len(_BARS) - 1)] if top else _BARS[0]
        for value in values
    )


def _range(name: str, values: Sequence[float | None]) -> str:
    from cargoship.cli.render import words

    known = [value for value in values if value is not None]
    if name == "compiled" or min(known) == max(known):
        return ""
    shown = words.duration if name == "time" else lambda value: words.size(round(value))
    return f" ({shown(min(known))} to {shown(max(known))})"


def _compiled(record: RunRecord) -> int:
    return sum(unit.began is not None for unit in record.units)


def _size(record: RunRecord, name: str) -> int | None:
    return next((image.size for image in record.images if image.name == name), None)


command = options.panelled(history)
