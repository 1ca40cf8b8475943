"""What is said of how long a part of a run took."""

from __future__ import annotations

from itertools import count

import pytest

from cargoship import clock
from cargoship.events import Event, PhaseEnded


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """What is emitted, by a clock that is a second later whenever somebody looks."""
    seconds = count()
    monkeypatch.setattr("cargoship.clock.time.monotonic", lambda: float(next(seconds)))
    return []


def ends(said: list[Event]) -> list[tuple[str, float]]:
    return [(event.name, event.seconds) for event in said if isinstance(event, PhaseEnded)]


def test_a_phase_is_not_charged_for_those_inside_of_it(said: list[Event]) -> None:
    """`Located the toolchain in 6m 01s` stood below `Built the standard library in 6m 01s`."""
    with clock.phase(said.append, "toolchain"):
        with clock.phase(said.append, "sysroot"), clock.phase(said.append, "fetch"):
            pass
        with clock.phase(said.append, "trial"):
            pass
    with clock.phase(said.append, "compile"):
        pass
    assert ends(said) == [("fetch", 1.0), ("sysroot", 2.0), ("trial", 1.0), ("toolchain", 3.0), ("compile", 1.0)]


def test_one_that_raises_takes_nothing_from_what_follows(said: list[Event]) -> None:
    with clock.phase(said.append, "toolchain"):
        with pytest.raises(KeyError), clock.phase(said.append, "sysroot"):
            raise KeyError
        with clock.phase(said.append, "trial"):
            pass
    assert ends(said) == [("trial", 1.0), ("toolchain", 3.0)]


def test_the_total_has_all_of_it(said: list[Event]) -> None:
    run = clock.Clock(said.append)
    with run.phase("toolchain"), clock.phase(said.append, "sysroot"):
        pass
    assert run.seconds() == {"toolchain": 3.0, "total": 7.0}
