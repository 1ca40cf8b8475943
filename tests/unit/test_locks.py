"""Locks between processes: each open file counts as a process of its own."""

from __future__ import annotations

import fcntl
import threading
from pathlib import Path

import pytest

from cargoship.locks import Busy, locked


@pytest.mark.parametrize("folder", [False, True])
def test_one_at_a_time(tmp_path: Path, *, folder: bool) -> None:
    place = tmp_path if folder else tmp_path / "lock"
    with locked(place):
        for timeout_s in (0, 0.1):
            with pytest.raises(Busy, match=str(place)), locked(place, timeout_s=timeout_s):
                pass
    with locked(place, timeout_s=0):
        pass
    assert place.exists(), "who removes a lock's file lets two in"


def test_several_may_look_at_once(tmp_path: Path) -> None:
    place = tmp_path / "lock"
    with pytest.raises(FileNotFoundError), locked(place, shared=True, timeout_s=0):
        pass
    place.touch()
    with (
        locked(place, shared=True, timeout_s=0),
        locked(place, shared=True, timeout_s=0),
        pytest.raises(Busy),
        locked(place, timeout_s=0),
    ):
        pass
    with locked(place), pytest.raises(Busy), locked(place, shared=True, timeout_s=0):
        pass


@pytest.mark.parametrize("timeout_s", [None, 30.0])
def test_a_lock_is_waited_for(tmp_path: Path, timeout_s: float | None) -> None:
    place, got = tmp_path / "lock", threading.Event()

    def wait() -> None:
        with locked(place, timeout_s=timeout_s):
            got.set()

    thread = threading.Thread(target=wait)
    with locked(place):
        thread.start()
        assert not got.wait(0.1)
    thread.join(30)
    assert got.is_set()


def test_it_is_the_lock_that_cargo_takes(tmp_path: Path) -> None:
    place = tmp_path / ".cargo-lock"
    with place.open("wb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(Busy), locked(place, timeout_s=0):
            pass
