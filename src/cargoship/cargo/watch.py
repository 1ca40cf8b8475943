"""A run of cargo whose two streams become events, and what the end of it needs to know."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence

from msgspec import Struct

from cargoship.cargo.messages import Artifact, BuildFinished, BuildScriptRun, Message, MessageReader
from cargoship.cargo.progress import StatusLine, StderrReader, Written, name_in_progress
from cargoship.events import CompileProgress, Emit, Level, Note, ToolOutput, UnitFinished, count
from cargoship.process import Command, Runner

_KEPT_STDERR = 64 * 1024
_LOCK = re.compile(r"waiting for file lock on ([a-z ]+)")
_GRAIN_NS = 10_000_000
"""How far behind the clock the times of files may be."""


class Watched(Struct, frozen=True):
    """How a run ended: its exit code, its units in the order in which they were done, and the end of its stderr."""

    code: int
    units: tuple[Artifact, ...]
    scripts: tuple[BuildScriptRun, ...]
    stderr: str
    scripts_fresh: int = 0
    """How many build scripts did not have to run."""

    @property
    def messages(self) -> tuple[Artifact | BuildScriptRun, ...]:
        """What cargo said of all of them."""
        return (*self.units, *self.scripts)

    @property
    def summary(self) -> str:
        """How many units there were: what cargo counts, and the unit cache, so runs of build scripts among them."""
        fresh = sum(unit.fresh for unit in self.units) + self.scripts_fresh
        return f"{count(len(self.messages) - fresh, 'unit')}, {fresh} fresh"


def watch_cargo(
    runner: Runner, command: Command, emit: Emit, on_unit: Callable[[Artifact | BuildScriptRun], None] = lambda _: None
) -> Watched:
    """Run cargo to its end; raises ToolMissing. What it prints arrives as ToolOutput, unchanged.

    `on_unit` gets what cargo says of units at once, for anybody who wants to know it after an interrupt.
    """
    watcher = _Watch(emit, on_unit)
    code = runner.stream(command, on_stdout=watcher.stdout, on_stderr=watcher.stderr)
    watcher.finish()
    return Watched(code, tuple(watcher.units), tuple(watcher.scripts), watcher.tail, watcher.scripts_fresh)


class _Watch:
    def __init__(self, emit: Emit, on_unit: Callable[[Artifact | BuildScriptRun], None]) -> None:
        self._emit = emit
        self._on_unit = on_unit
        self._messages = MessageReader()
        self._stderr = StderrReader()
        self.units: list[Artifact] = []
        self.scripts: list[BuildScriptRun] = []
        self.scripts_fresh = 0
        self.tail = ""
        self._started_ns = time.time_ns() - _GRAIN_NS

    def stdout(self, data: bytes) -> None:
        self._take(self._messages.feed(data))

    def stderr(self, data: bytes) -> None:
        self._show(self._stderr.feed(data))

    def finish(self) -> None:
        self._take(self._messages.finish())
        self._show(self._stderr.finish())

    def _take(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if isinstance(message, Artifact | BuildScriptRun):
                self._on_unit(message)
            match message:
                case Artifact():
                    self.units.append(message)
                    name = name_in_progress(message.package, message.target_name, message.kinds)
                    self._emit(UnitFinished(message.package, message.target_name, message.fresh, name))
                case BuildScriptRun():
                    self.scripts.append(message)
                    fresh = not self._has_run(message)
                    self.scripts_fresh += fresh
                    name = name_in_progress(message.package, "", (), runs=True)
                    self._emit(UnitFinished(message.package, "run of its build script", fresh, name))
                case ToolOutput():
                    self._emit(message)
                case BuildFinished():
                    pass

    def _has_run(self, script: BuildScriptRun) -> bool:
        """Whether a build script has run now: cargo does not say so, but notes when it starts one."""
        if script.out_dir is None:
            return False
        try:
            return (script.out_dir.parent / "invoked.timestamp").stat().st_mtime_ns >= self._started_ns
        except OSError:
            return False

    def _show(self, written: Sequence[Written]) -> None:
        for each in written:
            match each:
                case CompileProgress():
                    self._emit(each)
                case StatusLine(verb="Blocking", line=line) if (found := _LOCK.search(line)) is not None:
                    self._emit(Note(f"waiting for another cargo, which has locked the {found[1]}"))
                case StatusLine():
                    self._emit(Note(each.line, Level.VERBOSE))
                case ToolOutput():
                    self.tail = (self.tail + each.line + "\n")[-_KEPT_STDERR:]
                    self._emit(each)
