"""Programs that were started are ended with the run that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cargoship.process import CancellableRunner, Command, GracePeriod, SystemRunner, system
from cargoship.process.family import send_signal

pytestmark = pytest.mark.tools

SLEEP = Command(("sleep", "60"))


def _ignored(_: bytes) -> None:
    """Output that nobody wants."""


@pytest.mark.parametrize(
    "start",
    [
        lambda runner: runner.run(SLEEP),
        lambda runner: runner.stream(SLEEP, on_stdout=_ignored, on_stderr=_ignored),
        lambda runner: runner.attach(SLEEP),
        lambda runner: runner.spawn(SLEEP),
    ],
    ids=["run", "stream", "attach", "spawn"],
)
def test_an_interrupt_while_a_program_is_started_leaves_none(
    start: Callable[[SystemRunner], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    popen = system._popen

    def slowly(*arguments: object) -> subprocess.Popen[bytes]:
        started.append(popen(*arguments))  # type: ignore[arg-type]
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)
        return started[0]

    monkeypatch.setattr(system, "_popen", slowly)
    with pytest.raises(KeyboardInterrupt):
        start(SystemRunner())
    (left,) = started
    assert left.returncode is not None
    for stream in (left.stdout, left.stderr):
        if stream is not None:
            stream.close()


STUBBORN = Command(("sh", "-c", "trap '' INT TERM; echo $$ > pid; while :; do sleep 0.05; done"))


def test_a_program_that_takes_no_notice_is_ended_when_patience_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`run` waited for it for ever, and a second Ctrl-C left the container behind."""
    monkeypatch.chdir(tmp_path)
    reported: list[str] = []

    def interrupt() -> None:
        while not (tmp_path / "pid").is_file():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        SystemRunner().attach(STUBBORN, patience=GracePeriod(0.2, lambda: reported.append("lost")))
    assert reported == ["lost"]


def test_an_interrupt_is_not_held_back_for_a_quarter_of_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Popen waits so long for a child that may have it too, and `run` took that much longer to end."""
    waits: list[float] = []
    send = send_signal

    def sent(pid: int, number: signal.Signals) -> None:
        waits.append(time.monotonic() - interrupted[-1])
        send(pid, number)

    monkeypatch.setattr(system, "send_signal", sent)
    monkeypatch.setattr(system, "_interrupted_by_terminal", lambda _error: False)
    interrupted: list[float] = []

    def interrupt() -> None:
        time.sleep(0.2)
        interrupted.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    # the best of several, for the machine may be busy
    for _ in range(5):
        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            SystemRunner().attach(SLEEP)
        thread.join()
    assert min(waits) < 0.2


def test_a_program_that_goes_on_says_whether_it_ended_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert SystemRunner().spawn(SLEEP).stop(5.0)
    stubborn = SystemRunner().spawn(STUBBORN)
    while not (tmp_path / "pid").is_file():
        time.sleep(0.01)
    assert not stubborn.stop(0.2)
    assert stubborn.poll() == -signal.SIGKILL


def test_a_program_that_says_too_much_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "OUTPUT_BYTES_MAX", 1 << 20)
    done = SystemRunner().run(Command(("sh", "-c", "yes & exec yes >&2")), timeout_s=30)
    assert done.code == -signal.SIGKILL
    assert len(done.stdout) <= 1 << 20
    assert len(done.stderr) <= 1 << 20


def test_what_a_program_has_started_ends_with_its_time(tmp_path: Path) -> None:
    done = SystemRunner().run(
        Command(("sh", "-c", "(sleep 47.11; touch ended) & sleep 47.11"), cwd=tmp_path), timeout_s=0.5
    )
    assert done.code == -signal.SIGKILL
    assert not (tmp_path / "ended").exists(), "it has not been waited for"
    assert b"47.11" not in subprocess.run(["ps", "-eo", "args"], capture_output=True, check=True).stdout


def test_a_program_that_is_cancelled_ends_with_what_it_has_started(tmp_path: Path) -> None:
    """A signal interrupts the first thread alone, which waited for the programs of others for as long as they took."""
    cancelled = threading.Event()
    runner = CancellableRunner(SystemRunner(), cancelled)
    assert runner.run(Command(("sh", "-c", "echo here; exit 3"))).code == 3
    threading.Timer(0.3, cancelled.set).start()
    done = runner.run(Command(("sh", "-c", "echo here; (sleep 48.12; touch ended) & sleep 48.12"), cwd=tmp_path))
    assert (done.code, done.stdout) == (-signal.SIGKILL, b"here\n")
    assert b"48.12" not in subprocess.run(["ps", "-eo", "args"], capture_output=True, check=True).stdout
    assert runner.run(Command(("sleep", "49.13"))).code == -signal.SIGKILL


def test_a_program_that_leaves_another_with_its_streams_is_not_waited_for() -> None:
    done = SystemRunner().run(Command(("sh", "-c", "sleep 8 & echo here")), timeout_s=0.5)
    assert (done.code, done.stdout) == (0, b"here\n")


def test_a_program_has_the_memory_that_it_is_given() -> None:
    words = ("-c", "import time; time.sleep(0.3); bytearray(300 << 20)")
    assert SystemRunner().run(Command((sys.executable, *words), memory_bytes=1 << 30)).code == 0
    done = SystemRunner().run(Command((sys.executable, *words), memory_bytes=100 << 20))
    assert (done.code, "MemoryError" in done.error_text) == (1, True)


def test_much_is_read_and_written_at_once() -> None:
    data = os.urandom(3 << 20)
    done = SystemRunner().run(Command(("tee", "/dev/stderr")), stdin=data)
    assert (done.code, done.stdout, done.stderr) == (0, data, data)
    assert SystemRunner().run(Command(("true",)), stdin=data).code == 0
