"""Programs without symbols, whose backtraces end with the right file and line all the same."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from support.programs import RunCargoship, run
from support.registry import RunningRegistry
from support.shipped import target_folder

pytestmark = pytest.mark.e2e

PROGRAM = """#[inline(never)]
fn deep(number: u32) -> u32 {
    if number == 3 {
        panic!("too deep at {number}");
    }
    deep(number + 1) + 1
}
fn main() {
    println!("{}", deep(std::env::args().count() as u32 - 1));
}
"""
RUNNERS: dict[str, tuple[str, ...]] = {"linux/amd64": (), "linux/arm64": ("qemu-aarch64-static",)}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("symbols") / "deep"
    (folder / "src").mkdir(parents=True)
    (folder / "Cargo.toml").write_text('[package]\nname = "deep"\nversion = "1.0.0"\nedition = "2021"\n[workspace]\n')
    (folder / "src" / "main.rs").write_text(PROGRAM)
    run("cargo", "generate-lockfile", cwd=folder)
    return folder


def test_a_backtrace_without_symbols_gets_files_and_lines(
    run_cargoship: RunCargoship, docker_registry: RunningRegistry, project: Path, tmp_path: Path
) -> None:
    reference = docker_registry.reference("symbols/deep")
    # inlined calls, as programs have them that are shipped
    env = {**target_folder("musl"), "CARGO_PROFILE_RELEASE_OPT_LEVEL": "3"}
    split = ("--set", "debug-symbols=split", "--platform", ",".join(RUNNERS))
    outputs = ("-o", f"rootfs:{tmp_path / 'files'}", "-o", f"oci:{tmp_path / 'layout'}")
    done = run_cargoship("build", *split, *outputs, "-t", reference, "--push", cwd=project, env=env)
    digest = done.stdout.split()[0].rpartition("@")[2]

    for platform, runner in RUNNERS.items():
        program = tmp_path / "files" / platform / "app" / "deep"
        assert "no symbols" in run("nm", program).stderr if platform == "linux/amd64" else True
        log = subprocess.run(
            [*runner, program, "1"], capture_output=True, text=True, env={"RUST_BACKTRACE": "full"}, check=False
        ).stderr
        assert "src/main.rs:4" in log
        assert "<unknown>" in log
        assert "deep::deep" not in log
        for source in (reference, f"oci:{tmp_path / 'layout'}"):
            (tmp_path / "log").write_text(log)
            named = run_cargoship(
                "symbolicate", source, str(tmp_path / "log"), "--platform", platform, cwd=tmp_path
            ).stdout
            frames = [line.strip() for line in named.splitlines()]
            at = next(number for number, line in enumerate(frames) if line.endswith("- deep::deep"))
            assert frames[at + 1].endswith("src/main.rs:4:9")
            assert "<unknown>" not in named.split("deep::main")[0]

    # the layout of build ids, that debuggers read
    brought = run_cargoship("symbols", reference, "-o", "symbols", "--json", cwd=tmp_path).stdout
    for each in json.loads(brought):
        path = tmp_path / "symbols" / ".build-id" / each["build-id"][:2] / f"{each['build-id'][2:]}.debug"
        assert (str(path), each["program"]) == (each["path"], "deep")
        assert f"Build ID: {each['build-id']}" in run("readelf", "-n", path).stdout
    assert len(json.loads(brought)) == len(RUNNERS)

    # a copy takes them along, and nothing of them is in the image
    copied = docker_registry.reference("symbols/copied")
    run_cargoship("copy", "--referrers", reference, copied, cwd=tmp_path)
    assert run_cargoship("symbols", copied, "-o", "again", cwd=tmp_path).stdout.count(".debug") == len(RUNNERS)
    alone = run_cargoship(
        "build", *split, "--set", "attest=none", "-o", f"oci:{tmp_path / 'alone'}", cwd=project, env=env
    )
    assert alone.stdout.split()[0].rpartition("@")[2] == digest
    assert "nothing that the images go to can hold symbols" in alone.stderr
