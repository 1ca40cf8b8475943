"""What a program is started with, what it leaves, and the interfaces of those that start it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import IO, Protocol

from msgspec import Struct

from cargoship.programs import ProgramFinder

OUTPUT_BYTES_MAX = 256 << 20
"""What is kept of a program's output, for each of its streams."""


@dataclass(frozen=True)
class Command:
    """A program to start: `argv`, where, and the whole environment it gets (None: the parent's own).

    A program is named by its path, or by a name that `ProgramFinder` finds.
    """

    argv: tuple[str, ...]
    cwd: Path | None = None
    env: Mapping[str, str] | None = field(default=None, repr=False)
    memory_bytes: int | None = None
    """What it may have of its own, files that it maps not counted, where the system can limit that (Linux); each of
    the programs that it starts may have as much."""
    cancelled: Event | None = field(default=None, repr=False, compare=False)
    """`Runner.run` ends the program, and what it has started, once this is set: a signal interrupts the first thread of
    this process alone, and others would wait for their programs."""


class Completed(Struct, frozen=True):
    """What a finished program left: exit code (negative: the signal that ended it) and its output."""

    code: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Standard output as text; bytes that are not UTF-8 are replaced."""
        return self.stdout.decode("utf-8", "replace")

    @property
    def error_text(self) -> str:
        """Standard error as text; bytes that are not UTF-8 are replaced."""
        return self.stderr.decode("utf-8", "replace")


Sink = Callable[[bytes], None]


class Runner(Protocol):
    """Starts programs."""

    @property
    def programs(self) -> ProgramFinder:
        """Which programs there are."""
        ...

    def run(self, command: Command, *, stdin: bytes | None = None, timeout_s: float | None = None) -> Completed:
        """Run to the end and return everything; raises ToolMissing when the program does not exist.

        `timeout_s` ends the program, and what it has started, after that many seconds, and OUTPUT_BYTES_MAX when
        it has said more than that, and `Command.cancelled` when it is set; the result then has the code -9.
        """
        ...

    def stream(self, command: Command, *, on_stdout: Sink, on_stderr: Sink, stdin: IO[bytes] | None = None) -> int:
        """Run to the end, handing over output in pieces as it comes (each sink from a thread of its own)."""
        ...


class CancellableRunner:
    """Starts programs as another runner does, until `cancelled` is set: for threads that the first one waits for."""

    def __init__(self, runner: Runner, cancelled: Event) -> None:
        self._runner = runner
        self._cancelled = cancelled

    @property
    def programs(self) -> ProgramFinder:
        """See `Runner.programs`."""
        return self._runner.programs

    def run(self, command: Command, *, stdin: bytes | None = None, timeout_s: float | None = None) -> Completed:
        """See `Runner.run`."""
        return self._runner.run(replace(command, cancelled=self._cancelled), stdin=stdin, timeout_s=timeout_s)

    def stream(self, command: Command, *, on_stdout: Sink, on_stderr: Sink, stdin: IO[bytes] | None = None) -> int:
        """See `Runner.stream`, which ends where its own thread is interrupted."""
        return self._runner.stream(command, on_stdout=on_stdout, on_stderr=on_stderr, stdin=stdin)


class Child(Protocol):
    """A program that was started and goes on by itself."""

    def poll(self) -> int | None:
        """Its exit code, or None while it runs."""
        ...

    def stop(self, timeout_s: float) -> bool:
        """Ask it to end, and end it where it has not after `timeout_s`; whether it has ended by itself."""
        ...


class GracePeriod(Struct, frozen=True):
    """How long an interrupted program may take to end, and what is done once it had to be ended."""

    seconds: float
    lost: Callable[[], None]


class Terminal(Protocol):
    """Starts programs that talk to the person themselves."""

    def spawn(self, command: Command) -> Child:
        """Start a program that writes to this process's own streams and reads nothing; raises ToolMissing."""
        ...

    def attach(self, command: Command, *, stdin: IO[bytes] | None = None, patience: GracePeriod | None = None) -> int:
        """Run to the end on this process's own terminal and streams; raises ToolMissing.

        `stdin` is a file, or None for this process's own. An interrupt is passed on once and then waited out, for the
        program may have things of its own to stop: for ever, or as long as `patience` lasts.
        """
        ...
