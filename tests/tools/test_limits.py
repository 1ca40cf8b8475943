"""What Zig cannot do, brought about for real: the error names the limit and a way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.programs import RunCargoship
from support.projects import project

pytestmark = pytest.mark.tools

# As the cc crate does: the target's own compiler, and its words where cargo shows them.
_COMPILE = """use std::process::Command;

fn main() {
    let compiler = std::env::var("CC_aarch64_unknown_linux_musl").unwrap();
    let out = std::env::var("OUT_DIR").unwrap();
    let done = Command::new(compiler).args(["FLAG", "-c", "one.c", "-o"]).arg(out + "/one.o").status().unwrap();
    assert!(done.success());
}
"""
_LINK = """fn main() {
    println!("cargo:rustc-link-arg=FLAG");
}
"""


@pytest.mark.parametrize(
    ("script", "flag", "limit", "way_out"),
    [
        (_COMPILE, "-fno-tree-sra", "with -fno-tree-sra, a flag of GCC", "leave it out of CFLAGS"),
        (_COMPILE, "-mavx512f", "C code asks for avx512f, which processors of aarch64 do not have", "a feature"),
        (_LINK, "-lgfortran", "gfortran, the runtime of GNU's Fortran compiler", "use a crate without Fortran"),
        (_LINK, "-lgomp", "with OpenMP (gomp), which Zig does not have", "leave -fopenmp out"),
        (_LINK, "--no-such-thing", "links with --no-such-thing, which Zig's linker does not have", "RUSTFLAGS"),
    ],
)
def test_the_limit_is_named(
    run_cargoship: RunCargoship, tmp_path: Path, script: str, flag: str, limit: str, way_out: str
) -> None:
    app = project(
        tmp_path / "app", files={"build.rs": script.replace("FLAG", flag), "one.c": "int one(void) { return 1; }\n"}
    )
    done = run_cargoship("build", app, "--platform", "linux/arm64", check=False)
    assert done.returncode == 101
    error, _, hint = done.stderr.rpartition("error: cargo ended with exit code 101: ")[2].partition("hint: ")
    assert limit in error
    assert way_out in hint
