"""The tutorial, as somebody does it who reads it: the page's own commands and code, in an empty folder."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from support import judges
from support.programs import CARGOSHIP, REPOSITORY, RunCargoship, distribution_rust
from support.registry import RunningRegistry, free_port

pytestmark = pytest.mark.e2e

PAGE = REPOSITORY / "docs" / "tutorial.md"
PLATFORMS = ("linux/amd64", "linux/arm64")
# of a machine with a network and a user of its own
ELSEWHERE = ("pipx ", "cargoship login ")


def blocks(language: str) -> list[str]:
    found = re.findall(r"^```([a-z]*)\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [text for name, text in found if name == language]


def commands() -> list[str]:
    return [line for block in blocks("") for line in block.splitlines() if not line.startswith(ELSEWHERE)]


def answer(port: int) -> str:
    until = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as response:
                return str(response.read().decode())
        except OSError:
            assert time.monotonic() < until, "the service does not answer"
            time.sleep(0.1)


def serve(folder: Path) -> str:
    """`cargoship run`, until it has answered."""
    port = free_port()
    words = (CARGOSHIP, "run", "--network", "host", "-e", f"LISTEN=127.0.0.1:{port}")
    with subprocess.Popen(words, cwd=folder, start_new_session=True) as running:
        try:
            return answer(port)
        finally:
            with contextlib.suppress(ProcessLookupError):
                running.send_signal(signal.SIGINT)
            running.wait(timeout=30)


def test_every_step_works_at_the_first_try(
    run_cargoship: RunCargoship, docker_registry: RunningRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in distribution_rust().items():
        monkeypatch.setenv(name, value)
    (code,), (settings,) = blocks("rust"), blocks("toml")
    folder, done = tmp_path, []
    for line in commands():
        words = line.replace("ghcr.io/", f"{docker_registry.host}/").split()
        match words:
            case ["cd", name]:
                folder /= name
                (folder / "src" / "main.rs").write_text(code)
            case ["cargo", *_]:
                subprocess.run(words, cwd=folder, check=True)
            case ["cargoship", "run"]:
                assert serve(folder) == "hello from x86_64\n"
                manifest = folder / "Cargo.toml"
                manifest.write_text(f"{manifest.read_text()}\n{settings}")
            case ["cargoship", *rest]:
                reported = run_cargoship(*rest, cwd=folder)
                if rest == ["build"]:
                    # the same again, at once and to the byte
                    assert run_cargoship(*rest, cwd=folder).stdout == reported.stdout
            case _:
                pytest.fail(f"what is this? {line}")
        done.append(words[1])
    assert done == ["doctor", "new", "hello", "plan", "build", "run", "build", "inspect"]
    assert sorted(judges.platforms(judges.raw_index(f"{docker_registry.host}/me/hello:1.0"))) == list(PLATFORMS)
