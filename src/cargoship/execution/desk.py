"""Where calls of rustc are handed over: each is made by a worker, or sent back to be made here.

cargo starts `handover.c` in the place of rustc, which asks here, over a socket of this machine that only this user can
open. What cannot be made elsewhere, and what fails elsewhere for whatever reason, is made here, as if nobody had asked;
of these calls as many run at a time as this machine has cores.
"""

from __future__ import annotations

import contextlib
import os
import socketserver
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct, field

from cargoship.errors import CargoshipError, Stopped
from cargoship.events import Emit, Level, Note, SlotsUsed, count
from cargoship.execution.call import RustcCall, StaysHere, read_call
from cargoship.execution.compiling import Made, RemoteCompiler
from cargoship.execution.linking import Unlinked, link
from cargoship.process import Runner
from cargoship.scratch import scratch
from cargoship.unitcache.watching.records import Event, seen_as_part_of, write_trace

_WORDS_MAX = 20_000
_BYTES_MAX = 16 << 20
_HEAD = struct.Struct("=II")
_LENGTH = struct.Struct("=I")
_FRAME = struct.Struct("=cI")
_FAILURES_MAX = 3
"""After so many failures one after the other a cluster is asked no more."""
_POLL_S = 0.05


class Tally(Struct):
    """What became of the calls of a run."""

    there: int = 0
    cached: int = 0
    """Of those: how many a worker had compiled before."""
    here: Counter[str] = field(default_factory=Counter)
    """Why others were not."""
    failed: list[str] = field(default_factory=list)

    def sentence(self, name: str) -> str:
        """All of it, for a person; `name` is that of the cluster."""
        known = f", {self.cached} of them known there" if self.cached else ""
        why = "".join(f"; {number}: {reason}" for reason, number in self.here.most_common(3))
        return f"{count(self.there, 'unit')} compiled at {name}{known}, {self.here.total()} here{why}"


class Desk:
    """Decides where each call is made. Safe to share between threads."""

    def __init__(
        self, compiler: RemoteCompiler, runner: Runner, *, slots: int, cores: int, name: str, emit: Emit
    ) -> None:
        self._compiler = compiler
        self._runner = runner
        self._slots = threading.Semaphore(slots)
        self._number = slots
        self._busy = 0
        self._cores = threading.Semaphore(cores)
        self._name = name
        self._emit = emit
        self._lock = threading.Lock()
        self._failures = 0
        self.tally = Tally()

    def made_there(self, argv: Sequence[str], cwd: str, env: Mapping[str, str]) -> Made | None:
        """What a worker has made of a call; None where it is to be made here. Never fails."""
        why = "the cluster has failed"
        if self._failures < _FAILURES_MAX:
            try:
                call = read_call(argv[1:], cwd, env)
                return self._compiled(call)
            except StaysHere as stays:
                why = str(stays)
            except Stopped:
                why = "the run was stopped"
            except CargoshipError as error:
                why = self._failed(error.message)
            except Exception as error:  # noqa: BLE001 - whatever is wrong in here, rustc is there
                why = self._failed(repr(error))
        with self._lock:
            self.tally.here[why] += 1
        self._emit(Note(f"compiled here: {_crate(argv)}: {why}", Level.DEBUG))
        return None

    @contextlib.contextmanager
    def made_here(self) -> Iterator[None]:
        """Wait until this machine has a core for another call."""
        with self._cores:
            yield

    def _compiled(self, call: RustcCall) -> Made:
        with contextlib.ExitStack() as held:
            return self._placed(call, held)

    def _placed(self, call: RustcCall, held: contextlib.ExitStack) -> Made:
        if not self._slots.acquire(blocking=False):
            raise StaysHere("all slots were taken")
        began_ns = time.time_ns()
        self._use(+1)
        try:
            made = self._compiler.compile(call, held)
        finally:
            self._slots.release()
            self._use(-1)
        trace = _note_reads(call, made, began_ns, self._name)
        if made.unlinked is not None:
            self._link(call, made.unlinked, trace)
        with self._lock:
            self._failures = 0
            self.tally.there += 1
            self.tally.cached += made.cached
        what = "was known at" if made.cached else "was compiled at"
        target = f" for {call.target}" if call.target else ""
        self._emit(Note(f"{call.crate}{target} {what} {self._name}", Level.VERBOSE))
        return made

    def _link(self, call: RustcCall, given: Unlinked, trace: Path | None) -> None:
        """The last step of a program; raises StaysHere, Stopped."""
        env = call.env if trace is None else {**call.env, **seen_as_part_of(trace)}
        try:
            with self.made_here():
                link(call, given, runner=self._runner, env=env)
        except BaseException as error:
            # rustc tells here what it has read
            if trace is not None:
                trace.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise StaysHere(f"it could not be linked: {error.strerror}") from error
            raise

    def _use(self, more: int) -> None:
        with self._lock:
            self._busy += more
            # in the order in which it is so
            self._emit(SlotsUsed(self._name, self._busy, self._number))

    def _failed(self, words: str) -> str:
        with self._lock:
            self._failures += 1
            first = not self.tally.failed
            self.tally.failed.append(words)
        if first:
            self._emit(Note(f"{words}; what it does not compile is compiled here", Level.WARNING))
        return "the cluster has failed"


@contextlib.contextmanager
def open_desk(desk: Desk) -> Iterator[Path]:
    """Take calls, at the socket whose path is given; raises OSError."""
    with scratch("cargoship-") as folder:
        place = folder / "desk"
        with _Server(str(place), desk) as server:
            thread = threading.Thread(target=server.serve_forever, args=(_POLL_S,), daemon=True)
            thread.start()
            try:
                yield place
            finally:
                server.shutdown()
                thread.join()


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False
    # cargo starts many at once
    request_queue_size = 1024

    def __init__(self, place: str, desk: Desk) -> None:
        self.desk = desk
        super().__init__(place, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A compiler that was ended in the middle is nobody's fault."""


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        cwd, argv, env = _request(self.rfile.read)
        made = self.server.desk.made_there(argv, cwd, env)
        if made is not None:
            self.wfile.write(_FRAME.pack(b"2", len(made.stderr)) + made.stderr + _FRAME.pack(b"X", 0))
            return
        with self.server.desk.made_here():
            self.wfile.write(_FRAME.pack(b"L", 0))
            # rustc holds the other end until it has ended
            self.rfile.read(1)


def _request(read: Callable[[int], bytes]) -> tuple[str, list[str], dict[str, str]]:
    """Folder, words and variables, as `handover.c` sends them; raises ValueError."""
    words, variables = _HEAD.unpack(_exactly(read, _HEAD.size))
    if words + variables > _WORDS_MAX:
        raise ValueError(words)
    left = _BYTES_MAX
    texts: list[str] = []
    for _ in range(1 + words + variables):
        (size,) = _LENGTH.unpack(_exactly(read, _LENGTH.size))
        left -= size
        if left < 0:
            raise ValueError(size)
        texts.append(os.fsdecode(_exactly(read, size)))
    pairs = (text.partition("=") for text in texts[1 + words :])
    return texts[0], texts[1 : 1 + words], {name: value for name, _, value in pairs}


def _exactly(read: Callable[[int], bytes], size: int) -> bytes:
    data = read(size)
    if len(data) != size:
        raise ValueError(size)
    return data


def _crate(argv: Sequence[str]) -> str:
    return argv[argv.index("--crate-name") + 1] if "--crate-name" in argv[:-1] else "a crate"


def _note_reads(call: RustcCall, made: Made, began_ns: int, where: str) -> Path | None:
    """Note what a unit has read, where it is watched what those that are compiled here read."""
    folder = call.env.get("CARGOSHIP_WATCH")
    if not folder:
        return None
    read = [os.path.normpath(os.path.join(call.cwd, name)) for name in made.dep_info.files]  # noqa: PTH118 - text
    events = [Event("O", path) for path in read]
    # a module has one of two places: rustc has looked for it at the other one, too
    for path in (path for path in read if path.endswith(".rs") and path != call.source):
        place, name = os.path.split(path)
        other = f"{place}.rs" if name == "mod.rs" else f"{path.removesuffix('.rs')}/mod.rs"
        if other not in read:
            events.append(Event("A", other))
    events += made.seen
    return write_trace(
        Path(folder), began_ns,
        crate=call.crate, suffix=call.suffix, out_dir=call.out_dir, events=events, where=where,
    )  # fmt: skip
