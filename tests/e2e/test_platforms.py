"""Platforms that this machine has nothing for: standard library, C library and start files are all made here.

Each costs a standard library and a C library, two minutes of processor time where the cache does not have them: arm/v7
for 32 bits, s390x for its byte order, riscv64. `scripts/all-platforms` runs the same program on every platform.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from support.programs import RunCargoship
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
SAYS = {"linux/arm/v7": "arm [2, 1]", "linux/s390x": "s390x [1, 2]", "linux/riscv64": "riscv64 [2, 1]"}


def test_platforms_are_made_from_sources_and_run(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    """In one invocation; the smoke runs find QEMU by themselves, and show what each program says."""
    app = project(tmp_path / "app", manifest=_MANIFEST, files={"src/main.rs": _MAIN})
    done = run_cargoship("build", app, "--platform", ",".join(SAYS), "-o", f"oci:{tmp_path}/out")
    for platform, says in SAYS.items():
        (line,) = [line for line in done.stderr.splitlines() if f"({platform}) ran under QEMU" in line]
        assert line.rstrip().endswith("true 2 " + says)
