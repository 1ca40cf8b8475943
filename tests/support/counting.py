"""Work, counted: what a machine that others use too cannot make a test fail by."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import FrameType


@dataclass
class Work:
    """What this thread did while it was counted."""

    calls: int = 0
    """Functions that were called, of Python and of C: what time goes into, with the same figure every time."""

    opened: Counter[str] = field(default_factory=Counter)
    """How often each file was opened, by its path."""


_counting: list[Work] = []
_hooked: list[bool] = []


@contextlib.contextmanager
def counted() -> Iterator[Work]:
    """Count what this thread does in the block. It takes about twice as long in the meantime."""
    if not _hooked:
        # there is no way to take one away
        sys.addaudithook(_hear)
        _hooked.append(True)
    work = Work()

    def see(frame: FrameType, event: str, argument: object) -> None:
        del frame, argument
        if event in {"call", "c_call"}:
            work.calls += 1

    before = sys.getprofile()
    _counting.append(work)
    sys.setprofile(see)
    try:
        yield work
    finally:
        sys.setprofile(before)
        _counting.remove(work)


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _counting and isinstance(arguments[0], str | bytes):
        for work in _counting:
            work.opened[arguments[0] if isinstance(arguments[0], str) else arguments[0].decode()] += 1
