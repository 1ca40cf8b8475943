"""Programs are started here, read, waited for, and ended when they are no longer wanted."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO

from msgspec import Struct

from cargoship.errors import ToolMissing
from cargoship.process.family import descendants, send_signal
from cargoship.process.runner import OUTPUT_BYTES_MAX, Child, Command, Completed, GracePeriod, Sink
from cargoship.programs import ProgramFinder, absolute_path
from cargoship.uninterrupted import Uninterrupted

_CHUNK_BYTES = 64 * 1024
_GRACE_S = 5.0
_LOOK_S = 0.05
"""How often a program is looked at that may be cancelled: for one that takes long."""
_EXIT_SIGINT = 130


class SystemRunner:
    """Starts real processes, found by `programs`, and leaves none behind when interrupted."""

    programs: ProgramFinder = ProgramFinder()

    def __init__(self, programs: ProgramFinder | None = None) -> None:
        if programs is not None:
            self.programs = programs

    def run(self, command: Command, *, stdin: bytes | None = None, timeout_s: float | None = None) -> Completed:
        """See `Runner.run`."""
        with _started(
            self.programs, command, stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE
        ) as process:
            _limit_memory(process.pid, command.memory_bytes)
            return _Answer(process, stdin).wait(timeout_s, command.cancelled)

    def stream(self, command: Command, *, on_stdout: Sink, on_stderr: Sink, stdin: IO[bytes] | None = None) -> int:
        """See `Runner.stream`."""
        with _started(self.programs, command, stdin=subprocess.DEVNULL if stdin is None else stdin) as process:
            if process.stdout is None or process.stderr is None:  # pragma: no branch - pipes were asked for
                raise RuntimeError(command.argv[0])
            readers = [
                threading.Thread(target=_pump, args=(process.stdout, on_stdout), daemon=True),
                threading.Thread(target=_pump, args=(process.stderr, on_stderr), daemon=True),
            ]
            for reader in readers:
                reader.start()
            code = _waited(process)
            for reader in readers:
                reader.join()
        return code

    def attach(self, command: Command, *, stdin: IO[bytes] | None = None, patience: GracePeriod | None = None) -> int:
        """See `Terminal.attach`."""
        outwait = partial(_outwait, patience)
        with _started(self.programs, command, stdin=stdin, output=None, end=outwait) as process:
            return _waited(process)

    def spawn(self, command: Command) -> Child:
        """See `Terminal.spawn`."""
        with _started(self.programs, command, stdin=subprocess.DEVNULL, output=None) as process:
            return _Spawned(process)


class _Spawned(Struct, frozen=True):
    process: subprocess.Popen[bytes]

    def poll(self) -> int | None:
        return self.process.poll()

    def stop(self, timeout_s: float) -> bool:
        if self.process.poll() is not None:
            return True
        self.process.terminate()
        return _ended(self.process, timeout_s)


class _Answer:
    """What a program says, read as it comes and up to a limit."""

    def __init__(self, process: subprocess.Popen[bytes], stdin: bytes | None) -> None:
        self.stdout, self.stderr = bytearray(), bytearray()
        self._process = process
        self._ended_by_us = False
        self._threads = [
            threading.Thread(target=_pump, args=(stream, partial(self._keep, kept)), daemon=True)
            for stream, kept in ((process.stdout, self.stdout), (process.stderr, self.stderr))
        ]
        if stdin is not None:
            self._threads.append(threading.Thread(target=_feed, args=(process.stdin, stdin), daemon=True))
        for thread in self._threads:
            thread.start()

    def wait(self, timeout_s: float | None, cancelled: threading.Event | None) -> Completed:
        """What there is, when all is read, or when the time is over: others may hold a stream open for ever."""
        until = float("inf") if timeout_s is None else time.monotonic() + timeout_s
        if cancelled is not None:
            while self._has_more() and time.monotonic() < until and not cancelled.wait(_LOOK_S):
                pass
            until = min(until, time.monotonic()) if self._has_more() else until
        for wait in (*(thread.join for thread in self._threads), self._process.wait):
            with contextlib.suppress(subprocess.TimeoutExpired):
                wait(None if until == float("inf") else max(0.0, until - time.monotonic()))
        if self._process.poll() is None:
            self._end()
            for thread in self._threads:
                thread.join(_GRACE_S)
        self._process.wait()
        code = -signal.SIGKILL if self._ended_by_us else self._process.returncode
        return Completed(code, bytes(self.stdout), bytes(self.stderr))

    def _has_more(self) -> bool:
        return self._process.poll() is None or any(thread.is_alive() for thread in self._threads)

    def _keep(self, kept: bytearray, piece: bytes) -> None:
        if len(kept) + len(piece) > OUTPUT_BYTES_MAX:
            self._end()
        else:
            kept += piece

    def _end(self) -> None:
        if not self._ended_by_us:
            self._ended_by_us = True
            family = descendants(self._process.pid)
            self._process.kill()
            for pid in family:
                send_signal(pid, signal.SIGKILL)


def _limit_memory(pid: int, memory_bytes: int | None) -> None:
    """Let a process have no more memory of its own than that, where the system can say so."""
    if memory_bytes is not None and hasattr(resource, "prlimit"):
        with contextlib.suppress(OSError, ValueError):  # a lower limit than that is in force
            most = resource.prlimit(pid, resource.RLIMIT_DATA)[1]
            resource.prlimit(pid, resource.RLIMIT_DATA, (memory_bytes, most))


def _feed(sink: IO[bytes], data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), sink:
        sink.write(data)


def _interrupted_by_terminal(error: BaseException) -> bool:
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


@contextlib.contextmanager
def _started(
    programs: ProgramFinder,
    command: Command,
    *,
    stdin: int | IO[bytes] | None,
    output: int | None = subprocess.PIPE,
    end: Callable[[subprocess.Popen[bytes], BaseException], None] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A program that `end` sees the end of when anything is raised; raises ToolMissing when it does not exist."""
    start = Uninterrupted(partial(_popen, programs, command, stdin, output))
    try:
        yield start.result()
    except BaseException as error:
        process = start.known()
        if process is not None:
            (end or _end)(process, error)
        raise


def _resolved(programs: ProgramFinder, command: Command) -> tuple[tuple[str, ...], dict[str, str] | None]:
    """The words and the environment to start a command with: a name has become a path; raises ToolMissing."""
    name, *words = command.argv
    env = None if command.env is None else dict(command.env)
    if "/" in name:
        return command.argv, env
    seen = {"PATH": os.pathsep.join(os.get_exec_path())} if env is None else env
    path = programs.find(name, seen)
    if path is None:
        raise ToolMissing(programs.reason(name, seen), hint=programs.origin(name))
    if env is not None and "PATH" in env and not programs.is_cargos(name):
        env["PATH"] = absolute_path(env)
    return (str(path), *words), env


def _popen(
    programs: ProgramFinder, command: Command, stdin: int | IO[bytes] | None, output: int | None
) -> subprocess.Popen[bytes]:
    argv, env = _resolved(programs, command)
    try:
        return subprocess.Popen(  # noqa: S603 - argv is a tuple, never a shell line
            argv,
            cwd=command.cwd,
            env=env,
            stdin=stdin,
            stdout=output,
            stderr=output,
        )
    except OSError as error:
        if command.cwd is not None and not command.cwd.is_dir():
            raise ToolMissing(f"cannot run {command.argv[0]}: the folder {command.cwd} does not exist") from error
        raise ToolMissing(f"cannot run {command.argv[0]}: {os.strerror(error.errno or 0)}") from error


def _pump(source: IO[bytes], sink: Sink) -> None:
    # read1 returns what is there instead of waiting for a full buffer, so that progress is shown as it happens
    with source:
        while chunk := source.read1(_CHUNK_BYTES):  # type: ignore[attr-defined]
            sink(chunk)


def _waited(process: subprocess.Popen[bytes]) -> int:
    """The exit code at its end. An interrupt ends the wait at once.

    `Popen.wait` would hold it back for a quarter of a second, for a child that has had it too: SIGTERM has reached this
    process alone.
    """
    if sys.platform != "darwin":
        # it is left for Popen to collect, which knows it afterwards
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    return process.wait()


def _outwait(patience: GracePeriod | None, process: subprocess.Popen[bytes], error: BaseException) -> None:
    """Pass an interrupt on, where the program does not have it yet, and wait for the program to act on it."""
    if not _interrupted_by_terminal(error):
        # as a shell tells the signal that ended a program
        number = getattr(error, "exit_code", _EXIT_SIGINT) - 128
        send_signal(process.pid, signal.Signals(number))
    try:
        in_time = _ended(process, None if patience is None else patience.seconds)
    except BaseException:
        in_time = False
        raise
    finally:
        if patience is not None and not in_time:
            patience.lost()


def _ended(process: subprocess.Popen[bytes], timeout_s: float | None) -> bool:
    """Whether a program ends by itself within the time; whatever else happens, it has ended afterwards."""
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return False
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return True


def _end(process: subprocess.Popen[bytes], _error: BaseException) -> None:
    """End a process that is no longer wanted, and all that it has started: politely first, as Ctrl-C would.

    A terminal's Ctrl-C reaches the whole group by itself; a signal that was sent to this process alone does not, and
    cargo leaves its compilers and build scripts behind.
    """
    family = descendants(process.pid)
    for pid in (process.pid, *family):
        send_signal(pid, signal.SIGINT)
    try:
        process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid in family:
        send_signal(pid, signal.SIGKILL)
