"""The loop of `cargoship watch`, without a clock, a compiler or a file."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from cargoship.deploy.watching import watch
from cargoship.errors import CargoshipError, CompileFailed, ToolFailed


@dataclass
class Diary:
    """Writes everything down, as a program that runs and as the one who tells."""

    lines: list[str] = field(default_factory=list)
    attempts: int = 0
    code: int | None = None

    def attempt(self) -> Callable[[], Diary]:
        self.attempts += 1
        if self.attempts == 2:
            raise CompileFailed("no")
        return lambda number=self.attempts: self.start(number)  # type: ignore[misc]

    def start(self, number: int) -> Diary:
        if number == 4:
            raise ToolFailed("kubectl", 1)
        self.lines.append(f"start {number}")
        return self

    def poll(self) -> int | None:
        return self.code

    def stop(self) -> None:
        self.lines.append("stop")

    def failed(self, error: CargoshipError, *, still_running: bool) -> None:
        self.lines.append(f"{error.message} {still_running}")

    def started(self, built_s: float, started_s: float) -> None:
        self.lines.append(f"told {built_s} {started_s}")

    def ended(self, code: int) -> None:
        self.lines.append(f"ended {code}")


def test_what_works_takes_the_place_of_what_ran() -> None:
    diary = Diary()

    def changes() -> Iterator[bool]:
        yield True  # does not compile
        yield False
        yield True  # does
        yield True  # compiles, and cannot be started
        yield True  # works again
        diary.code = 7
        yield False
        yield False
        raise KeyboardInterrupt

    seconds = itertools.count(0.0, 1.0)
    with pytest.raises(KeyboardInterrupt):
        watch(changes(), diary.attempt, diary, lambda: next(seconds))
    assert diary.lines == [
        "start 1", "told 1.0 1.0", "no True", "stop", "start 3", "told 1.0 1.0", "stop", "kubectl False",
        "start 5", "told 1.0 1.0", "stop", "ended 7",
    ]  # fmt: skip


def test_an_interrupt_stops_what_runs() -> None:
    diary = Diary()

    def changes() -> Iterator[bool]:
        yield False
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watch(changes(), diary.attempt, diary, lambda: 0.0)
    assert diary.lines == ["start 1", "told 0.0 0.0", "stop"]
