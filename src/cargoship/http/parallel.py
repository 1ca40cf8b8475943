"""A bounded number of threads for one list of tasks, that an error or Ctrl-C ends at once."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

from msgspec import Struct

from cargoship.http.budget import Budget, Halt

T = TypeVar("T")
R = TypeVar("R")
_FAREWELL_S = 0.5
"""How long all threads together get to notice a stop; one that hangs in the network is left behind."""


class _Good(Struct, Generic[R], frozen=True):
    value: R


def each(work: Callable[[T], R], items: Sequence[T], *, jobs: int, budget: Budget) -> Generator[R, None, None]:
    """`work` of each item, results as they come, the work of at most `jobs` items at a time.

    The first error stops everything else and is raised; closing the generator early stops everything too. The
    threads are daemons: Ctrl-C in the caller's thread does not wait for a connection that has stalled.
    """
    if len(items) == 1 or jobs == 1:
        for item in items:
            budget.check()
            yield work(item)
        return
    waiting: queue.SimpleQueue[T] = queue.SimpleQueue()
    for item in items:
        waiting.put(item)
    done: queue.SimpleQueue[_Good[R] | BaseException] = queue.SimpleQueue()
    # what fails ends this work alone: the budget serves on
    with budget.part() as halt:
        threads = [
            threading.Thread(target=_run, args=(work, waiting, done, budget, halt), name=f"registry-{n}", daemon=True)
            for n in range(min(jobs, len(items)))
        ]
        finished = False
        try:
            for thread in threads:
                thread.start()
            yield from _results(done, len(items))
            finished = True
        finally:
            if not finished:
                halt.set()
            _join(threads)


def _results(done: queue.SimpleQueue[_Good[R] | BaseException], count: int) -> Iterator[R]:
    for _ in range(count):
        result = done.get()
        if isinstance(result, BaseException):
            raise result
        yield result.value


def _run(
    work: Callable[[T], R],
    waiting: queue.SimpleQueue[T],
    done: queue.SimpleQueue[_Good[R] | BaseException],
    budget: Budget,
    halt: Halt,
) -> None:
    budget.obey(halt)
    with contextlib.suppress(queue.Empty):
        while True:
            item = waiting.get_nowait()
            try:
                budget.check()
                done.put(_Good(work(item)))
            except BaseException as error:  # noqa: BLE001 - handed to the caller's thread, whatever it is
                done.put(error)
                return


def _join(threads: Iterable[threading.Thread]) -> None:
    until = time.monotonic() + _FAREWELL_S
    for thread in threads:
        if thread.is_alive():
            thread.join(max(until - time.monotonic(), 0.0))
