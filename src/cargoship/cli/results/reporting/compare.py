"""What is otherwise in a build than in the one before."""

from __future__ import annotations

from collections import Counter

from cargoship.records.model import RunRecord, UnitSpan

_WORTH_TELLING_S = 0.1


def phase_changes(record: RunRecord, before: RunRecord) -> list[tuple[str, float, float]]:
    """Phases that took noticeably more or less, with the seconds before and now, in their order."""
    new, old = Counter[str](), Counter[str]()
    for found, of in ((new, record), (old, before)):
        for phase in of.phases:
            found[phase.name] += phase.ended - phase.began  # type: ignore[assignment]  # seconds count as well
    names = [*new, *(name for name in old if name not in new)]
    return [(name, old[name], new[name]) for name in names if abs(new[name] - old[name]) >= _WORTH_TELLING_S]


def unit_changes(record: RunRecord, before: RunRecord) -> list[tuple[UnitSpan, float]]:
    """Units that both have compiled, with the seconds before; what has become slower most comes first."""
    known = {_name(unit): unit.seconds for unit in before.units if unit.began is not None}
    found = [(unit, known[_name(unit)]) for unit in record.units if unit.began is not None and _name(unit) in known]
    return sorted(
        (each for each in found if abs(each[0].seconds - each[1]) >= _WORTH_TELLING_S),
        key=lambda each: each[1] - each[0].seconds,
    )


def _name(unit: UnitSpan) -> tuple[str, str, str, bool]:
    """Another version of a crate is the same unit."""
    return unit.package, unit.kind, unit.target, unit.for_host
