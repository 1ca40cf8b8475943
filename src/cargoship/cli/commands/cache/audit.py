"""`cargoship cache audit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from cargoship.cli.asking import options, selecting
from cargoship.errors import CacheWrong

if TYPE_CHECKING:
    from cargoship.audit import Audited, Discrepancy

_SHOWN = 3


@click.command()
@options.path_argument
@options.package_options
@options.platform_option
@options.libc_option
@options.base_option
@options.compile_options
@options.json_option
@options.progress_options
@click.pass_context
def audit(ctx: click.Context, /, **_: object) -> None:
    """Prove the caches: compile the project in PATH again without them, and compare with what they would have given.

    Options are those of `cargoship build`. Each unit is compared, and each program that would come from the caches
    without cargo. What differs is compiled once more: what the compiler itself makes otherwise each time is set
    apart, and stays. What is wrong is forgotten where caches may be written, and the exit code is 67.
    """
    from cargoship.audit import audit as audit_of
    from cargoship.cli.render.document import indented

    session = options.begin(ctx)
    selection = selecting.selection_of(ctx, session)
    with session.work() as context:
        made = session.operations.plan(selection, context)
        for note in made.notes:
            context.emit(note)
        done = audit_of(made, context)
    if ctx.params["as_json"]:
        session.result(indented(_document(done)))
    else:
        for line in _lines(done):
            session.result(line)
    if done.wrong:
        raise CacheWrong(
            f"{len(done.wrong)} in {done.cache} {'is' if len(done.wrong) == 1 else 'are'} not what a clean build makes",
            hint="they are forgotten: the next build compiles them; please report what was missed"
            if done.dropped
            else "they could not be forgotten everywhere: run the audit where these caches may be written",
        )


def _document(done: Audited) -> dict[str, object]:
    return {
        "cache": done.cache,
        "compiled": done.compiled,
        "units": done.units,
        "programs": done.programs,
        "dropped": done.dropped,
        "findings": [
            {
                "name": each.name,
                "kind": "program" if each.plan is not None else "unit",
                "state": str(each.state),
                "where": list(each.where),
                "missed": list(each.missed),
            }
            for each in done.findings
        ],
    }


def _lines(done: Audited) -> list[str]:
    from cargoship.cli.render import words

    given = f"{done.units} of {words.count(done.compiled, 'unit')} and {words.count(done.programs, 'program')}"
    lines = [f"{given} would come from {done.cache}; {len(done.wrong)} {'is' if len(done.wrong) == 1 else 'are'} wrong"]
    for each in done.findings:
        lines += _finding(each)
    return lines


def _finding(each: Discrepancy) -> list[str]:
    more = len(each.where) - _SHOWN
    lines = [f"{each.state}: {each.name}", *(f"    {where}" for where in each.where[:_SHOWN])]
    lines += [f"    {more} parts more"] if more > 0 else []
    return [*lines, *(f"    was not known to read {name}" for name in each.missed)]
