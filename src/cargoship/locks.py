"""Locks between processes, by flock(2): our own, and those that cargo, Zig and writers of image layouts respect too.

The kernel lets go of a lock when its process ends, however it ends. A file that was made for a lock stays: if it were
removed, two processes could each hold a lock of that name.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

_LOOK_S = 0.05


class Busy(Exception):
    """Another process holds the lock of this file or folder."""


@contextlib.contextmanager
def locked(path: Path, *, shared: bool = False, timeout_s: float | None = None) -> Iterator[None]:
    """Hold the lock of a file, which is made if need be, or of a folder that is there.

    Several may hold it at once that want it `shared`. Raises Busy after `timeout_s` seconds (0: at once; None: never),
    OSError, also where a file system has no locks.
    """
    folder = path.is_dir()
    handle = os.open(path, os.O_RDONLY if folder or shared else os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _wait(path, handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, timeout_s)
        yield
    finally:
        os.close(handle)


def _wait(path: Path, handle: int, kind: int, timeout_s: float | None) -> None:
    if timeout_s is None:
        fcntl.flock(handle, kind)
        return
    until = time.monotonic() + timeout_s
    while True:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= until:
                raise Busy(str(path)) from error
        else:
            return
        time.sleep(_LOOK_S)
