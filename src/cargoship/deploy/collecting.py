"""Python's collector of cycles, held back while very many objects are made that all stay."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the collector of cycles, which would look through hundreds of thousands of nodes again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            # what was made meanwhile is old at once: as young as it is it would all be looked through now. What else is
            # frozen gets old too: to ask whether there is anything takes a walk through all of it
            gc.freeze()
            gc.unfreeze()
            gc.enable()
