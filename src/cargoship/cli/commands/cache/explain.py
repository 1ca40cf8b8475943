"""`cargoship cache explain`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from cargoship.cli.asking import options

if TYPE_CHECKING:
    from cargoship.unitcache.explain.account import BuildAccount

_SHOWN = 3


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

    First, why the build as a whole was not in the caches; then each reason why units were compiled, how many units it
    cost and how many seconds: the part of a key, or the file, that differs from the nearest unit in the caches. With
    UNIT (a part of a name, such as serde), what became of those units, along the chain to the reason.
    """
    from cargoship.caches import last_build
    from cargoship.cli.render.document import indented
    from cargoship.errors import UsageError

    session = options.begin(ctx)
    with session.work() as context:
        record = last_build(session.world.cwd / ctx.params["project"], context)
    asked = ctx.params["unit"]
    chosen = [index for index, unit in enumerate(record.units) if asked is None or asked in unit.name]
    if asked is not None and not chosen and record.units:
        raise UsageError(f"no unit of the last build has {asked!r} in its name", hint="cargoship cache explain has all")
    if ctx.params["as_json"]:
        session.result(indented(_document(record, chosen)))
        return
    lines = _chains(record, chosen) if asked is not None else [*_roots(record), *_signers(record)]
    for line in (*_whole(record), *lines):
        session.result(line)


def _document(record: BuildAccount, chosen: list[int]) -> dict[str, object]:
    from cargoship.unitcache.explain.account import cost_of, root_of, signers_of

    costs = cost_of(record)
    whole = record.whole
    return {
        "whole": None if whole is None else {"came": whole.came, "because": list(whole.because)},
        "signers": signers_of(record),
        "units": [
            {
                "name": record.units[index].name,
                "state": record.units[index].state,
                "seconds": record.units[index].seconds,
                "where": record.units[index].where or None,
                "because": list(record.units[index].because),
                "chain": [record.units[each].name for each in root_of(record, index)[1:]],
                "not_kept": record.units[index].not_kept or None,
                "signer": record.units[index].signer or None,
                "caused": {"units": costs[index][0], "seconds": round(costs[index][1], 3)} if index in costs else None,
            }
            for index in chosen
        ],
    }


def _whole(record: BuildAccount) -> list[str]:
    if record.whole is None:
        return []
    if record.whole.came:
        return ["The whole build came from the cache: cargo was not started, and nothing was compiled."]
    return ["The build as a whole was not in the cache, because of", *(f"    {why}" for why in record.whole.because)]


def _roots(record: BuildAccount) -> list[str]:
    from cargoship.cli.render import words
    from cargoship.unitcache.explain.account import cost_of

    if not record.units:
        return []
    states = [unit.state for unit in record.units]
    compiled = states.count("compiled") + states.count("replaced")
    was_there = f"{states.count('restored')} restored, {states.count('present')} there already"
    failed = f", {count} not, for the build failed" if (count := states.count("unfinished")) else ""
    places = Counter(unit.where for unit in record.units if unit.where)
    there = "".join(f", {number} of them at {where}" for where, number in sorted(places.items()))
    lines = [f"{words.count(len(states), 'unit')}: {was_there}, {compiled} compiled{there}{failed}"]
    costs = sorted(cost_of(record).items(), key=lambda item: -item[1][1])
    for reasons, names, units, seconds in _together(record, costs):
        took = f" in {words.duration(seconds)}" if seconds else ""
        lines.append(f"{names}: {words.count(units, 'unit')}{took}, because of")
        lines += [f"    {reason}" for reason in reasons]
    unkept = [unit for unit in record.units if unit.not_kept]
    lines += [f"{unit.name} is not kept: {unit.not_kept}" for unit in unkept]
    return lines


def _signers(record: BuildAccount) -> list[str]:
    from cargoship.cli.render import words
    from cargoship.unitcache.explain.account import signers_of

    return [f"signed by {name}: {words.count(units, 'unit')}" for name, units in signers_of(record).items()]


def _together(
    record: BuildAccount, costs: list[tuple[int, tuple[int, float]]]
) -> list[tuple[tuple[str, ...], str, int, float]]:
    """Roots with one reason (a crate is compiled for each target): the reason, names, how many units and seconds."""
    found: dict[tuple[str, ...], tuple[list[str], int, float]] = {}
    for index, (units, seconds) in costs:
        unit = record.units[index]
        names, all_units, all_seconds = found.get(unit.because, ([], 0, 0.0))
        found[unit.because] = ([*names, unit.name], all_units + units, all_seconds + seconds)
    rows = [(reasons, _names(names), units, seconds) for reasons, (names, units, seconds) in found.items()]
    return sorted(rows, key=lambda each: -each[3])


def _names(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _chains(record: BuildAccount, chosen: list[int]) -> list[str]:
    from cargoship.cli.render import words
    from cargoship.unitcache.explain.account import cost_of, root_of

    costs = cost_of(record)

    def took(index: int) -> str:
        seconds = record.units[index].seconds
        return f" in {words.duration(seconds)}" if seconds else ""

    lines = []
    for index in chosen:
        unit = record.units[index]
        lines.append(f"{unit.name}: {unit.state}{took(index)}{f' at {unit.where}' if unit.where else ''}")
        chain = root_of(record, index)
        lines += [f"    because {record.units[each].name} had to be compiled{took(each)}" for each in chain[1:]]
        reasons = record.units[chain[-1]].because
        lines += [f"    because of {reason}" for reason in reasons]
        if reasons and len(chain) > 1:
            units, seconds = costs[chain[-1]]
            lines.append(f"    {words.count(units, 'unit')} in {words.duration(seconds)} for that reason")
        if unit.signer:
            lines.append(f"    signed by {unit.signer}")
        if unit.not_kept:
            lines.append(f"    not kept: {unit.not_kept}")
    return lines
