"""The desk: who asks, and what is answered; a worker is played by the tests."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from cargoship.errors import RemoteFailed
from cargoship.events import Event, Level, Note, SlotsUsed
from cargoship.execution.call import RustcCall, StaysHere
from cargoship.execution.compiling import Made, RemoteCompiler
from cargoship.execution.crate_reads import CrateReads
from cargoship.execution.desk import Desk, open_desk
from cargoship.execution.linking import Unlinked
from cargoship.process.system import SystemRunner
from cargoship.unitcache.watching.records import read_records
from unit.execution.test_call import ARGV, PROGRAM
from unit.execution.test_linking import LINKER

MADE = Made(b'{"artifact":"x"}\n', CrateReads(("src/lib.rs", "src/a.rs", "src/b/mod.rs"), {}), cached=True)


@dataclass
class Worker:
    """In the place of a RemoteCompiler."""

    answer: Callable[[RustcCall], Made] = lambda _: MADE

    def compile(self, call: RustcCall, held: contextlib.ExitStack) -> Made:  # noqa: ARG002 - as it is
        return self.answer(call)


@dataclass
class Place:
    desk: Desk
    path: Path
    events: list[Event]

    def asks(
        self, argv: Sequence[str] = ARGV, env: Sequence[str] = ("A=1",), cwd: str = "/ws"
    ) -> tuple[socket.socket, bytes]:
        """What is answered, as far as it comes at once, and the connection."""
        caller = socket.socket(socket.AF_UNIX)
        caller.settimeout(20)
        caller.connect(str(self.path))
        texts = [cwd.encode(), *(each.encode() for each in ("rustc", *argv)), *(each.encode() for each in env)]
        caller.sendall(struct.pack("=II", 1 + len(argv), len(env)))
        caller.sendall(b"".join(struct.pack("=I", len(text)) + text for text in texts))
        return caller, caller.recv(1 << 16)

    @property
    def warnings(self) -> list[str]:
        return [each.text for each in self.events if isinstance(each, Note) and each.level is Level.WARNING]


@dataclass
class Settings:
    worker: Worker = field(default_factory=Worker)
    slots: int = 2
    cores: int = 1


@pytest.fixture
def settings() -> Settings:
    return Settings()


@pytest.fixture
def place(settings: Settings) -> Iterator[Place]:
    events: list[Event] = []
    desk = Desk(
        cast("RemoteCompiler", settings.worker), SystemRunner(), slots=settings.slots, cores=settings.cores,
        name="reapi://there", emit=events.append,
    )  # fmt: skip
    with open_desk(desk) as path:
        yield Place(desk, path, events)


HERE = b"L" + struct.pack("=I", 0)


def test_what_a_worker_has_made_is_said_as_rustc_would(place: Place) -> None:
    caller, answer = place.asks()
    with caller:
        assert answer == b"2" + struct.pack("=I", len(MADE.stderr)) + MADE.stderr + b"X" + struct.pack("=I", 0)
    assert place.desk.tally.sentence("there") == "1 unit compiled at there, 1 of them known there, 0 here"
    used = [event for event in place.events if isinstance(event, SlotsUsed)]
    assert used == [SlotsUsed("reapi://there", 1, 2), SlotsUsed("reapi://there", 0, 2)]


def test_what_stays_here_waits_for_a_core_and_holds_it(settings: Settings, place: Place) -> None:
    def stays(_: RustcCall) -> Made:
        raise StaysHere("it is so")

    settings.worker.answer = stays
    first, answer = place.asks()
    assert answer == HERE
    got: list[bytes] = []

    def asks() -> None:
        caller, answer = place.asks()
        caller.close()
        got.append(answer)

    second = threading.Thread(target=asks)
    second.start()
    time.sleep(0.2)
    assert not got, "there is one core"
    first.close()
    second.join(20)
    assert got == [HERE]
    assert not place.warnings


def test_a_cluster_that_fails_is_said_once_and_asked_no_more(settings: Settings, place: Place) -> None:
    asked: list[str] = []

    def fails(call: RustcCall) -> Made:
        asked.append(call.crate)
        raise RemoteFailed("there does not answer")

    settings.worker.answer = fails
    for _ in range(5):
        caller, answer = place.asks()
        caller.close()
        assert answer == HERE
    assert place.warnings == ["there does not answer; what it does not compile is compiled here"]
    assert len(asked) == 3


def test_a_fault_of_ours_costs_no_build(settings: Settings, place: Place) -> None:
    def breaks(_: RustcCall) -> Made:
        raise ZeroDivisionError

    settings.worker.answer = breaks
    caller, answer = place.asks()
    caller.close()
    assert answer == HERE


@pytest.mark.parametrize(
    "said",
    [b"", b"\x01", struct.pack("=II", 1 << 30, 0), struct.pack("=III", 0, 0, 1 << 31), struct.pack("=III", 3, 3, 9)],
    ids=["nothing", "half", "words", "bytes", "ends"],
)
def test_who_does_not_speak_as_the_stand_in_does_harms_nobody(place: Place, said: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(20)
        caller.connect(str(place.path))
        caller.sendall(said)
        caller.shutdown(socket.SHUT_WR)
        assert caller.recv(10) == b""
    caller, answer = place.asks()
    caller.close()
    assert answer[:1] == b"2"


def test_nobody_else_may_ask(place: Place) -> None:
    assert place.path.parent.stat().st_mode & 0o077 == 0


def test_what_a_unit_has_read_there_is_noted_as_if_it_had_been_seen_here(place: Place, tmp_path: Path) -> None:
    caller, _ = place.asks(env=(f"CARGOSHIP_WATCH={tmp_path}",))
    caller.close()
    key = ("/ws/target/t/release/deps", "foo", "-0123456789abcdef")
    (record,) = read_records(tmp_path).compilers[key]
    events = [(event.kind, event.text) for event in record.events()]
    assert ("O", "/ws/src/a.rs") in events
    assert ("A", "/ws/src/a/mod.rs") in events
    assert ("A", "/ws/src/b.rs") in events


@pytest.mark.parametrize("works", [True, False])
def test_a_program_is_linked_here_and_what_its_linker_reads_is_noted_with_it(
    settings: Settings, place: Place, tmp_path: Path, *, works: bool
) -> None:
    deps, traces = tmp_path / "deps", tmp_path / "traces"
    for folder in (deps, traces, tmp_path / "bin"):
        folder.mkdir()
    linker = tmp_path / "bin" / "cargoship-t-unknown-linux-musl-ld"
    linker.write_text(LINKER.format(f'echo "$CARGOSHIP_WATCH_UNIT" >{tmp_path}/unit; {"" if works else "exit 1"}'))
    linker.chmod(0o755)
    program = deps / "foo-0123456789abcdef"
    given = Unlinked((f"{program}.a.o", "-o", str(program)), {f"{program}.a.o": b"an object"})
    settings.worker.answer = lambda _: Made(b"", MADE.dep_info, cached=False, unlinked=given)
    argv = [word.replace("/ws/target/t/release/deps", str(deps)).replace("/ws", str(tmp_path)) for word in PROGRAM]
    caller, answer = place.asks(
        argv, (f"CARGOSHIP_WATCH={traces}", f"PATH={tmp_path}/bin:/usr/bin:/bin"), str(tmp_path)
    )
    with caller:
        assert answer == (b"2\0\0\0\0X\0\0\0\0" if works else HERE)
    found = read_records(traces).compilers
    noted = (tmp_path / "unit").read_text().strip()
    assert Path(noted).parent == traces
    if works:
        assert program.read_bytes() == b"an object"
        assert [str(each.path) for (each,) in found.values()] == [noted]
    else:
        assert not found, "rustc notes here what it reads"
        assert not program.exists()
    assert not place.warnings
