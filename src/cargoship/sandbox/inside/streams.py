"""The caller's streams, so that the program gets what passes through them and not the files behind them.

An open file is more than its content: its owner may change its mode by it, and open it again, by /proc/self/fd, for
more than it was opened for. Where the program is the caller's own user it would be that owner. And a program that may
not open its streams by their names cannot log to /dev/stdout.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
import stat

from cargoship.sandbox.inside.kernel import (
    MS_BIND,
    MS_NOEXEC,
    MS_NOSUID,
    MS_RDONLY,
    MS_REMOUNT,
    die_with_parent,
    mount,
)  # fmt: skip

_STREAMS = _INPUT, _OUTPUT, _ERROR = 0, 1, 2
_PIECE_BYTES = 1 << 16


class Relays:
    """Processes outside of the sandbox that carry what is read and written, by pipes that are the program's own.

    Pipes of the caller's are carried too: who may open one again may read what others write to it, and the other way
    round. `owner` is who may open the pipes here; None: the caller.
    """

    def __init__(self, owner: tuple[int, int] | None) -> None:
        self._owner = owner
        self._writers: list[int] = []
        _fill()
        known = [os.fstat(number) for number in _STREAMS]
        if not stat.S_ISCHR(known[_INPUT].st_mode):
            here, there = self._pipe()
            _carry(_INPUT, there, tied=True)
            _become(_INPUT, here, there)
        if not stat.S_ISCHR(known[_OUTPUT].st_mode):
            self._write(_OUTPUT)
        if os.path.samestat(known[_OUTPUT], known[_ERROR]):
            os.dup2(_OUTPUT, _ERROR)  # one pipe keeps the order
        elif not stat.S_ISCHR(known[_ERROR].st_mode):
            self._write(_ERROR)

    def _write(self, number: int) -> None:
        here, there = self._pipe()
        self._writers.append(_carry(here, number))
        _become(number, there, here)

    def _pipe(self) -> tuple[int, int]:
        here, there = os.pipe()
        if self._owner is not None:
            os.fchown(here, *self._owner)
        return here, there

    def finish(self) -> None:
        """Wait until all that was written is at its place; this process says nothing after that."""
        if not self._writers:
            return
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in _STREAMS:
            os.dup2(nowhere, number)
        for pid in self._writers:
            os.waitpid(pid, 0)


class Console:
    """A named pipe to the caller's terminal, by which it can be opened for writing.

    In a namespace with users of its own the terminal belongs to none of them. It is carried by a process that is
    started before this one leaves for other namespaces, and takes the pipe when it is there.
    """

    def __init__(self) -> None:
        self._ends: tuple[int, ...] = ()
        hear, self._tell = os.pipe()
        self._hear, tell = os.pipe()
        whose = os.getpid()
        self._pid = os.fork()
        if self._pid:
            os.close(hear)
            os.close(tell)
            return
        try:
            os.setsid()
            terminal = next(number for number in (_OUTPUT, _ERROR) if os.isatty(number))
            os.close(self._tell)
            number = int(os.read(hear, 16))
            pipe = os.open(f"/proc/{whose}/fd/{number}", os.O_RDONLY)
            os.write(tell, b"r")
            _carry_alone(pipe, terminal)
        finally:
            os._exit(0)

    def open(self, path: str) -> None:
        """Let it carry what is written to the pipe that is there; raises OSError."""
        here = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._ends = (here, os.open(path, os.O_WRONLY))
        os.write(self._tell, b"%d" % here)
        if not os.read(self._hear, 1):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES), path)

    def finish(self) -> None:
        """Wait until all is at the terminal."""
        for number in (*self._ends, self._tell):
            os.close(number)
        os.waitpid(self._pid, 0)


def terminals() -> tuple[str, ...]:
    """Which streams are written to a terminal, by their names in /dev."""
    return tuple(name for name, number in (("stdout", _OUTPUT), ("stderr", _ERROR)) if os.isatty(number))


def fix_terminals() -> None:
    """Keep the caller's terminal, where it is the caller's own file, from being changed by way of a stream.

    For a mount namespace of one's own: the terminal is opened again from a mount where nothing can be changed.
    """
    for number in _STREAMS:
        known = os.fstat(number)
        if not stat.S_ISCHR(known.st_mode) or known.st_uid != os.geteuid():
            continue
        path = os.readlink(f"/proc/self/fd/{number}")
        if not os.path.exists(path) or not os.path.samestat(os.stat(path), known):
            continue  # of another mount namespace
        mount(path, path, flags=MS_BIND)
        mount("none", path, flags=MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NOEXEC)
        fixed = os.open(path, fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE | os.O_NOCTTY)
        os.dup2(fixed, number)
        os.close(fixed)


def _fill() -> None:
    """Put nothing where the caller has closed a stream, so that no file of this process's takes its place."""
    while (number := os.open(os.devnull, os.O_RDWR)) in _STREAMS:
        os.set_inheritable(number, True)  # noqa: FBT003 - it takes no keyword
    os.close(number)


def _become(number: int, end: int, other: int) -> None:
    os.dup2(end, number)
    os.close(end)
    os.close(other)


def _carry(source: int, sink: int, *, tied: bool = False) -> int:
    """Start a process that reads and writes until there is no more, or nobody who reads it.

    One that is `tied` ends with this process: it may wait for what nobody sends.
    """
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()  # what a terminal says to those in its foreground is not for it
        if tied:
            die_with_parent(signal.SIGKILL)
        _carry_alone(source, sink)
    finally:
        os._exit(0)


def _carry_alone(source: int, sink: int) -> None:
    """The same in this process, with nothing else open."""
    sink = os.dup(sink)
    os.dup2(source, 0)
    os.dup2(sink, 1)
    os.closerange(2, 1 << 16)
    _pass_on(0, 1)


def _pass_on(source: int, sink: int) -> None:
    while piece := _read(source):
        while piece:
            try:
                piece = piece[os.write(sink, piece) :]
            except BlockingIOError:
                # somebody else who has the other end may have set it so
                select.select([], [sink], [])


def _read(source: int) -> bytes:
    while True:
        try:
            return os.read(source, _PIECE_BYTES)
        except BlockingIOError:
            select.select([source], [], [])
