"""What follows from the times of units: judged by counting every chain, and by what any schedule must keep to."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cargoship.errors import ContentInvalid
from cargoship.records.model import Machine, RunRecord, UnitSpan
from cargoship.records.schedule import CompiledUnits, misses
from cargoship.records.trace import trace_of


def span(began: float | None, seconds: float, *needs: int, because: str = "", waits_for: int | None = None) -> UnitSpan:
    return UnitSpan(
        "p", "1", "lib", "x", "compiled", began=began, seconds=seconds, needs=needs,
        because=(because,) if because else (), waits_for=waits_for,
    )  # fmt: skip


def record(*units: UnitSpan) -> RunRecord:
    return RunRecord(
        id="a", began="b", seconds=1, cargoship="1", project="p", machine=Machine(2),
        units=tuple(UnitSpan(f"u{n}", "1", u.kind, u.target, u.state, began=u.began, seconds=u.seconds, needs=u.needs,
                             because=u.because, waits_for=u.waits_for) for n, u in enumerate(units)),
    )  # fmt: skip


def compiled(*units: UnitSpan) -> CompiledUnits:
    return CompiledUnits.of(record(*units))


def test_a_unit_that_is_used_before_it_is_done_counts_until_then() -> None:
    # 1 began two seconds after 0 did, which took five
    path = compiled(span(0, 5), span(2, 4, 0), span(0, 5.5)).critical_path()
    assert [(step.place, step.seconds) for step in path] == [(0, 2), (1, 4)]


def test_what_was_not_compiled_is_on_no_path() -> None:
    units = compiled(span(None, 99), span(0, 1, 0), span(1, 1, 1))
    assert [step.place for step in units.critical_path()] == [1, 2]
    assert compiled(span(None, 99)).critical_path() == ()
    assert compiled().span == 0
    assert compiled().spared_by_a_core(2) == 0


@st.composite
def graphs(draw: st.DrawFn) -> CompiledUnits:
    number = draw(st.integers(1, 9))
    times = st.floats(0, 10).map(lambda value: round(value, 2))
    return compiled(
        *(
            span(
                draw(times), draw(times), *sorted(draw(st.sets(st.integers(0, place - 1), max_size=3)) if place else ())
            )
            for place in range(number)
        )
    )


def chains(units: CompiledUnits, place: int) -> Iterator[list[int]]:
    """Every chain that ends in a unit."""
    yield [place]
    for need in units.units[place].needs:
        for chain in chains(units, need):
            yield [*chain, place]


def head(units: CompiledUnits, place: int) -> float:
    """How long a unit keeps those waiting that need it, by its own definition."""
    own = units.units[place]
    waits = [(other.began or 0) - (own.began or 0) for other in units.units.values() if place in other.needs]
    return max(0.0, min([own.seconds, *waits]))


@given(graphs())
def test_the_critical_path_is_the_longest_of_all_chains(units: CompiledUnits) -> None:
    def length(chain: list[int]) -> float:
        return sum(head(units, place) for place in chain[:-1]) + units.units[chain[-1]].seconds

    longest = max(length(chain) for place in units.units for chain in chains(units, place))
    path = units.critical_path()
    assert sum(step.seconds for step in path) == pytest.approx(longest)
    assert all(one.place in units.units[other.place].needs for one, other in itertools.pairwise(path))


@given(graphs(), st.integers(1, 4))
def test_no_schedule_is_shorter_than_it_can_be(units: CompiledUnits, cores: int) -> None:
    path = sum(step.seconds for step in units.critical_path())
    took = units.span_on(cores)
    assert took >= max(path, units.seconds / cores) - 1e-6
    assert took <= units.seconds + 1e-6
    assert units.span_on(len(units.units)) == pytest.approx(max(path, *(unit.seconds for unit in units.units.values())))


@given(graphs())
def test_in_a_row_units_do_not_overlap(units: CompiledUnits) -> None:
    rows: dict[int, list[UnitSpan]] = {}
    for place, lane in units.lanes().items():
        rows.setdefault(lane, []).append(units.units[place])
    for row in rows.values():
        row.sort(key=lambda unit: (unit.began or 0, unit.ended or 0))
        assert all((one.ended or 0) <= (other.began or 0) for one, other in itertools.pairwise(row))
    assert sorted(rows) == list(range(len(rows)))


def test_a_core_more_halves_what_is_independent() -> None:
    units = compiled(*(span(0, 1) for _ in range(4)))
    assert units.span_on(2) == 2
    assert units.span_on(4) == 1


def test_a_circle_is_a_damaged_record() -> None:
    with pytest.raises(ContentInvalid, match="in a circle"):
        compiled(span(0, 1, 1), span(0, 1, 0)).critical_path()


def test_reasons_add_up_along_the_chain_to_the_root() -> None:
    found = misses(
        record(
            span(0, 1, because="the file a.rs"), span(1, 2, 0, waits_for=0), span(3, 4, 1, waits_for=1),
            span(0, 0.5, because="features: x is on now"), span(None, 9),
            # a chain that goes in a circle ends
            span(0, 0.1, waits_for=6), span(0, 0.1, waits_for=5),
        )
    )  # fmt: skip
    assert [(miss.because, miss.names, miss.units, miss.seconds) for miss in found[:2]] == [
        (("the file a.rs",), ("u0 1 lib",), 3, 7),
        (("features: x is on now",), ("u3 1 lib",), 1, 0.5),
    ]
    assert sum(miss.units for miss in found) == 6


def test_a_trace_has_every_unit_that_was_compiled() -> None:
    events = trace_of(record(span(1, 2), span(None, 9), span(1.5, 0.25, 0)))["traceEvents"]
    assert [(each["name"], each["ts"], each["dur"], each["tid"]) for each in events if each["ph"] == "X"] == [
        ("u0 1 lib", 1_000_000, 2_000_000, 0),
        ("u2 1 lib", 1_500_000, 250_000, 1),
    ]
