"""The one place that starts processes.

`Runner` is passed to everything that needs another program, so that tests can script it and so that a reader
can find every process start by looking for one name. `SystemRunner` is the real one.
"""

from __future__ import annotations

from cargoship.process.runner import CancellableRunner, Child, Command, Completed, GracePeriod, Runner, Sink, Terminal
from cargoship.process.system import SystemRunner

__all__ = [
    "CancellableRunner",
    "Child",
    "Command",
    "Completed",
    "GracePeriod",
    "Runner",
    "Sink",
    "SystemRunner",
    "Terminal",
]
