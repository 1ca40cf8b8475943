"""Programs for newer processors than their platform has: warned of, refused, and seen to fail where they do."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from support.programs import RunCargoship, distribution_rust, program, run
from support.projects import project

pytestmark = pytest.mark.e2e

_FUSED = """fn main() {
    let one: f64 = std::env::args().count() as f64;
    println!("{}", std::hint::black_box(one).mul_add(2.0, 1.0));
}
"""
_C = "int main(int argc, char **argv) { return argc - 1; }\n"


def started(path: Path, cpu: str) -> int:
    """How a program ends on a processor."""
    return subprocess.run(
        [program("qemu-x86_64-static"), "-cpu", cpu, path], capture_output=True, check=False
    ).returncode


def test_flags_for_newer_processors(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    app = project(tmp_path / "app", files={"src/main.rs": _FUSED})
    run("cargo", "generate-lockfile", cwd=app, env=distribution_rust())
    words = ("build", app, "--platform", "linux/amd64", "-o")
    plain = run_cargoship(*words, f"rootfs:{tmp_path}/plain")
    assert "SIGILL" not in plain.stderr
    env = {"RUSTFLAGS": "-C target-cpu=x86-64-v3"}
    refused = run_cargoship(*words, f"rootfs:{tmp_path}/newer", env=env, check=False)
    assert refused.returncode == 2
    assert "RUSTFLAGS compiles for the processor x86-64-v3, and linux/amd64 promises x86-64" in refused.stderr
    assert "--platform linux/amd64,linux/amd64/v3" in refused.stderr
    assert not (tmp_path / "newer").exists()
    # machines that somebody knows
    newer = run_cargoship(*words, f"rootfs:{tmp_path}/newer", "--set", "native-cpu=true", env=env)
    assert "RUSTFLAGS compiles for processors with avx, avx2, bmi1" in newer.stderr
    assert "(those of x86-64-v3), which not all of linux/amd64 have" in newer.stderr
    # that it was built before, for those, makes it no program for all
    again = run_cargoship(*words, f"rootfs:{tmp_path}/again", env=env, check=False)
    assert "has changed since an earlier build" in again.stderr
    assert (again.returncode, "promises x86-64" in again.stderr) == (2, True)
    one, other = (next((tmp_path / name).rglob("app/app")) for name in ("plain", "newer"))
    assert [started(one, "Nehalem"), started(one, "max")] == [0, 0]
    assert [started(other, "Nehalem"), started(other, "max")] == [-signal.SIGILL, 0]


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"RUSTFLAGS": "-Ctarget-cpu=haswel"}, "RUSTFLAGS names the processor 'haswel', which rustc does not know"),
        ({"CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUSTFLAGS": "-C target-cpu=haswell"}, "'haswell'"),
    ],
)
def test_an_unknown_processor(run_cargoship: RunCargoship, tmp_path: Path, env: dict[str, str], words: str) -> None:
    app = project(tmp_path / "app")
    foreseen = run_cargoship("plan", app, env=env, check=False)
    done = run_cargoship("build", app, "-o", f"oci:{tmp_path}/out", env=env, check=False)
    assert (foreseen.returncode, done.returncode) == (2, 2)
    assert words in foreseen.stderr
    assert words in done.stderr
    assert ("linux/amd64: " in done.stderr) == ("RUSTFLAGS" in env)
    assert "linux/arm64: " in done.stderr
    assert "cortex-a53" in done.stderr
    assert not list(app.glob("target/**/release"))
    assert not (tmp_path / "out").exists()


def test_a_program_that_says_what_it_needs(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    (tmp_path / "app.c").write_text(_C)
    app = project(tmp_path / "project")
    for name, flags in {"old": (), "new": ("-Wl,-z,x86-64-v3",)}.items():
        run("gcc", "-static", "-O1", *flags, "app.c", "-o", name, cwd=tmp_path)
    run_cargoship("pack", app, "--binary", f"linux/amd64={tmp_path}/old", "-o", f"oci:{tmp_path}/one")
    words = ("pack", app, "--binary", f"linux/amd64={tmp_path}/new", "-o", f"oci:{tmp_path}/other")
    done = run_cargoship(*words, check=False)
    assert done.returncode == 40
    assert "/app/app (linux/amd64) needs a processor of x86-64-v3, and linux/amd64 promises x86-64" in done.stderr
    assert not (tmp_path / "other").exists()
    # an image of somebody else
    run_cargoship(*words, "--no-verify")
    assert run_cargoship("verify", f"oci:{tmp_path}/one", check=False).returncode == 0
    found = run_cargoship("verify", f"oci:{tmp_path}/other", check=False)
    assert found.returncode == 40
    assert "needs a processor of x86-64-v3" in found.stdout + found.stderr
