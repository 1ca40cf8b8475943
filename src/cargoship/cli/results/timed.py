"""Where the time of a build went, as text or JSON. A record comes from anybody: nothing in it reaches a terminal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cargoship.cli.render import words
from cargoship.printable import printable
from cargoship.records.schedule import CompiledUnits, misses

if TYPE_CHECKING:
    from cargoship.cli.paint import Paint
    from cargoship.records.model import RunRecord, UnitSpan
    from cargoship.records.schedule import Miss

_SLOWEST = 10
_CHAIN_MAX = 12
_REASONS_MAX = 8
_NAMES_MAX = 3
_SHORT = 3
_WORTH_TELLING_S = 0.1
_COLUMNS = 9


def timings_text(record: RunRecord, before: RunRecord | None, paint: Paint) -> str:
    """Where the time went: phases, the slowest units, the critical path, reasons, targets; raises ContentInvalid."""
    compiled = CompiledUnits.of(record)
    lines = [_title(record, before, paint), *_phases(record, paint)]
    if not compiled.units:
        return "\n".join([*lines, _nothing(record)])
    lines += [paint.strong("slowest units"), *_slowest(record, compiled, _SLOWEST)]
    lines += _critical(compiled, paint)
    if (core := _core(record, compiled)) is not None:
        lines.append(core)
    lines += _elsewhere(record, compiled)
    lines += _reasons(record, paint)
    lines += _targets(record, paint)
    return "\n".join(lines)


def short_text(record: RunRecord, before: RunRecord | None, paint: Paint, *, title: str = "") -> str:
    """The same in a few lines, in cargo's shape, for the end of a build, below a title where one of several is meant.

    Raises ContentInvalid.
    """
    compiled = CompiledUnits.of(record)
    lines = [printable(title)] if title else []
    if compiled.units:
        lines += _shortly(record, before, compiled)
    else:
        lines.append(_nothing(record))
    return "\n".join(words.status("" if number else "Timed", line, paint) for number, line in enumerate(lines))


def _shortly(record: RunRecord, before: RunRecord | None, compiled: CompiledUnits) -> Iterator[str]:
    slow = sorted(compiled.units.values(), key=lambda unit: -unit.seconds)[:_SHORT]
    yield f"slowest: {', '.join(f'{_name(unit)} {words.duration(unit.seconds)}' for unit in slow)}"
    path = compiled.critical_path()
    last = _name(record.units[path[-1].place])
    chain = words.duration(sum(step.seconds for step in path))
    yield f"critical path {chain}: {words.count(len(path), 'unit')}, ending in {last}"
    if (core := _core(record, compiled)) is not None:
        yield core
    yield from _elsewhere(record, compiled)
    yield from (f"{_cost(miss)}: {_because(miss)}" for miss in misses(record)[:_SHORT])
    if (change := _change(record, before)) is not None:
        yield change


def timings_document(record: RunRecord, before: RunRecord | None) -> dict[str, Any]:
    """The same for programs; raises ContentInvalid."""
    compiled = CompiledUnits.of(record)
    path = compiled.critical_path()
    return {
        "id": record.id,
        "project": record.project,
        "outcome": record.outcome,
        "seconds": record.seconds,
        "before": None if before is None else {"id": before.id, "seconds": before.seconds},
        "phases": {phase.name: round(phase.ended - phase.began, 3) for phase in record.phases},
        "slowest": [
            {"unit": unit.name, "target": unit.target, "seconds": unit.seconds, "bytes": unit.size, "where": unit.where}
            for unit in sorted(compiled.units.values(), key=lambda unit: -unit.seconds)[:_SLOWEST]
        ],
        "critical_path": {
            "seconds": round(sum(step.seconds for step in path), 3),
            "units": [
                {
                    "unit": record.units[step.place].name,
                    "target": record.units[step.place].target,
                    "seconds": round(step.seconds, 3),
                }
                for step in path
            ],
        },
        "compiled": {
            "units": len(compiled.units),
            "seconds": round(compiled.seconds, 3),
            "span": round(compiled.span, 3),
            "cores": record.machine.cores,
            "spared_by_a_core": round(compiled.spared_by_a_core(record.machine.cores), 3),
        },
        "reasons": [
            {"because": list(miss.because), "roots": list(miss.names), "units": miss.units, "seconds": miss.seconds}
            for miss in misses(record)
        ],
        "elsewhere": {
            where: {"units": len(units), "seconds": round(sum(unit.seconds for unit in units), 3)}
            for where, units in _by_place(compiled).items()
        },
        "states": _states(record),
    }


def _title(record: RunRecord, before: RunRecord | None, paint: Paint) -> str:
    states = ", ".join(f"{number} {printable(state)}" for state, number in _states(record).items())
    units = f": {states}" if states else ""
    failed = f", {paint.bad('failed')} ({printable(record.error)})" if record.outcome == "failed" else ""
    began = printable(record.began)[:16].replace("T", " ")
    took = f"{words.duration(record.seconds)} on {words.count(record.machine.cores, 'core')}"
    change = "" if (said := _change(record, before)) is None else f"\n{said}"
    return f"{paint.strong(printable(record.project))} of {began} UTC in {took}{units}{failed}{change}"


def _change(record: RunRecord, before: RunRecord | None) -> str | None:
    """What is otherwise than in the build before, where both were built."""
    if before is None or record.outcome != "built":
        return None
    slower = record.seconds - before.seconds
    took = f"{words.duration(abs(slower))} {'longer' if slower > 0 else 'less'} than the build before"
    then = {(image.name, each.platform): each.size for image in before.images for each in image.platforms}
    grown = []
    for image in record.images:
        # another choice of platforms is no growth
        more = sum(each.size - then.get((image.name, each.platform), each.size) for each in image.platforms)
        if more:
            grown.append(f"{printable(image.name)} {'+' if more > 0 else '-'}{words.size(abs(more))}")
    return ", ".join([took, *grown])


def _states(record: RunRecord) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for unit in record.units:
        found[unit.state] += 1
    return dict(sorted(found.items()))


def _nothing(record: RunRecord) -> str:
    if record.cache.recalled:
        return "the whole build came from the cache: nothing was compiled"
    return "nothing was compiled"


def _phases(record: RunRecord, paint: Paint) -> list[str]:
    shown = [
        f"{printable(phase.name)} {words.duration(phase.ended - phase.began)}"
        for phase in record.phases
        if phase.ended - phase.began >= _WORTH_TELLING_S
    ]
    return [f"{paint.strong('phases')} {', '.join(shown)}"] if shown else []


def _slowest(record: RunRecord, compiled: CompiledUnits, number: int) -> Iterator[str]:
    for unit in sorted(compiled.units.values(), key=lambda unit: -unit.seconds)[:number]:
        yield f"{words.duration(unit.seconds):>{_COLUMNS}}  {_name(unit)}{_for(unit, record)}"


def _critical(compiled: CompiledUnits, paint: Paint) -> list[str]:
    path = compiled.critical_path()
    total = words.duration(sum(step.seconds for step in path))
    span, seconds = words.duration(compiled.span), words.duration(compiled.seconds)
    lines = [f"{paint.strong('critical path')} {total}; compiling took {span}, all units together {seconds}"]
    # of a long one, what takes longest
    long = sorted(path, key=lambda step: -step.seconds)[:_CHAIN_MAX]
    shown = [step for step in path if step in long]
    lines += [f"{words.duration(step.seconds):>{_COLUMNS}}  {_name(compiled.units[step.place])}" for step in shown]
    more = len(path) - len(shown)
    return [*lines, f"{'':>{_COLUMNS}}  and {words.count(more, 'shorter unit')}"] if more else lines


def _core(record: RunRecord, compiled: CompiledUnits) -> str | None:
    """What another core would bring, where that is something."""
    cores = record.machine.cores
    spared = compiled.spared_by_a_core(cores)
    if spared < _WORTH_TELLING_S or not compiled.span:
        return None
    share = round(100 * spared / compiled.span)
    return f"with {cores + 1} cores compiling would take about {words.duration(spared)} ({share} %) less"


def _elsewhere(record: RunRecord, compiled: CompiledUnits) -> Iterator[str]:
    """How many units clusters have compiled, and what travelled for them."""
    for where, units in _by_place(compiled).items():
        took = words.duration(sum(unit.seconds for unit in units))
        number = f"{len(units)} of {words.count(len(compiled.units), 'unit')}"
        traffic = record.traffic.get("cluster")
        moved = "" if traffic is None else (
            f"; {words.size(traffic.sent)} sent, {words.size(traffic.received)} fetched"
        )  # fmt: skip
        yield f"{number} compiled at {printable(where)} in {took}{moved}"


def _by_place(compiled: CompiledUnits) -> dict[str, list[UnitSpan]]:
    found: dict[str, list[UnitSpan]] = defaultdict(list)
    for unit in compiled.units.values():
        if unit.where:
            found[unit.where].append(unit)
    return dict(sorted(found.items()))


def _reasons(record: RunRecord, paint: Paint) -> list[str]:
    found = [miss for miss in misses(record) if miss.because]
    if not found:
        return []
    lines = [paint.strong("why units were compiled")]
    for miss in found[:_REASONS_MAX]:
        names = ", ".join(map(printable, miss.names[:_NAMES_MAX]))
        more = f" and {len(miss.names) - _NAMES_MAX} more" if len(miss.names) > _NAMES_MAX else ""
        lines.append(f"{words.duration(miss.seconds):>{_COLUMNS}}  {_cost(miss)}: {_because(miss)}")
        lines.append(f"{'':>{_COLUMNS}}  {paint.dim(f'beginning with {names}{more}')}")
    more_reasons = len(found) - _REASONS_MAX
    return [*lines, f"{'':>{_COLUMNS}}  {words.count(more_reasons, 'more reason')}"] if more_reasons > 0 else lines


def _cost(miss: Miss) -> str:
    return f"{words.count(miss.units, 'unit')} compiled"


def _because(miss: Miss) -> str:
    return printable("; ".join(miss.because)) or "nobody knows why"


def _targets(record: RunRecord, paint: Paint) -> list[str]:
    """Seconds by what units are for, and what of them build scripts took: that is where C is compiled."""
    if len({unit.target for unit in record.units}) < 1:
        return []
    total: dict[str, float] = defaultdict(float)
    scripts: dict[str, float] = defaultdict(float)
    for unit in record.units:
        if unit.began is None:
            continue
        group = "for the build itself" if unit.for_host else printable(unit.target)
        total[group] += unit.seconds
        if unit.kind == "build script run":
            # it runs here, and what it makes is for its target
            scripts[group] += unit.seconds
    lines = [
        f"{words.duration(seconds):>{_COLUMNS}}  {group}"
        + (f", of that {words.duration(scripts[group])} in build scripts" if scripts[group] > _WORTH_TELLING_S else "")
        for group, seconds in sorted(total.items(), key=lambda each: -each[1])
        if group
    ]
    return [paint.strong("by target"), *lines] if lines else []


def _name(unit: UnitSpan) -> str:
    return printable(unit.name)


def _for(unit: UnitSpan, record: RunRecord) -> str:
    if unit.for_host or not unit.target or len(record.platforms) <= 1:
        return ""
    return f" for {printable(unit.target)}"
