"""Bad input: one clear error each, an exit code of its own, nothing left behind, nothing compiled."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.programs import CARGOSHIP, RunCargoship, distribution_rust, run
from support.projects import project

pytestmark = pytest.mark.tools


@dataclass(frozen=True)
class Case:
    """A project, what is asked of it, and the refusal."""

    name: str
    code: int
    words: str
    package: str = ""
    """What more stands in [package]."""
    manifest: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


# cargo's own lines are shown as well, once for each target where it compiled
_CARGOS_WORDS = {11, 16, 51, 60, 101}
_METADATA = "[package.metadata.cargoship]\n"
_MISSING_DEPENDENCY = '[dependencies]\nlocal = { path = "local" }\n'

CASES = (
    Case("broken TOML", 11, "Cargo.toml", manifest="[dependencies\n"),
    Case("unknown package", 12, "nope", options=("-p", "nope")),
    Case("unknown binary", 13, 'did you mean "app"', options=("--bin", "ap")),
    Case("unknown feature", 14, 'did you mean "tls"', manifest="[features]\ntls = []\n", options=("-F", "tsl")),
    Case("library only", 15, "no binary", files={"src/lib.rs": "", "src/main.rs": ""}, manifest="[lib]\n"),
    Case("lock file out of date", 16, "Cargo.lock", manifest=_MISSING_DEPENDENCY, files={
        "Cargo.lock": 'version = 3\n[[package]]\nname = "app"\nversion = "1.2.3"\n',
        "local/Cargo.toml": '[package]\nname = "local"\nversion = "0.1.0"\n', "local/src/lib.rs": ""}),
    Case("unknown platform", 17, 'did you mean "linux/amd64"', options=("--platform", "linux/amd46")),
    Case("unknown setting", 20, 'did you mean "expose"', manifest=_METADATA + "expsoe = [1]\n"),
    Case("setting of the wrong form", 20, "expose", manifest=_METADATA + 'expose = "all"\n'),
    Case("include that matches nothing", 21, "static/**", manifest=_METADATA + 'include = ["static/** -> /s/"]\n'),
    Case("include that escapes", 21, "leads out", manifest=_METADATA + 'include = ["../../etc/* -> /s/"]\n'),
    Case("include over the binary", 21, "/app/app", manifest=_METADATA + 'include = ["a -> /app/app"]\n',
         files={"a": "a"}),
    Case("glibc on a base without it", 40, "no C library", options=("--libc", "gnu")),
    Case("unknown libc", 2, "musl", options=("--libc", "uclibc")),
    Case("push without a name", 2, "nowhere to push", options=("--push",)),
    Case("unknown option", 2, "--nope", options=("--nope",)),
    Case("zig absent", 30, "/nowhere/zig", env={"CARGOSHIP_ZIG": "/nowhere/zig"}),
    Case("no Rust", 30, "/nowhere/rustc", env={"RUSTC": "/nowhere/rustc"}),
    Case("compile error", 101, "mismatched types", files={"src/main.rs": 'fn main() { let a: u8 = ""; }'}),
    Case("registry down", 51, "localhost:1", options=("--push", "-t", "localhost:1/app")),
)  # fmt: skip


_LOCAL = {"local/Cargo.toml": '[package]\nname = "local"\nversion = "0.1.0"\n', "local/src/lib.rs": ""}
_NEWER = {**_LOCAL, "local/Cargo.toml": _LOCAL["local/Cargo.toml"] + 'rust-version = "1.999"\n'}
BEFORE_THE_COMPILE = (
    Case("package for a newer Rust", 101, "is too old for app 1.2.3", package='rust-version = "1.999"\n'),
    Case("dependency for a newer Rust", 101, "cargo ended with exit code 101", manifest=_MISSING_DEPENDENCY, files={
        **_NEWER,
        "Cargo.lock": 'version = 4\n[[package]]\nname = "app"\nversion = "1.2.3"\ndependencies = ["local"]\n'
        '[[package]]\nname = "local"\nversion = "0.1.0"\n'}),
    Case("no lock file where one is wanted", 16, "there is no", options=("--locked",)),
    Case("lock file that says something else", 16, "does not agree", manifest=_MISSING_DEPENDENCY, files={
        **_LOCAL, "Cargo.lock": 'version = 4\n[[package]]\nname = "app"\nversion = "1.2.3"\n'}, options=("--locked",)),
    Case("lock file that is none", 11, "cargo cannot read", files={"Cargo.lock": "version = 4\nnone\n"}),
    Case("dependency in no folder", 101, "cargo ended with exit code 101", manifest=_MISSING_DEPENDENCY),
    Case("profile of nothing", 101, "cargo ended with exit code 101", manifest="[profile.own]\nlto = true\n",
         files={"Cargo.lock": 'version = 4\n[[package]]\nname = "app"\nversion = "1.2.3"\n'},
         options=("--profile", "own")),
)  # fmt: skip


@pytest.mark.parametrize("case", BEFORE_THE_COMPILE, ids=lambda case: case.name)
def test_a_plan_is_refused_as_its_build_is(run_cargoship: RunCargoship, tmp_path: Path, case: Case) -> None:
    """What cargo refuses before it compiles anything was found by `build` alone, minutes later on a new machine."""
    app = project(tmp_path / "app", manifest=case.package + case.manifest, files=case.files)
    before = sorted(app.rglob("*"))
    planned = run_cargoship("plan", app, *case.options, check=False)
    assert sorted(app.rglob("*")) == before
    built = run_cargoship("build", app, *case.options, check=False)
    assert (planned.returncode, built.returncode) == (case.code, case.code), planned.stderr
    said = [next(line for line in done.stderr.splitlines() if case.words in line) for done in (planned, built)]
    assert said[0] == said[1]
    assert planned.stdout == built.stdout == ""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_refusal(run_cargoship: RunCargoship, tmp_path: Path, case: Case) -> None:
    app = project(tmp_path / "outer" / "app", manifest=case.manifest, files=case.files)
    if case.name == "library only":
        (app / "src" / "main.rs").unlink()
    done = run_cargoship(
        "build", app, "-o", f"oci:{tmp_path}/out", "--metadata-file", tmp_path / "record.json",
        *case.options, env=case.env, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (case.code, ""), done.stderr
    assert case.words in done.stderr
    assert done.stderr.count(case.words) == 1 or case.code in _CARGOS_WORDS, "said once"
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "record.json").exists()


def test_no_manifest(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    done = run_cargoship("build", tmp_path, check=False)
    assert done.returncode == 10
    assert "no Cargo.toml" in done.stderr


def test_a_target_without_a_standard_library_names_the_ways_out(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    """A toolchain that has neither the target nor the sources, which is put together from the real one."""
    env = distribution_rust()
    real = Path(run(env["RUSTC"], "--print", "sysroot").stdout.strip())
    bare = tmp_path / "bare"
    (bare / "bin").mkdir(parents=True)
    (bare / "lib" / "rustlib").mkdir(parents=True)
    script = bare / "bin" / "rustc"
    script.write_text(f'#!/bin/sh\n[ "$2" = sysroot ] && echo {bare} && exit\nexec {real}/bin/rustc "$@"\n')
    script.chmod(0o755)
    app = project(tmp_path / "app")
    done = run_cargoship("build", app, env={"RUSTC": str(script)}, check=False)
    assert done.returncode == 31
    for way in ("rustup target add", "rust-src", "CARGO and RUSTC"):
        assert way in done.stderr
    doctor = run_cargoship("doctor", app, env={"RUSTC": str(script)}, check=False)
    assert doctor.returncode != 0
    assert "rustup target add" in doctor.stdout + doctor.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder)
    try:
        yield folder
    finally:
        run("umount", folder)


def test_a_full_disk(run_cargoship: RunCargoship, tmp_path: Path, small_disk: Path) -> None:
    app = project(tmp_path / "app", files={"big.bin": "x"}, manifest=_METADATA + 'include = ["big.bin -> /big"]\n')
    (app / "big.bin").write_bytes(os.urandom(3 << 20))
    output = small_disk / "image.tar"
    done = run_cargoship("build", app, "-o", f"docker-archive:{output}", check=False)
    assert done.returncode == 60
    assert "No space left" in done.stderr
    assert not list(small_disk.iterdir())


def test_a_read_only_output(run_cargoship: RunCargoship, tmp_path: Path, small_disk: Path) -> None:
    run("mount", "-o", "remount,ro", small_disk)
    app = project(tmp_path / "app")
    done = run_cargoship("build", app, "-o", f"oci:{small_disk}/image", check=False)
    assert done.returncode == 60
    assert "read-only" in done.stderr


def _wait_for_handlers(process: subprocess.Popen[bytes]) -> None:
    """Until our code runs: what Python itself says to a Ctrl-C while it starts is not ours, and machines are slow."""
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        caught = next((line for line in status.read_text().splitlines() if line.startswith("SigCgt:")), "SigCgt: 0")
        if int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1:
            return
        time.sleep(0.005)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("delay_s", [0.0, 0.3, 0.7, 1.5])
def test_an_interrupted_run_leaves_nothing_and_can_be_started_again(
    run_cargoship: RunCargoship, tmp_path: Path, number: signal.Signals, delay_s: float
) -> None:
    """Cut anywhere: before, while and after cargo compiles a program that takes its time."""
    slow = "fn main() { std::thread::sleep(std::time::Duration::from_secs(60)); }"
    app = project(tmp_path / "app", files={"build.rs": slow})
    output = tmp_path / "out"
    process = subprocess.Popen(
        [CARGOSHIP, "build", app, "-o", f"oci:{output}"],
        env={**os.environ, **distribution_rust()}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    _wait_for_handlers(process)
    time.sleep(delay_s)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode in {128 + number, -number}, stderr
    assert stdout == b""
    assert b"Traceback" not in stderr
    assert not output.exists()
    assert not run("pgrep", "-f", str(app / "target"), check=False).stdout, "no child is left"
    shutil.rmtree(app / "target", ignore_errors=True)
    (app / "build.rs").unlink()
    run_cargoship("build", app, "-o", f"oci:{output}")
    assert output.exists()


def test_an_empty_lock_file_is_none(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    """cargo leaves one where it is killed just as it writes its first."""
    app = project(tmp_path / "app", files={"Cargo.lock": ""})
    run_cargoship("build", app, "-o", f"oci:{tmp_path}/out")
    assert 'name = "app"' in (app / "Cargo.lock").read_text()
    (app / "Cargo.lock").write_text("")
    refused = run_cargoship("build", app, "--locked", "-o", f"oci:{tmp_path}/again", check=False)
    assert refused.returncode == 16
    assert not (app / "Cargo.lock").read_text()
    prepared = run_cargoship("recipe", "prepare", app, "--recipe-path", tmp_path / "recipe.json")
    assert "has no Cargo.lock" in prepared.stderr


def test_doctor_needs_no_project(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    done = run_cargoship("doctor", tmp_path, "--platform", "linux/arm64")
    assert "linux/arm64 (aarch64-unknown-linux-musl)" in done.stdout
    assert "linux/amd64" not in done.stdout


def test_doctor_without_rust_says_so(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    empty = tmp_path / "bin"
    empty.mkdir()
    done = run_cargoship("doctor", tmp_path, env={"PATH": str(empty), "CARGO": "", "RUSTC": ""}, check=False)
    assert done.returncode == 1
    assert "rustc was not found on PATH" in done.stdout
    assert "rustup.rs" in done.stdout
