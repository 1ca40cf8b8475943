"""What cargo says on its way reaches people where it keeps them waiting."""

from __future__ import annotations

import sys

import pytest

from cargoship.cargo.watch import watch_cargo
from cargoship.events import Event, Level, Note
from cargoship.process import Command, SystemRunner


@pytest.mark.parametrize("colours", [("", ""), ("\x1b[1m\x1b[36m", "\x1b[0m")])
@pytest.mark.parametrize("what", ["build directory", "package cache"])
def test_a_build_that_waits_for_another_says_so(what: str, colours: tuple[str, str]) -> None:
    line = f"    {colours[0]}Blocking{colours[1]} waiting for file lock on {what}\n"
    seen: list[Event] = []
    done = watch_cargo(
        SystemRunner(), Command((sys.executable, "-c", f"import sys; sys.stderr.write({line!r})")), seen.append
    )
    assert done.code == 0
    assert seen == [Note(f"waiting for another cargo, which has locked the {what}", Level.INFO)]
