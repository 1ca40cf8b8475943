"""What a cluster would make of a build."""

from __future__ import annotations

import pytest

from cargoship.errors import ContentInvalid, UsageError
from cargoship.records.cluster import ClusterForecast, fullest
from cargoship.records.link import Link
from cargoship.records.model import Machine
from support.build_records import build_record, sample_record, unit_span

FAST = Link(1e15, 1e15, 0.0)
SETUP = 0.1


def forecast(*units: object, link: Link = FAST, cores: int = 2) -> ClusterForecast:
    return ClusterForecast.of(build_record(units=units, machine=Machine(cores)), link)


def test_independent_units_fill_the_slots() -> None:
    found = forecast(*(unit_span(f"crate{number}", None, 2.0) for number in range(8)))
    assert [round(found.on(slots).seconds, 3) for slots in (1, 2, 4, 8, 64)] == [16.8, 8.4, 4.2, 2.1, 2.1]
    assert found.on_cores(4) == pytest.approx(4.0)


def test_a_chain_takes_as_long_on_any_number_of_slots() -> None:
    found = forecast(unit_span("a", 0.0, 1.0), unit_span("b", 0.5, 2.0, 0), unit_span("c", 2.5, 3.0, 1, kind="bin"))
    for slots in (1, 64):
        row = found.on(slots)
        assert row.seconds == pytest.approx(6.0 + 3 * SETUP)
        assert [step.place for step in row.path] == [0, 1, 2]
    # here b begins when a has written what it looks at
    assert found.here() == pytest.approx(0.5 + 2.0 + 3.0)


def test_bytes_take_their_time_on_a_link() -> None:
    slow = Link(1000.0, 500.0, 0.5)
    script = unit_span("sys", None, 1.0, kind="build script run", size=3000)
    row = forecast(script, unit_span("lib", None, 2.0, 0, size=1000), link=slow).on(4)
    # the script runs here; 3 s out, three questions, 1000 bytes back
    assert row.seconds == pytest.approx(1.0 + 3.0 + 1.5 + SETUP + 2.0 + 2.0)
    assert (row.sent_bytes, row.received_bytes) == (3000, 1000)
    (_, step) = row.path
    assert (step.place, step.waited, round(step.travelled, 3)) == (1, 0.0, 6.6)


def test_a_link_carries_one_thing_after_the_other() -> None:
    narrow = Link(1e15, 1000.0, 0.0)
    row = forecast(*(unit_span(f"crate{number}", None, 1.0, size=2000) for number in range(4)), link=narrow).on(4)
    assert row.seconds == pytest.approx(1.0 + SETUP + 4 * 2.0)


def test_runs_of_build_scripts_share_this_machines_cores() -> None:
    scripts = [unit_span(f"sys{number}", None, 3.0, kind="build script run") for number in range(4)]
    assert forecast(*scripts, cores=2).on(64).seconds == pytest.approx(6.0)


def test_a_unit_whose_time_nobody_knows_is_waited_through() -> None:
    found = forecast(unit_span("a", 0.0, 2.0), unit_span("b", None, 0.0, 0), unit_span("c", 2.0, 2.0, 1))
    assert found.on(4).seconds == pytest.approx(4.0 + 2 * SETUP)
    assert found.known == 2


def test_what_helps_is_what_a_build_waits_for() -> None:
    found = forecast(
        unit_span("big", None, 10.0), unit_span("beside", None, 6.0), unit_span("app", None, 2.0, 0, 1, kind="bin")
    )
    helps = found.help(found.on(4))
    assert [each.place for each in helps] == [0, 2]
    # no more than until the next one is what is waited for
    assert [round(each.spared, 3) for each in helps] == [4.0, 1.0]


def test_a_circle_is_a_damaged_record() -> None:
    with pytest.raises(ContentInvalid, match="circle"):
        forecast(unit_span("a", None, 1.0, 1), unit_span("b", None, 1.0, 0)).on(2)


def test_the_newest_record_with_times_is_taken() -> None:
    recalled = build_record(3)
    few = build_record(2, units=(unit_span("a", 0.0, 1.0), unit_span("b", None, 0.0)))
    full = sample_record(1)
    assert fullest([recalled, few, full]) is full
    assert fullest([recalled, few]) is few
    assert fullest([recalled]) is None


def test_a_link_is_written_in_bits_and_milliseconds() -> None:
    assert Link.parse("100Mbit,20ms") == Link(12.5e6, 12.5e6, 0.02)
    assert Link.parse("1 Gbit/s, 0.5ms").round_trip_s == pytest.approx(0.0005)
    for text in ("", "100", "fast", "0Mbit,1ms", "100MB,20ms"):
        with pytest.raises(UsageError) as raised:
            Link.parse(text)
        assert raised.value.hint
