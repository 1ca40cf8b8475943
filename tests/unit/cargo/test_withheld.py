"""What cargo says in a run that another one follows."""

from __future__ import annotations

import pytest

from cargoship.cargo.withheld import Withheld, withheld
from cargoship.events import Event, Note, ToolOutput

WARNING, ERROR = ToolOutput("warning: unused"), ToolOutput("\x1b[1m\x1b[91merror[E0425]\x1b[0m: x")
NOTE = Note("restored")


def test_warnings_wait_for_the_end() -> None:
    said: list[Event] = []
    held = Withheld(said.append)
    held.emit(WARNING)
    held.emit(NOTE)
    assert said == [NOTE]
    held.let_go()
    held.emit(WARNING)
    assert said == [NOTE, WARNING, WARNING]


def test_an_error_is_said_at_once_with_all_before_it() -> None:
    said: list[Event] = []
    held = Withheld(said.append)
    for each in (WARNING, ERROR, WARNING):
        held.emit(each)
    assert said == [WARNING, ERROR, WARNING]


def test_nothing_is_lost_in_an_interrupt() -> None:
    said: list[Event] = []

    def interrupted() -> None:
        with withheld(said.append) as held:
            held.emit(WARNING)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert said == [WARNING]
