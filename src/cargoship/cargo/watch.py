"""A run of cargo whose two streams become events, and what the end of it needs to know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cargoship.cargo.messages import Artifact, BuildFinished, BuildScriptRun, Message, MessageReader
from cargoship.cargo.progress import StatusLine, StderrReader, Written
from cargoship.events import CompileProgress, Emit, Level, Note, ToolOutput, UnitFinished
from cargoship.process import Command, Runner

_KEPT_STDERR = 64 * 1024


@dataclass(frozen=True)
class Watched:
    """How a run ended: its exit code, its units in the order in which they were done, and the end of its stderr."""

    code: int
    units: tuple[Artifact, ...]
    scripts: tuple[BuildScriptRun, ...]
    stderr: str

    @property
    def messages(self) -> tuple[Artifact | BuildScriptRun, ...]:
        """What cargo said of all of them."""
        return (*self.units, *self.scripts)

    @property
    def summary(self) -> str:
        """How many units there were."""
        fresh = sum(unit.fresh for unit in self.units)
        return f"{len(self.units) - fresh} units, {fresh} fresh"


def watch(runner: Runner, command: Command, emit: Emit) -> Watched:
    """Run cargo to its end; raises ToolMissing. What it prints arrives as ToolOutput, unchanged."""
    watcher = _Watch(emit)
    code = runner.stream(command, on_stdout=watcher.stdout, on_stderr=watcher.stderr)
    watcher.finish()
    return Watched(code, tuple(watcher.units), tuple(watcher.scripts), watcher.tail)


class _Watch:
    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._messages = MessageReader()
        self._stderr = StderrReader()
        self.units: list[Artifact] = []
        self.scripts: list[BuildScriptRun] = []
        self.tail = ""

    def stdout(self, data: bytes) -> None:
        self._take(self._messages.feed(data))

    def stderr(self, data: bytes) -> None:
        self._show(self._stderr.feed(data))

    def finish(self) -> None:
        self._take(self._messages.finish())
        self._show(self._stderr.finish())

    def _take(self, messages: Sequence[Message]) -> None:
        for message in messages:
            match message:
                case Artifact():
                    self.units.append(message)
                    self._emit(UnitFinished(message.package, message.target_name, message.fresh))
                case BuildScriptRun():
                    self.scripts.append(message)
                case ToolOutput():
                    self._emit(message)
                case BuildFinished():
                    pass

    def _show(self, written: Sequence[Written]) -> None:
        for each in written:
            match each:
                case CompileProgress():
                    self._emit(each)
                case StatusLine():
                    self._emit(Note(each.line, Level.VERBOSE))
                case ToolOutput():
                    self.tail = (self.tail + each.line + "\n")[-_KEPT_STDERR:]
                    self._emit(each)
