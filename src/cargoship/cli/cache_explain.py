"""`cargoship cache explain`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from cargoship.cli import options

if TYPE_CHECKING:
    from cargoship.unitcache.explain import Record


@click.command()
@click.argument("unit", required=False, metavar="[UNIT]")
@click.option(
    "--project", type=click.Path(path_type=Path), default=".", metavar="DIR", help="The Cargo project.  [default: .]"
)
@options.json_option
@options.talk_options
@click.pass_context
def explain(ctx: click.Context, /, **_: object) -> None:
    """Tell why the last build of a project compiled what it compiled, and what that cost.

    Of each unit that was compiled without need the reason is told: the part of its key, or the file, that differs from
    the nearest unit in the caches. With UNIT (a part of a name, such as serde), what became of those units, along the
    chain to the reason.
    """
    from cargoship.caches import last_build
    from cargoship.cli.session import indented

    session = options.begin(ctx)
    with session.work() as context:
        record = last_build(session.world.cwd / ctx.params["project"], context)
    asked = ctx.params["unit"]
    chosen = [index for index, unit in enumerate(record.units) if asked is None or asked in unit.name]
    if ctx.params["as_json"]:
        session.result(indented(_document(record, chosen)))
        return
    for line in _roots(record) if asked is None else _chains(record, chosen):
        session.result(line)


def _document(record: Record, chosen: list[int]) -> dict[str, object]:
    from cargoship.unitcache.explain import cost_of, root_of

    costs = cost_of(record)
    return {
        "units": [
            {
                "name": record.units[index].name,
                "state": record.units[index].state,
                "seconds": record.units[index].seconds,
                "because": list(record.units[index].because),
                "chain": [record.units[each].name for each in root_of(record, index)[1:]],
                "not_kept": record.units[index].not_kept or None,
                "caused": {"units": costs[index][0], "seconds": round(costs[index][1], 3)} if index in costs else None,
            }
            for index in chosen
        ]
    }


def _roots(record: Record) -> list[str]:
    from cargoship.cli.render import words
    from cargoship.unitcache.explain import cost_of

    states = [unit.state for unit in record.units]
    compiled = states.count("compiled") + states.count("replaced")
    was_there = f"{states.count('restored')} restored, {states.count('present')} there already"
    lines = [f"{words.count(len(states), 'unit')}: {was_there}, {compiled} compiled"]
    costs = sorted(cost_of(record).items(), key=lambda item: -item[1][1])
    for index, (units, seconds) in costs:
        unit = record.units[index]
        lines.append(f"{unit.name}: {words.count(units, 'unit')} in {words.duration(seconds)}, because of")
        lines += [f"    {reason}" for reason in unit.because]
    unkept = [unit for unit in record.units if unit.not_kept]
    lines += [f"{unit.name} is not kept: {unit.not_kept}" for unit in unkept]
    return lines


def _chains(record: Record, chosen: list[int]) -> list[str]:
    from cargoship.cli.render import words
    from cargoship.unitcache.explain import root_of

    lines = []
    for index in chosen:
        unit = record.units[index]
        took = f" in {words.duration(unit.seconds)}" if unit.seconds else ""
        lines.append(f"{unit.name}: {unit.state}{took}")
        chain = root_of(record, index)
        lines += [f"    because of {record.units[each].name}" for each in chain[1:]]
        lines += [f"    {reason}" for reason in record.units[chain[-1]].because]
        if unit.not_kept:
            lines.append(f"    not kept: {unit.not_kept}")
    return lines
