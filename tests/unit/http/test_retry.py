from __future__ import annotations

import pytest

from cargoship.errors import RegistryRefused, RegistryUnreachable, Stopped
from cargoship.http.budget import Budget
from cargoship.http.retry import RetryPolicy, Transient, retry_after_s, with_retries


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def budget(self, total_s: float = 1000.0) -> Budget:
        budget = Budget(total_s, clock=lambda: self.now, jitter=lambda: 1.0)
        budget.sleep = self._sleep  # type: ignore[method-assign]
        return budget

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def _failing(times: int, failure: Transient) -> list[Transient]:
    return [failure] * times


def _run(failures: list[Transient], clock: Clock, retry_policy: RetryPolicy, total_s: float = 1000.0) -> str:
    left = list(failures)

    def attempt() -> str:
        if left:
            raise left.pop()
        return "done"

    return with_retries(attempt, budget=clock.budget(total_s), retry_policy=retry_policy)


_PATIENCE = RetryPolicy(tries=4, connection_tries=3, first_s=1.0, factor=2.0, longest_s=3.0, asked_longest_s=100.0)
_REFUSED = RegistryRefused("503")
_DOWN = RegistryUnreachable("down")


@pytest.mark.parametrize(
    ("failures", "slept"),
    [
        (_failing(0, Transient(_REFUSED)), []),
        (_failing(3, Transient(_REFUSED)), [1.0, 2.0, 3.0]),
        (_failing(2, Transient(_DOWN, connection=True)), [1.0, 2.0]),
        (_failing(1, Transient(_REFUSED, wait_s=42.0)), [42.0]),
        (_failing(1, Transient(_REFUSED, wait_s=0.1)), [1.0]),
    ],
)
def test_waits_grow_and_honour_what_is_asked(failures: list[Transient], slept: list[float]) -> None:
    clock = Clock()
    assert _run(failures, clock, _PATIENCE) == "done"
    assert clock.slept == slept


@pytest.mark.parametrize(
    ("failures", "error"),
    [
        (_failing(4, Transient(_REFUSED)), _REFUSED),
        (_failing(3, Transient(_DOWN, connection=True)), _DOWN),
        (_failing(1, Transient(_REFUSED, wait_s=101.0)), _REFUSED),
    ],
)
def test_patience_ends(failures: list[Transient], error: Exception) -> None:
    with pytest.raises(type(error)) as raised:
        _run(failures, Clock(), _PATIENCE)
    assert raised.value is error


def test_nothing_is_waited_for_that_the_budget_does_not_allow() -> None:
    clock = Clock()
    with pytest.raises(RegistryRefused):
        _run(_failing(1, Transient(_REFUSED, wait_s=50.0)), clock, _PATIENCE, total_s=49.0)
    assert clock.slept == []


def test_waits_are_spread() -> None:
    assert _PATIENCE.wait_s(1, 0.0) == 0.5
    assert _PATIENCE.wait_s(1, 1.0) == 1.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "Tue, 24 Nov 2026 10:00:30 GMT", "date": "Tue, 24 Nov 2026 10:00:00 GMT"}, 30.0),
        ({"retry-after": "Tue, 24 Nov 2026 10:00:00 GMT", "date": "Tue, 24 Nov 2026 10:00:30 GMT"}, 0.0),
        ({"retry-after": "Tue, 24 Nov 2026 10:00:30 GMT"}, None),
    ],
)
def test_retry_after_is_a_number_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds


def test_a_budget_ends() -> None:
    clock = Clock()
    budget = clock.budget(5.0)
    budget.check()
    clock.now = 6.0
    with pytest.raises(RegistryUnreachable, match="longer than the 5 s"):
        budget.check()


def test_a_stop_ends_a_wait() -> None:
    budget = Budget(100.0)
    budget.stop()
    with pytest.raises(Stopped):
        budget.sleep(50.0)
