"""Completion of values, as the shells themselves do it: a line is typed, a tab after it, and the line is read."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from support.programs import CARGOSHIP, REPOSITORY, distribution_rust, program

pytestmark = pytest.mark.tools

PROJECT = REPOSITORY / "examples" / "workspace"
# what is typed, and what stands there after the tab
LINES = (
    ("cargoship build --platform linux/amd64,linux/arm6", "linux/amd64,linux/arm64"),
    ("cargoship build --platform=linux/ri", "--platform=linux/riscv64"),
    ("cargoship build --base deb:book", "--base deb:bookworm"),
    ("cargoship build -o oci-a", "-o oci-archive:"),
    ("cargoship copy oci:gree", "copy oci:greeter/"),
    ("cargoship build --libc gnu:2.1", "--libc gnu:2.17"),
    ("cargoship build --set compre", "--set compression="),
    ("cargoship build --set compression=z", "--set compression=zstd"),
    ("cargoship build -p gr", "-p greeter"),
    ("cargoship build --compression z", "--compression zstd"),
    ("cargoship watch --progress pl", "--progress plain"),
    ("cargoship build --cache-to regi", "--cache-to registry:"),
    ("cargoship build --cluster mini", "--cluster minikube"),
    ("cargoship cache exp", "cache exp"),
    ("cargoship cache st", "cache stats"),
    ("cargoship build --manifest-path Cargo.t", "--manifest-path Cargo.toml"),
    ("cargoship apply -f Cargo.t", "-f Cargo.toml"),
)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A user without a configuration, in whose PATH cargoship is."""
    shutil.copytree(PROJECT, tmp_path / "project", ignore=shutil.ignore_patterns("target"))
    path = f"{CARGOSHIP.parent}:{os.environ['PATH']}"
    return {**distribution_rust(), "PATH": path, "HOME": str(tmp_path), "TERM": "dumb", "LC_ALL": "C.UTF-8"}


class Shell:
    """A shell at the other end of a terminal that is wide enough for every line."""

    def __init__(self, words: list[str], folder: Path, environment: dict[str, str]) -> None:
        self.ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            words, cwd=folder, env={**environment, "COLUMNS": "200"}, stdin=theirs, stdout=theirs, stderr=theirs,
            start_new_session=True,
        )  # fmt: skip
        os.close(theirs)

    def type(self, text: str) -> None:
        os.write(self.ours, text.encode())

    def until(self, pattern: str) -> str:
        """What it shows, until that is in it."""
        end = time.monotonic() + 60
        shown = ""
        while not re.search(pattern, shown):
            ready, _, _ = select.select([self.ours], [], [], 1)
            if ready:
                shown += os.read(self.ours, 4096).decode(errors="replace").replace("\r", "").replace("\a", "")
            assert time.monotonic() < end, shown
        return shown

    def close(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self.ours)


# what is entered is printed in place of being run; the completion itself asks the program
ECHO = (
    'cargoship() { if [ -n "$_CARGOSHIP_COMPLETE" ]; then command cargoship "$@"; else printf "RUN<%s>\\n" "$*"; fi; }'
)
INTERACTIVE = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "PS1=; bind 'set enable-bracketed-paste off'"),
    "zsh": (["zsh", "-f", "-i"], "PS1=; unset zle_bracketed_paste; autoload -Uz compinit; compinit -u -D"),
}


@pytest.mark.parametrize("name", INTERACTIVE)
def test_values_are_completed_while_one_types(name: str, environment: dict[str, str], tmp_path: Path) -> None:
    (words, settings) = INTERACTIVE[name]
    shell = Shell([program(words[0]), *words[1:]], tmp_path / "project", environment)
    try:
        shell.type(f'{settings}; eval "$(_CARGOSHIP_COMPLETE={name}_source cargoship)"; {ECHO}; echo rea""dy\n')
        shell.until("ready\n")
        for line, expected in LINES:
            shell.type(f"{line}\t\n")
            shown = shell.until(r"RUN<[^\n]*>\n")
            entered = re.findall(r"RUN<(.*)>\n", shown)[-1].rstrip()
            assert entered.endswith(expected), (line, shown)
    finally:
        shell.close()


def test_fish_completes_values(environment: dict[str, str], tmp_path: Path) -> None:
    asked = [f"echo; complete -C {line!r}" for line, _ in LINES]
    script = "\n".join(["_CARGOSHIP_COMPLETE=fish_source cargoship | source", *(f"{each}; echo END" for each in asked)])
    words = [program("fish"), "--no-config", "-c", script]
    done = subprocess.run(
        words, cwd=tmp_path / "project", env=environment, capture_output=True, text=True, check=True, timeout=300
    )
    answers = [answer.splitlines() for answer in done.stdout.split("END\n")]
    for (line, expected), answer in zip(LINES, answers, strict=False):
        last = expected.rsplit(maxsplit=1)[-1]
        assert [each for each in answer if each.split("\t")[0].startswith(last)], (line, answer, done.stderr)
