"""What goes wrong while workers of a real server, buildbox-casd, compile: the build goes on, or ends at once."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import grpc
import pytest

from support.programs import CARGOSHIP, RunCargoship, distribution_rust, run
from support.reapi import Failing, executing, failing_proxy, running_server, slow_link

pytestmark = pytest.mark.tools

LIBRARIES = 6
MANIFEST = '[package]\nname = "{}"\nversion = "0.1.0"\nedition = "2021"\n'
SLOW = """#![allow(long_running_const_eval)]
pub const NUMBER: u64 = { let mut n = 0; while n < 2_000_000_000 { n += 1; } n };
"""
WAIT_S = 120.0


def workspace(folder: Path, library: str = "pub const NUMBER: u64 = 1;\n") -> Path:
    """A program over some libraries that do not need each other."""
    names = [f"part{number}" for number in range(LIBRARIES)]
    needs = "".join(f'{name} = {{ path = "{name}" }}\n' for name in names)
    files = {
        "Cargo.toml": MANIFEST.format("app") + f"[dependencies]\n{needs}[workspace]\n"
        '[package.metadata.cargoship]\nbase = "scratch"\nplatforms = ["linux/amd64"]\n',
        "src/main.rs": f'fn main() {{ println!("{{}}", {" + ".join(f"{name}::NUMBER" for name in names)}); }}\n',
    }
    for name in names:
        files |= {f"{name}/Cargo.toml": MANIFEST.format(name), f"{name}/src/lib.rs": library}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    run(distribution_rust().get("CARGO", "cargo"), "generate-lockfile", cwd=folder)
    return folder


def digest_of(run_cargoship: RunCargoship, place: Path, *words: str) -> tuple[str, str]:
    """The image of a build in an empty target directory, and what was said."""
    shutil.rmtree(place / "target", ignore_errors=True)
    done = run_cargoship("build", "--no-cache", "-v", *words, cwd=place)
    return done.stdout.rpartition("@")[2], done.stderr


def workers(place: Path, crate: str = "") -> list[int]:
    """Compilers that work for a server on this project, or on one crate of it."""
    wanted = f".cargoship-files{place}".encode()
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = each.read_bytes()
            if wanted in words and (not crate or f"\0--crate-name\0{crate}\0".encode() in words):
                found.append(int(each.parent.name))
        except OSError:
            continue
    return found


def until(what: str, place: Path, crate: str = "", *, there: bool) -> None:
    deadline = time.monotonic() + WAIT_S
    while bool(workers(place, crate)) is not there:
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def test_a_server_that_is_killed_in_the_middle_is_done_without(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    place = workspace(tmp_path / "place")
    with running_server(tmp_path / "server", *executing()) as server:

        def kill() -> None:
            results = tmp_path / "server" / "actioncache"
            deadline = time.monotonic() + WAIT_S
            while not any(path.is_file() for path in results.rglob("*")) and time.monotonic() < deadline:
                time.sleep(0.01)
            server.process.kill()

        killer = threading.Thread(target=kill)
        killer.start()
        there, said = digest_of(run_cargoship, place, "--remote", server.address)
        killer.join()
    assert len([line for line in said.splitlines() if line.startswith("warning:")]) == 1, said
    assert there == digest_of(run_cargoship, place)[0]


def test_a_link_that_is_late_is_lived_with(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    place = workspace(tmp_path / "place")
    with running_server(tmp_path / "server", *executing()) as server:
        # what is large and the same for all has travelled
        digest_of(run_cargoship, place, "--remote", server.address)
        (place / "part0/src/lib.rs").write_text("pub const NUMBER: u64 = 2;\n")
        with slow_link(server.port, late_s=0.025, lost=0.01) as (address, _):
            there, said = digest_of(run_cargoship, place, "--remote", address)
    assert f"{LIBRARIES + 1} units compiled at" in said, said
    assert there == digest_of(run_cargoship, place)[0]


class Program:
    """The program of a cargo of one's own, made in an empty target directory, and what was said."""

    def __init__(self, run_cargoship: RunCargoship, place: Path, *words: str) -> None:
        shutil.rmtree(place / "target", ignore_errors=True)
        done = run_cargoship("cargo", "-v", *words, "--", "build", "--release", cwd=place)
        self.data = (place / "target/release/app").read_bytes()
        self.said = done.stderr
        self.warnings = [line for line in done.stderr.splitlines() if line.startswith("warning:")]

    def check_kept(self, run_cargoship: RunCargoship, place: Path, *cache: str) -> None:
        """What was kept is what is compiled without a cluster."""
        again = Program(run_cargoship, place, *cache)
        assert "Compiling" not in again.said, again.said
        assert again.data == self.data == Program(run_cargoship, place, "--no-cache").data


def test_a_worker_that_is_killed_in_the_middle_is_done_without(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    place = workspace(tmp_path / "place")
    # long enough to be found, in this crate alone
    slow = SLOW.replace("pub const NUMBER", "const _").replace("2_000_000_000", "5_000_000")
    (place / "part0/src/lib.rs").write_text(slow + "pub const NUMBER: u64 = 1;\n")
    cache = ("--cache-to", f"dir:{tmp_path / 'units'}")
    killed: list[int] = []
    with running_server(tmp_path / "server", *executing()) as server:

        def kill() -> None:
            until("no worker compiles", place, "part0", there=True)
            killed.extend(workers(place, "part0"))
            for each in killed:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        built = Program(run_cargoship, place, *cache, "--remote", server.address)
        killer.join()
    assert killed
    assert "rustc ended with" in built.said
    assert f"{LIBRARIES} units compiled at" not in built.said
    assert not [line for line in built.warnings if server.address in line]
    built.check_kept(run_cargoship, place, *cache)


def test_blobs_that_go_while_they_are_needed_are_sent_again(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    place = workspace(tmp_path / "place")
    cache = ("--cache-to", f"dir:{tmp_path / 'units'}")
    gone: list[int] = []
    with running_server(tmp_path / "server", *executing()) as server:

        def evict(method: str, times: int) -> None:
            # after it was asked what it lacks, and before it needs what it has
            if method == "Execute" and times in {2, 4}:
                gone.append(server.forget())

        with failing_proxy(server.port, evict) as address:
            built = Program(run_cargoship, place, *cache, "--remote", address)
    assert len(gone) == 2
    assert all(gone)
    assert len(built.warnings) <= 1, built.said
    built.check_kept(run_cargoship, place, *cache)


def test_a_server_that_has_no_room_is_waited_for_and_then_done_without(
    run_cargoship: RunCargoship, tmp_path: Path
) -> None:
    place = workspace(tmp_path / "place")

    def busy(method: str, times: int) -> None:
        if method in {"Execute", "BatchUpdateBlobs"} and times in {1, 4}:
            raise Failing(grpc.StatusCode.RESOURCE_EXHAUSTED, "no room now")

    def full(method: str, _: int) -> None:
        if method == "Execute":
            raise Failing(grpc.StatusCode.RESOURCE_EXHAUSTED, "no room at all")

    with running_server(tmp_path / "server", *executing()) as server:
        with failing_proxy(server.port, busy) as address:
            there = Program(run_cargoship, place, "--no-cache", "--remote", address)
        assert f"{LIBRARIES} units compiled at" in there.said
        assert not there.warnings
        with failing_proxy(server.port, full) as address:
            here = Program(run_cargoship, place, "--no-cache", "--remote", address)
    (warning,) = here.warnings
    assert "no room at all" in warning
    assert there.data == here.data == Program(run_cargoship, place, "--no-cache").data


def test_an_interrupt_ends_what_workers_do(tmp_path: Path) -> None:
    place = workspace(tmp_path / "place", SLOW)
    env = {**os.environ, **distribution_rust()}
    with running_server(tmp_path / "server", *executing()) as server:
        words = [str(CARGOSHIP), "build", "--no-cache", "--remote", server.address]
        with subprocess.Popen(words, cwd=place, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as build:
            until("no worker compiles", place, there=True)
            build.send_signal(signal.SIGINT)
            _, said = build.communicate(timeout=WAIT_S)
        assert build.returncode == 130, said.decode()
        assert b"Traceback" not in said
        until("workers go on", place, there=False)
        assert server.process.poll() is None
    assert not list((place / "target").rglob("libpart*.rlib"))
