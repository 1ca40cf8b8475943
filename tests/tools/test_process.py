"""Programs that were started are ended with the run that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from cargoship import process
from cargoship.process import Command, SystemRunner

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
    popen = process._popen

    def slowly(*arguments: object) -> subprocess.Popen[bytes]:
        started.append(popen(*arguments))  # type: ignore[arg-type]
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)
        return started[0]

    monkeypatch.setattr(process, "_popen", slowly)
    with pytest.raises(KeyboardInterrupt):
        start(SystemRunner())
    (left,) = started
    assert left.returncode is not None
    for stream in (left.stdout, left.stderr):
        if stream is not None:
            stream.close()
