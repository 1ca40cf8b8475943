"""The processes that a process has started, and signals to them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path


def send_signal(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process, if there is one that takes it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def descendants(pid: int) -> list[int]:
    """Every process below one, as the system lists them now: /proc on Linux, `ps` elsewhere."""
    children: dict[int, list[int]] = {}
    for child, parent in _parents():
        children.setdefault(parent, []).append(child)
    found = []
    pending = [pid]
    while pending:
        below = children.get(pending.pop(), [])
        found += below
        pending += below
    return found


def _parents() -> Iterator[tuple[int, int]]:
    """Pairs of a process and its parent."""
    if Path("/proc/self/stat").exists():
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                with contextlib.suppress(OSError, ValueError):
                    # pid (name, which may hold anything) state ppid ...: proc(5)
                    fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
                    yield int(folder.name), int(fields[1])
        return
    with contextlib.suppress(OSError):
        argv = ("/bin/ps", "-axo", "pid=,ppid=")
        listed = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603
        for line in listed.stdout.splitlines():
            child, parent = line.split()
            yield int(child), int(parent)
