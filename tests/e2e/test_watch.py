"""`cargoship watch` on real code: it restarts, survives errors, and leaves nothing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.programs import CARGOSHIP, distribution_rust, run
from support.projects import project
from support.shipped import target_folder

pytestmark = pytest.mark.e2e

MAIN = """
include!("made.rs");
extern "C" { fn signal(number: i32, handler: usize) -> usize; }
fn main() {
    // SIGINT and SIGTERM are of no concern
    unsafe { signal(2, 1); signal(15, 1); }
    println!("running NUMBER {MADE}");
    loop { std::thread::park() }
}
"""
BUILD = """
use std::time::SystemTime;
fn main() {
    // into the sources, and otherwise each time
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
    std::fs::write("src/made.rs", format!("const MADE: u128 = {now};")).unwrap();
}
"""
DEADLINE_S = 120


class Watching:
    """A `cargoship watch` in the background."""

    def __init__(self, folder: Path, *words: str, env: dict[str, str]) -> None:
        self.log = folder.parent / "log"
        environment = {**os.environ, **distribution_rust(), **target_folder("musl"), "PYTHONUNBUFFERED": "1", **env}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [CARGOSHIP, "watch", *words], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True,
            )  # fmt: skip

    def wait_for(self, words: str, times: int = 1) -> None:
        until = time.monotonic() + DEADLINE_S
        while self.log.read_text(errors="replace").count(words) < times:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.1)

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(DEADLINE_S)


@pytest.fixture
def started() -> Iterator[Callable[..., Watching]]:
    running: list[Watching] = []

    def start(folder: Path, *words: str, env: dict[str, str] | None = None) -> Watching:
        running.append(Watching(folder, *words, env=env or {}))
        return running[-1]

    yield start
    for each in running:
        if each.process.poll() is None:
            each.process.kill()


def test_a_program_is_restarted_and_nothing_is_left(started: Callable[..., Watching], tmp_path: Path) -> None:
    files = {"src/main.rs": MAIN.replace("NUMBER", "one"), "build.rs": BUILD}
    app = project(tmp_path / "app", name="tiny-watched", files=files)
    code = app / "src" / "main.rs"
    watching = started(app, "--network", "host")
    name = f"cargoship-watch-{watching.process.pid}"
    watching.wait_for("running one")
    watching.wait_for("waiting for changes")
    code.write_text(MAIN.replace("NUMBER", "two").replace("println!", "printn!"))
    watching.wait_for("cannot find macro `printn` in this scope")
    watching.wait_for("the one before goes on running")
    assert run("docker", "inspect", "-f", "{{.State.Running}}", name).stdout == "true\n"
    code.write_text(MAIN.replace("NUMBER", "two"))
    watching.wait_for("running two")
    watching.wait_for("\nrunning two ")
    watching.wait_for("started in", times=2)
    # a lock file and sources that the build itself has written are no edits
    assert (app / "Cargo.lock").exists()
    assert watching.log.read_text().count("waiting for changes") == 3
    assert watching.end(signal.SIGINT) == 130
    assert run("docker", "ps", "-aq", "--filter", f"name={name}").stdout == ""
    assert watching.log.read_text().endswith("error: interrupted\n")
    run("docker", "rmi", "-f", "tiny-watched:latest", check=False)


def test_a_container_that_was_made_and_not_started_stayed_behind(
    started: Callable[..., Watching], tmp_path: Path
) -> None:
    """Where the interrupt came between both, the engine's client ended by itself."""
    app = project(
        tmp_path / "app", name="tiny-unstarted", files={"src/main.rs": MAIN, "src/made.rs": "const MADE: u8 = 1;"}
    )
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(
        '#!/bin/sh\n[ "$1" = run ] || exec "$REAL" "$@"\nshift; "$REAL" create "$@"; echo created; exec sleep 60\n'
    )
    docker.chmod(0o755)
    real = shutil.which("docker")
    assert real is not None
    watching = started(app, env={"PATH": f"{docker.parent}:{os.environ['PATH']}", "REAL": real})
    watching.wait_for("\ncreated")
    assert watching.end(signal.SIGINT) == 130
    name = f"cargoship-watch-{watching.process.pid}"
    assert run("docker", "ps", "-aq", "--filter", f"name={name}").stdout == ""
    run("docker", "rmi", "-f", "tiny-unstarted:latest", check=False)


def test_documents_are_applied_again(started: Callable[..., Watching], tmp_path: Path) -> None:
    app = project(tmp_path / "app", name="tiny-watched")
    kubectl = tmp_path / "bin" / "kubectl"
    kubectl.parent.mkdir()
    kubectl.write_text('#!/bin/sh\necho "$@"; cat\n')
    kubectl.chmod(0o755)
    kind = kubectl.with_name("kind")
    kind.write_text('#!/bin/sh\n[ "$1" = load ] || { echo dev; exit; }\ntar -xOf "$3" manifest.json\n')
    kind.chmod(0o755)
    (app / "k8s").mkdir()
    (app / "k8s" / "a.yaml").write_text("kind: Pod\nfirst: cargoship://tiny-watched\n")
    # no registry has a part in it
    words = ("-f", "k8s", "--cluster", "kind:dev")
    watching = started(app, *words, env={"PATH": f"{kubectl.parent}:{os.environ['PATH']}"})
    watching.wait_for("apply -f - --context kind-dev\nkind: Pod\nfirst: tiny-watched:cargoship-")
    watching.wait_for("waiting for changes")
    (app / "k8s" / "a.yaml").write_text("kind: Pod\nsecond: [2\n")
    watching.wait_for("a.yaml:3:1: this is no YAML")
    (app / "k8s" / "a.yaml").write_text("kind: Pod\nsecond: 2\n")
    watching.wait_for("--context kind-dev\nkind: Pod\nsecond: 2")
    assert watching.end(signal.SIGTERM) == 143
