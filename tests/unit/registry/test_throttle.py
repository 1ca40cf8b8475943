"""Fewer requests at a time for a host that asks for it."""

from __future__ import annotations

import threading
import time

import pytest

from cargoship.errors import RegistryUnreachable
from cargoship.http.budget import Budget
from cargoship.http.throttle import Throttle
from cargoship.oci.index import Index
from cargoship.testing import Fault, InMemoryRegistry
from support.pushing import client_of, push
from support.virtual import VirtualBudget


@pytest.mark.parametrize("status", [429, 503])
def test_a_host_that_asks_for_patience_gets_fewer_requests(status: int) -> None:
    throttle = Throttle(VirtualBudget(100.0), most=8)
    assert throttle.limit == 8
    with throttle.turn(), throttle.turn(), throttle.turn(), throttle.turn():
        throttle.note(status, {})
        assert throttle.limit == 2
        throttle.note(status, {})
        assert throttle.limit == 1
    throttle.note(status, {})
    assert throttle.limit == 1
    for _ in range(100):
        throttle.note(200, {})
    assert throttle.limit == 8


def test_a_limit_is_kept_by_all() -> None:
    budget = VirtualBudget(100.0)
    throttle = Throttle(budget)
    throttle.note(429, {"retry-after": "7"})
    with throttle.turn():
        assert budget.elapsed_s == 7.0
    # trouble of one resource is not that of all, and a day is for the one who was answered
    throttle.note(503, {"retry-after": "7"})
    throttle.note(429, {"retry-after": "86400"})
    with throttle.turn():
        assert budget.elapsed_s == 7.0


def test_a_pause_ends_with_the_budget() -> None:
    throttle = Throttle(VirtualBudget(5.0))
    throttle.note(429, {"retry-after": "7"})
    with pytest.raises(RegistryUnreachable, match="longer than the 5 s"), throttle.turn():
        pass


def test_no_more_than_the_limit_are_under_way() -> None:
    throttle = Throttle(Budget(10.0), most=2)
    running, most, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal running, most
        with throttle.turn():
            with lock:
                running += 1
                most = max(most, running)
            time.sleep(0.01)
            with lock:
                running -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 2


def test_a_push_gets_through_a_rate_limit(index: Index) -> None:
    faults = [Fault("HEAD|POST|PUT", "/blobs/", status=429, skip=number, times=1) for number in range(6)]
    with InMemoryRegistry(faults=faults) as registry, client_of(registry.host) as client:
        push(client, index, "1")
        assert registry.tags("me/app")
