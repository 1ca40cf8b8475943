"""Whether a parser has done with hostile input what it should: a value, or an error of cargoship's own, soon and small.

A fault is any other exception, more than `TIME_S` of a processor, a process of more than `MEMORY_BYTES`, a path that is
written outside of the folder that was given, a program that is started, a connection, and an error that would reach a
terminal with something that the terminal obeys. On a busy machine a processor's second does less, for a while: what
takes too long is read again, and is a fault only if it does so `ATTEMPTS` times.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from cargoship.cli.failing.failures import explain_error
from cargoship.errors import CargoshipError
from support.hostile.changes import Chance

TIME_S = 2.0
"""Of a processor, for one input; a blocked one may take a little longer by the clock."""
BLOCKED_S = 10.0
ATTEMPTS = 3
MEMORY_BYTES = 300 << 20
_STUCK_S = 120.0
_GUARD_S = 5.0
"""How often the guard against code that does not come back is set up again: each time costs a thread."""


TOO_SLOW = f"it takes more than {TIME_S:g} s"


@dataclass(frozen=True)
class Kind:
    """One kind of input: `read` makes one from chance, and has it read; `share` is how many of all inputs it gets."""

    name: str
    read: Callable[[Chance, Path], object]
    share: float = 1.0
    on_disk: bool = False
    """It writes below its folder, which is new for every input."""
    prepare: Callable[[], object] | None = None
    """Makes once what all inputs need: nobody's time for reading."""


@dataclass(frozen=True)
class Fault:
    """What went wrong, and how to see it again."""

    kind: str
    seed: int
    number: int
    what: str

    def __str__(self) -> str:
        """A headline, and what was seen."""
        again = f"scripts/fuzz-inputs --only {self.kind!r} --seed {self.seed} --first {self.number} --inputs 1"
        return f"{self.kind}: {again}\n{self.what}"


@dataclass
class Account:
    """What was tried."""

    inputs: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)


class Slow(BaseException):
    """The time is up; no `except Exception` is to take it for an error of the input."""


class Obeyed(AssertionError):
    """Text that a terminal would obey."""


def shown(text: str) -> None:
    """Text that goes to a terminal: nothing of it is more than text."""
    for line in text.split("\n"):
        if not line.isprintable():
            raise Obeyed(f"a terminal would obey {line[:300]!r}")


class Judge:
    """Has inputs read, and watches what is done."""

    def __init__(self, work: Path, seed: int) -> None:
        self._work = work
        self._seed = seed
        self._room = work / "room"
        self._guarded = False
        self._strayed: list[str] = []
        self._outside = work / "outside"
        self._outside.mkdir(parents=True)
        (self._outside / "file").write_text("untouched\n")
        self._before = self._around()
        self.account = Account()

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """From here on what a parser does is seen; for the whole of this process, from the first time on."""
        sys.addaudithook(self._audit)
        before = signal.signal(signal.SIGPROF, _too_slow), signal.signal(signal.SIGALRM, _too_slow)
        scratch, tempfile.tempdir = tempfile.tempdir, str(self._room)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
            tempfile.tempdir = scratch
            signal.signal(signal.SIGPROF, before[0])
            signal.signal(signal.SIGALRM, before[1])

    def try_kind(self, kind: Kind, count: int, first: int = 0, *, stop: int = 5) -> None:
        """Have inputs `first` and following read; no more of a kind that has `stop` faults."""
        self._renew()
        if kind.prepare is not None:
            # as long as it takes: it is not what is judged
            faulthandler.cancel_dump_traceback_later()
            kind.prepare()
        faults, guarded_s = 0, -_GUARD_S
        for number in range(first, first + count):
            if time.monotonic() - guarded_s >= _GUARD_S:
                # code in C that does not come back is no Python exception
                faulthandler.dump_traceback_later(_STUCK_S, exit=True)
                guarded_s = time.monotonic()
            self.account.inputs[kind.name] += 1
            what = TOO_SLOW
            attempts = 0
            while what == TOO_SLOW and attempts < ATTEMPTS:
                what = self._try(kind, number)
                attempts += 1
                if kind.on_disk or what == TOO_SLOW:
                    self._renew()
            if what:
                self.account.faults.append(Fault(kind.name, self._seed, number, what))
                faults += 1
                if faults >= stop:
                    return

    def _try(self, kind: Kind, number: int) -> str:
        what = ""
        chance = Chance(f"{self._seed} {kind.name} {number}")
        self._strayed.clear()
        try:
            with self._timed():
                self._guarded = True
                try:
                    kind.read(chance, self._room)
                except CargoshipError as error:
                    self.account.refused[kind.name] += 1
                    shown(explain_error(error).text().expandtabs())
                finally:
                    self._guarded = False
        except Slow:
            what = TOO_SLOW
        except MemoryError:
            what = "it takes all memory"
        except Exception:  # noqa: BLE001 - whatever it is, it is what we look for
            what = "\n".join(line[:300] for line in traceback.format_exc(limit=-12).split("\n"))
        used = _peak_bytes()
        if used > MEMORY_BYTES:
            what = what or f"the process has grown to {used >> 20} MiB"
            # the peak is forgotten, so that the next input is not blamed
            with contextlib.suppress(OSError):
                Path("/proc/self/clear_refs").write_text("5")
        if self._strayed:
            what = what or "\n".join(self._strayed[:5])
        if self._around() != self._before:
            what = what or "it has written outside of its folder"
            self._before = self._around()
        return what

    @contextlib.contextmanager
    def _timed(self) -> Iterator[None]:
        signal.setitimer(signal.ITIMER_PROF, TIME_S)
        signal.setitimer(signal.ITIMER_REAL, BLOCKED_S)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _around(self) -> Mapping[str, tuple[int, int, int]]:
        return {
            each.name: (status.st_mtime_ns if each.name == "file" else 0, status.st_size, status.st_mode)
            for folder in (self._work, self._outside)
            for each in os.scandir(folder)
            if each.name != "room"
            for status in [each.stat(follow_symlinks=False)]
        }

    def _renew(self) -> None:
        remove(self._room)
        self._room.mkdir()

    def _audit(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self._guarded:
            return
        if event in _STARTS:
            self._strayed.append(f"it has started something or asked the network: {event} {arguments!r:.300}")
        elif (places := _WRITES.get(event)) is not None:
            if event == "open" and not _is_write(arguments):
                return
            for place in places:
                self._look(event, arguments[place], arguments)

    def _look(self, event: str, given: object, arguments: tuple[object, ...]) -> None:
        if not isinstance(given, str | bytes | os.PathLike):
            return
        path = os.fsdecode(given)
        if not os.path.isabs(path) and any(isinstance(each, int) and each > 2 for each in arguments[1:]):  # noqa: PTH117 - plain strings
            return  # from a folder that is open already; what is around is compared too
        folder = os.path.realpath(os.path.dirname(os.path.abspath(path)))  # noqa: PTH100, PTH120
        if path not in _FINE and not (folder + "/").startswith(f"{self._room}/") and path != str(self._room):
            self._strayed.append(f"it has written elsewhere: {event} {path!r}")


_STARTS = {
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.spawn",
    "pty.spawn",
    "socket.connect",
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "socket.bind",
    "os.startfile",
}
_WRITES = {
    "open": (0,),
    "os.mkdir": (0,),
    "os.rename": (0, 1),
    "os.link": (1,),
    "os.symlink": (1,),
    "os.remove": (0,),
    "os.rmdir": (0,),
    "os.chmod": (0,),
    "os.chown": (0,),
    "os.truncate": (0,),
    "os.utime": (0,),
    "shutil.rmtree": (0,),
    "os.mkfifo": (0,),
    "os.mknod": (0,),
}
_FINE = {"/dev/null", "/proc/self/clear_refs"}


def _is_write(arguments: tuple[object, ...]) -> bool:
    flags = arguments[2] if len(arguments) > 2 else 0
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND))


def _too_slow(_number: int, _frame: FrameType | None) -> None:
    raise Slow


def remove(folder: Path) -> None:
    """A folder and all that is in it, whatever its modes; no link is followed."""
    if not os.path.lexists(folder):
        return
    for place, names, files in os.walk(folder):
        with contextlib.suppress(OSError):
            os.chmod(place, 0o700)  # noqa: PTH101 - plain strings
        for name in (*files, *(each for each in names if os.path.islink(f"{place}/{each}"))):  # noqa: PTH114
            os.unlink(f"{place}/{name}")  # noqa: PTH108
    for place, _, _ in os.walk(folder, topdown=False):
        os.rmdir(place)  # noqa: PTH106


def _peak_bytes() -> int:
    """The most memory that this program has had: getrusage(2) counts what was there before it took the process over."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError("this system does not tell how large a process was")
