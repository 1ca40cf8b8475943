"""The one place that starts processes.

`Runner` is passed to everything that needs another program, so that tests can script it and so that a reader
can find every process start by looking for one name. `SystemRunner` is the real one.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Protocol

from cargoship.errors import ToolMissing

_CHUNK_BYTES = 64 * 1024
_GRACE_S = 5.0
_EXIT_SIGINT = 130


@dataclass(frozen=True)
class Command:
    """A program to start: `argv`, where, and the whole environment it gets (None: the parent's own)."""

    argv: tuple[str, ...]
    cwd: Path | None = None
    env: Mapping[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Completed:
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

    def run(self, command: Command, *, stdin: bytes | None = None, timeout_s: float | None = None) -> Completed:
        """Run to the end and return everything; raises ToolMissing when the program does not exist.

        `timeout_s` ends the program after that many seconds; the result then has the code -9.
        """
        ...

    def stream(self, command: Command, *, on_stdout: Sink, on_stderr: Sink, stdin: IO[bytes] | None = None) -> int:
        """Run to the end, handing over output in pieces as it comes (each sink from a thread of its own)."""
        ...


class Child(Protocol):
    """A program that was started and goes on by itself."""

    def poll(self) -> int | None:
        """Its exit code, or None while it runs."""
        ...

    def stop(self, timeout_s: float) -> None:
        """Ask it to end, and end it where it has not after `timeout_s`."""
        ...


class Terminal(Protocol):
    """Starts programs that talk to the person themselves."""

    def spawn(self, command: Command) -> Child:
        """Start a program that writes to this process's own streams and reads nothing; raises ToolMissing."""
        ...

    def attach(self, command: Command, *, stdin: IO[bytes] | None = None) -> int:
        """Run to the end on this process's own terminal and streams; raises ToolMissing.

        `stdin` is a file, or None for this process's own. An interrupt is passed on once and then waited out, for the
        program may have things of its own to stop.
        """
        ...


class SystemRunner:
    """Starts real processes, and leaves none behind when interrupted."""

    def run(self, command: Command, *, stdin: bytes | None = None, timeout_s: float | None = None) -> Completed:
        """See `Runner.run`."""
        with _started(command, stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE) as process:
            try:
                stdout, stderr = process.communicate(stdin, timeout=timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
                stdout, stderr = process.communicate()
        return Completed(process.returncode, stdout, stderr)

    def stream(self, command: Command, *, on_stdout: Sink, on_stderr: Sink, stdin: IO[bytes] | None = None) -> int:
        """See `Runner.stream`."""
        with _started(command, stdin=subprocess.DEVNULL if stdin is None else stdin) as process:
            if process.stdout is None or process.stderr is None:  # pragma: no branch - pipes were asked for
                raise RuntimeError(command.argv[0])
            readers = [
                threading.Thread(target=_pump, args=(process.stdout, on_stdout), daemon=True),
                threading.Thread(target=_pump, args=(process.stderr, on_stderr), daemon=True),
            ]
            for reader in readers:
                reader.start()
            code = process.wait()
            for reader in readers:
                reader.join()
        return code

    def attach(self, command: Command, *, stdin: IO[bytes] | None = None) -> int:
        """See `Terminal.attach`."""
        with _started(command, stdin=stdin, output=None, end=_outwait) as process:
            return process.wait()

    def spawn(self, command: Command) -> Child:
        """See `Terminal.spawn`."""
        with _started(command, stdin=subprocess.DEVNULL, output=None) as process:
            return _Spawned(process)


@dataclass(frozen=True)
class _Spawned:
    process: subprocess.Popen[bytes]

    def poll(self) -> int | None:
        return self.process.poll()

    def stop(self, timeout_s: float) -> None:
        if self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _told_by_the_terminal(error: BaseException) -> bool:
    """Whether the child has had the interrupt already: Ctrl-C reaches everything in a terminal's foreground.

    Twice would mean `at once` to many programs, which would leave behind what they have to stop.
    """
    # the command line's own exception has the exit code of its signal
    if not isinstance(error, KeyboardInterrupt) or getattr(error, "exit_code", None) not in {None, _EXIT_SIGINT}:
        return False
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


class _Start:
    """The start of a program, in a thread of its own.

    A signal's exception arises in the main thread wherever that is. Inside of Popen it would leave a program that runs
    and that nobody knows of; here it cannot arise, and what has been started is known whatever happened meanwhile.
    """

    def __init__(self, start: Callable[[], subprocess.Popen[bytes]]) -> None:
        self._start = start
        self._begun = False
        self._settled = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._error: BaseException | None = None

    def process(self) -> subprocess.Popen[bytes]:
        """Start it; raises what `start` raises."""
        self._begun = True
        threading.Thread(target=self._run, daemon=True).start()
        self._settled.wait()
        if self._process is None:
            raise self._error or RuntimeError("nothing was started")
        return self._process

    def started(self) -> subprocess.Popen[bytes] | None:
        """What has been started, if anything; waits for a start that is under way."""
        if self._begun:
            self._settled.wait(_GRACE_S)
        return self._process

    def _run(self) -> None:
        try:
            self._process = self._start()
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            self._error = error
        finally:
            self._settled.set()


@contextlib.contextmanager
def _started(
    command: Command,
    *,
    stdin: int | IO[bytes] | None,
    output: int | None = subprocess.PIPE,
    end: Callable[[subprocess.Popen[bytes], BaseException], None] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A program that `end` sees the end of when anything is raised; raises ToolMissing when it does not exist."""
    start = _Start(partial(_popen, command, stdin, output))
    try:
        yield start.process()
    except BaseException as error:
        process = start.started()
        if process is not None:
            (end or _end)(process, error)
        raise


def _popen(command: Command, stdin: int | IO[bytes] | None, output: int | None) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603 - argv is a tuple, never a shell line
            command.argv,
            cwd=command.cwd,
            env=None if command.env is None else dict(command.env),
            stdin=stdin,
            stdout=output,
            stderr=output,
        )
    except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
        if command.cwd is not None and not command.cwd.is_dir():
            raise ToolMissing(f"cannot run {command.argv[0]}: the folder {command.cwd} does not exist") from error
        raise ToolMissing(f"cannot run {command.argv[0]}: {os.strerror(error.errno or 0)}") from error


def _pump(source: IO[bytes], sink: Sink) -> None:
    # read1 returns what is there instead of waiting for a full buffer, so that progress is shown as it happens
    with source:
        while chunk := source.read1(_CHUNK_BYTES):  # type: ignore[attr-defined]
            sink(chunk)


def _outwait(process: subprocess.Popen[bytes], error: BaseException) -> None:
    """Pass an interrupt on, where the program does not have it yet, and wait for the program to act on it."""
    if not _told_by_the_terminal(error):
        _signal(process.pid, signal.SIGINT)
    process.wait()


def _end(process: subprocess.Popen[bytes], _error: BaseException) -> None:
    """End a process that is no longer wanted, and all that it has started: politely first, as Ctrl-C would.

    A terminal's Ctrl-C reaches the whole group by itself; a signal that was sent to this process alone does not, and
    cargo leaves its compilers and build scripts behind.
    """
    family = _descendants(process.pid)
    for pid in (process.pid, *family):
        _signal(pid, signal.SIGINT)
    try:
        process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid in family:
        _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _descendants(pid: int) -> list[int]:
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
        argv = ("ps", "-axo", "pid=,ppid=")
        listed = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603
        for line in listed.stdout.splitlines():
            child, parent = line.split()
            yield int(child), int(parent)
