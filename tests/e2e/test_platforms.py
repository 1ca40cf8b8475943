"""A platform that this machine has nothing for: standard library, C library and start files are all made here."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.programs import RunCargoship, run
from support.projects import project

pytestmark = pytest.mark.e2e

_MAIN = """fn main() {
    let caught = std::panic::catch_unwind(|| panic!("x")).is_err();
    let threads = std::thread::spawn(|| 2).join().unwrap();
    println!("{caught} {threads} {}", std::env::consts::ARCH);
}
"""


def test_arm_v7_is_made_from_sources_and_runs(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    app = project(tmp_path / "app", files={"src/main.rs": _MAIN})
    run_cargoship("build", app, "--platform", "linux/arm/v7", "-o", f"oci:{tmp_path}/out")
    program = app / "target" / "armv7-unknown-linux-musleabihf" / "release" / "app"
    assert run("qemu-arm-static", program).stdout == "true 2 arm\n"
