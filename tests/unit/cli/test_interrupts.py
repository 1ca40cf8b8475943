"""A signal ends a run wherever it arrives."""

from __future__ import annotations

import signal
import sys
import time
import weakref
from collections.abc import Callable

import pytest

from cargoship.cli.failing.interrupts import Interrupt, Interrupts


class _Thing:
    pass


def _in_a_finalizer(number: signal.Signals) -> None:
    class Finalized:
        def __del__(self) -> None:
            signal.raise_signal(number)

    Finalized()


def _in_a_weak_reference_callback(number: signal.Signals) -> None:
    thing = _Thing()
    watched = weakref.ref(thing, lambda _: signal.raise_signal(number))
    del thing
    assert watched() is None


def _and_wait(arrive: Callable[[signal.Signals], None], number: signal.Signals) -> None:
    """As a program that works on: without the signal this would take long."""
    arrive(number)
    time.sleep(5)


@pytest.mark.parametrize("arrive", [signal.raise_signal, _in_a_finalizer, _in_a_weak_reference_callback])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_unwinds_from_anywhere(
    arrive: Callable[[signal.Signals], None], number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    hook, before = sys.unraisablehook, signal.getsignal(number)
    with pytest.raises(Interrupt) as raised, Interrupts():
        _and_wait(arrive, number)
    assert raised.value.exit_code == 128 + number
    assert (sys.unraisablehook, signal.getsignal(number)) == (hook, before)
    assert not capsys.readouterr().err


def test_it_is_not_lost_where_the_time_is_over_before_it_was_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a signal that arrived in a finalizer was lost: the program ran on."""
    set_timer = signal.setitimer
    early = iter([True])

    def setitimer(which: int, seconds: float) -> tuple[float, float]:
        if seconds and next(early, False):
            signal.raise_signal(signal.SIGALRM)
        return set_timer(which, seconds)

    monkeypatch.setattr(signal, "setitimer", setitimer)
    with pytest.raises(Interrupt), Interrupts():
        _and_wait(_in_a_finalizer, signal.SIGTERM)


def test_it_is_raised_once() -> None:
    interrupts = Interrupts()
    with interrupts:
        with pytest.raises(Interrupt):
            _and_wait(_in_a_finalizer, signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        time.sleep(0.05)


def test_a_second_one_ends_what_the_first_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ended the process at once, and left a container that `run` was waiting for."""
    monkeypatch.setattr("cargoship.cli.failing.interrupts._PATIENCE_S", 0.0)
    ended: list[int] = []
    monkeypatch.setattr("os._exit", ended.append)
    with Interrupts():
        for _ in range(2):
            with pytest.raises(Interrupt):
                _and_wait(signal.raise_signal, signal.SIGINT)
        assert ended == []
        with pytest.raises(Interrupt):
            signal.raise_signal(signal.SIGINT)
    assert ended == [130]


def test_what_else_is_lost_in_a_finalizer_is_still_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[sys.UnraisableHookArgs] = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)

    class Finalized:
        def __del__(self) -> None:
            raise ValueError("of its own")

    with Interrupts():
        Finalized()
    assert [str(each.exc_value) for each in reported] == ["of its own"]
