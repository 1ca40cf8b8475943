"""How much of what workers have made is held at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from cargoship.execution.room import Room


def test_many_at_once_hold_no_more_than_there_is() -> None:
    room, lock = Room(100), threading.Lock()
    held, most = 0, 0

    def hold(size: int) -> None:
        nonlocal held, most
        with room.taken(size):
            with lock:
                held += size
                most = max(most, held)
            threading.Event().wait(0.001)
            with lock:
                held -= size

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(hold, [10, 60, 45, 100, 1, 30] * 8))
    assert 60 < most <= 100


def test_what_is_too_large_is_held_alone() -> None:
    room, order = Room(100), list[str]()

    def large() -> None:
        with room.taken(1000):
            order.append("large")

    thread = threading.Thread(target=large)
    with room.taken(1):
        thread.start()
        thread.join(0.05)
        order.append("small")
    thread.join(20)
    assert order == ["small", "large"]


def test_what_fails_gives_its_part_back() -> None:
    room = Room(1)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), room.taken(1):
            _ = 1 / 0
