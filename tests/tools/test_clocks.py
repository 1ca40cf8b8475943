"""What tells the time while something is compiled: no program has a time in it that a clean build would not have."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.cargo_units import create
from support.programs import RunCargoship, distribution_rust, run

pytestmark = pytest.mark.tools

MANIFEST = '[package]\nname = "{}"\nversion = "0.1.0"\nedition = "2021"\n'
SCRIPT = """use std::{{env, process::Command}};
fn main() {{
    println!("cargo::rerun-if-changed=build.rs");
    let told = Command::new("{0}").args({1}).output().unwrap();
    println!("cargo::rustc-env=TOLD={{}}", String::from_utf8_lossy(&[told.stdout, told.stderr].concat()).trim());
    let _ = env::var("OUT_DIR");
}}
"""
COMPILES = """use std::{env, process::Command};
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let out = env::var("OUT_DIR").unwrap();
    let object = format!("{out}/told.o");
    assert!(Command::new("cc").args(["-c", "told.c", "-o", &object]).status().unwrap().success());
    assert!(Command::new("ar").args(["crs", &format!("{out}/libtold.a"), &object]).status().unwrap().success());
    println!("cargo::rustc-link-search=native={out}");
    println!("cargo::rustc-link-lib=static=told");
}
"""
SAYS = 'fn main() { println!("{}", env!("TOLD")); }\n'
SAYS_C = """extern "C" { fn told() -> *const std::ffi::c_char; }
fn main() { println!("{:?}", unsafe { std::ffi::CStr::from_ptr(told()) }); }
"""
MACRO = """use proc_macro::TokenStream;
#[proc_macro] pub fn told(_: TokenStream) -> TokenStream {
    %s
    let now = std::time::SystemTime::now();
    format!("\\"{now:?}\\"").parse().unwrap()
}
"""
CASES: Mapping[str, tuple[Mapping[str, str], bool]] = {
    "a macro": (
        {
            "Cargo.toml": MANIFEST.format("app") + '[dependencies]\nmac = { path = "mac" }\n',
            "mac/Cargo.toml": MANIFEST.format("mac") + "[lib]\nproc-macro = true\n",
            "mac/src/lib.rs": MACRO % "",
            "src/main.rs": 'fn main() { println!("{}", mac::told!()); }\n',
        },
        False,
    ),
    "a date in C": (
        {"build.rs": COMPILES, "src/main.rs": SAYS_C, "told.c": "const char *told(void) { return __TIME__; }\n"},
        False,
    ),
    "C without a date": (
        {"build.rs": COMPILES, "src/main.rs": SAYS_C, "told.c": 'const char *told(void) { return "__TIME__"; }\n'},
        True,
    ),
    "how long ago git has committed": (
        {"build.rs": SCRIPT.format("git", '["log", "-1", "--format=%cr"]'), "src/main.rs": SAYS},
        False,
    ),
    "when git has committed": (
        {"build.rs": SCRIPT.format("git", '["log", "-1", "--format=%cI"]'), "src/main.rs": SAYS},
        True,
    ),
    "a stamp of CMake's": (
        {
            "build.rs": SCRIPT.format("/usr/bin/cmake", '["-P", "told.cmake"]'),
            "src/main.rs": SAYS,
            "told.cmake": 'string(TIMESTAMP NOW "%H:%M:%S")\nmessage("${NOW}")\n',
        },
        False,
    ),
}
"""Files of a project, and whether what is made of them may be kept."""


@pytest.mark.parametrize("name", CASES, ids=lambda name: name.replace(" ", "-"))
def test_a_time_is_that_of_the_build(run_cargoship: RunCargoship, tmp_path: Path, name: str) -> None:
    files, kept = CASES[name]
    place = tmp_path / "place"
    for path, text in {"Cargo.toml": MANIFEST.format("app"), ".gitignore": "target\n", **files}.items():
        create(path, text)(place)
    run(distribution_rust().get("CARGO", "cargo"), "generate-lockfile", "--offline", cwd=place)
    for asked in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "one")):
        run("git", "-c", "user.name=a", "-c", "user.email=a@example.com", *asked, cwd=place)
    words = ("--cache-to", f"dir:{tmp_path / 'cache'}", "--programs", "--", "build", "--offline")
    run_cargoship("cargo", *words, cwd=place)
    shutil.rmtree(place / "target")
    done = run_cargoship("cargo", *words, cwd=place)
    assert ("cargo is not started" in done.stderr) is kept
    said = run_cargoship("cache", "explain", cwd=place).stdout
    assert ("looks at the clock" in said) is not kept
