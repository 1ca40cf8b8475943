"""Platforms that this machine has nothing for: standard library, C library and start files are all made here.

Each costs a standard library and a C library, two minutes of processor time where the cache does not have them: arm/v6
for 32 bits and a processor that is older than what QEMU takes by itself, s390x for its byte order.
`scripts/all-platforms` runs the same program on every platform.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cargoship.elf.read import read_elf
from cargoship.platforms import TABLE
from support.bare_programs import compiled
from support.image_corpus import PROGRAM
from support.programs import RunCargoship, program
from support.projects import project

pytestmark = pytest.mark.e2e

_MANIFEST = """
[profile.release]
opt-level = 0
[package.metadata.cargoship]
smoke = ["run"]
"""
_MAIN = """fn main() {
    std::panic::set_hook(Box::new(|_| {}));
    let caught = std::panic::catch_unwind(|| panic!("x")).is_err();
    let threads = std::thread::spawn(|| 2).join().unwrap();
    println!("{caught} {threads} {} {:?}", std::env::consts::ARCH, 258u16.to_ne_bytes());
}
"""
SAYS = {
    "linux/arm/v6": "arm [2, 1]",
    "linux/s390x": "s390x [1, 2]",
}


def test_platforms_are_made_from_sources_and_run(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    """In one invocation; the smoke runs find QEMU by themselves, and show what each program says."""
    app = project(tmp_path / "app", manifest=_MANIFEST, files={"src/main.rs": _MAIN})
    done = run_cargoship("build", app, "--platform", ",".join(SAYS), "-o", f"rootfs:{tmp_path}/out")
    for platform, says in SAYS.items():
        (line,) = [line for line in done.stderr.splitlines() if f"({platform}) ran under QEMU" in line]
        assert line.rstrip().endswith("true 2 " + says)
    # that of Raspberry Pi 1 and Zero
    old = tmp_path / "out/linux/arm/v6/app/app"
    ran = subprocess.run([program("qemu-arm-static"), "-cpu", "arm1176", old], capture_output=True, check=True)
    assert ran.stdout == b"true 2 arm [2, 1]\n"
    assert read_elf(old).arm_version == 6


def test_a_program_for_a_newer_processor_is_refused(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    """Each says of itself what it is for."""
    app = project(tmp_path / "app")
    (row,) = (each for each in TABLE if str(each.platform) == "linux/arm/v7")
    (tmp_path / "loop.c").write_text("void _start(void) { for (;;) {} }\n")
    new = compiled(tmp_path / "loop.c", row.zig_musl, tmp_path / "app-v7", f"-mcpu={row.zig_cpu}")
    assert read_elf(new).arm_version == 7
    words = ("pack", app, "--binary", f"linux/arm/v6={new}", "-o", f"oci:{tmp_path}/refused")
    refused = run_cargoship(*words, check=False)
    assert refused.returncode == 40
    assert "(linux/arm/v6) needs a processor of ARMv7, and linux/arm/v6 promises ARMv6" in refused.stderr
    # as an image of somebody else
    run_cargoship(*words, "--no-verify")
    assert run_cargoship("verify", f"oci:{tmp_path}/refused", check=False).returncode == 40


def test_of_two_files_for_one_binary_none_is_packed(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    """The last was taken, and nothing was said."""
    app = project(tmp_path / "app")
    given = []
    for folder in ("old", "new"):
        binary = tmp_path / folder / "app"
        binary.parent.mkdir()
        binary.write_bytes(PROGRAM)
        given += ["--binary", f"linux/amd64={binary}"]
    refused = run_cargoship("pack", app, *given, "-o", f"oci:{tmp_path}/out", check=False)
    assert refused.returncode == 2
    assert f"two files are given for app on linux/amd64: {tmp_path}/old/app and {tmp_path}/new/app" in refused.stderr
    assert not (tmp_path / "out").exists()


def test_a_file_that_no_image_takes_is_said(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    """A name that was meant for another project, say."""
    app = project(tmp_path / "app")
    given = []
    for name in ("app", "other"):
        binary = tmp_path / name / "bin" / name
        binary.parent.mkdir(parents=True)
        binary.write_bytes(PROGRAM)
        given += ["--binary", f"linux/amd64={binary}"]
    said = run_cargoship("pack", app, *given, "--no-verify", "-o", f"oci:{tmp_path}/out").stderr
    assert f"{tmp_path}/other/bin/other for linux/amd64 is in no image: they have app" in said
    assert "bin/app for linux" not in said
