"""Zig is a static program that nobody can watch: what its compiler and linker read is known all the same.

One build script compiles C in which each way of reading stands once; each edit is shipped from a fresh checkout.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.programs import RunCargoship, distribution_rust, run

pytestmark = pytest.mark.tools

TARGET = "x86_64-unknown-linux-gnu"
SCRIPT = """use std::{env::var, process::Command};
fn main() {
    println!("cargo::rerun-if-changed=c/ways.c");
    let (out, target) = (var("OUT_DIR").unwrap(), var("TARGET").unwrap().replace('-', "_"));
    let tool = |name: &str, usual: &str| var(format!("{name}_{target}")).unwrap_or(usual.into());
    let run = |tool: String, words: &[&str]| assert!(Command::new(tool).args(words).status().unwrap().success());
    let (ways, linked) = (format!("{out}/ways.o"), format!("{out}/linked.o"));
    run(tool("CC", "cc"), &["-fPIC", "-Ic/one", "-Ic/two", "-c", "c/ways.c", "-o", &ways]);
    run(tool("CC", "cc"), &["-fPIC", "-c", "c/linked.c", "-o", &linked]);
    run(tool("AR", "ar"), &["rcs", &format!("{out}/libways.a"), &ways, &linked]);
    println!("cargo::rustc-link-lib=static=ways");
    println!("cargo::rustc-link-search=native={out}");
}
"""
WAYS = r"""
__asm__(".section .rodata\n.globl blob\nblob:\n.incbin \"c/blob\"\n.byte 0\n.text\n");
extern const char blob[];
extern const char *linked(void);
#if __has_include("config.h")
#include "config.h"
#else
#define CONFIG "none"
#endif
#if __has_include(<feature.h>)
#define FEATURE "has"
#else
#define FEATURE "lacks"
#endif
#include "sub/outer.h"
const char *way(int number) {
    switch (number) {
    case 0: return blob;
    case 1: return CONFIG;
    case 2: return FEATURE;
    case 3: return INNER;
    default: return linked();
    }
}
"""
MAIN = """extern "C" { fn way(number: i32) -> *const std::ffi::c_char; }
fn main() {
    let texts = (0..5).map(|number| unsafe { std::ffi::CStr::from_ptr(way(number)) }.to_str().unwrap());
    println!("{}", texts.collect::<Vec<_>>().join(" "));
}
"""
FILES = {
    "Cargo.toml": '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n',
    "build.rs": SCRIPT,
    "src/main.rs": MAIN,
    "c/ways.c": WAYS,
    "c/linked.c": '#include "linked.h"\nconst char *linked(void) { return LINKED; }\n',
    "c/linked.h": '#define LINKED "linked"\n',
    "c/blob": "blob",
    "c/one/sub/outer.h": '#include "inner.h"\n',
    "c/two/inner.h": '#define INNER "inner"\n',
}
EDITS = {
    "c/blob": ("edited", "edited none lacks inner linked"),
    "c/two/config.h": ('#define CONFIG "config"\n', "edited config lacks inner linked"),
    "c/one/feature.h": ("", "edited config has inner linked"),
    "c/one/sub/inner.h": ('#define INNER "beside"\n', "edited config has beside linked"),
    "c/linked.h": ('#define LINKED "other"\n', "edited config has beside other"),
}


def write(place: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)


@pytest.mark.parametrize("kept", [False, True], ids=["without a cache", "with lists of the script's own"])
def test_zig_keeps_no_object_of_how_things_were(run_cargoship: RunCargoship, tmp_path: Path, *, kept: bool) -> None:
    """Its own cache goes by flags and by what was read: not by headers that come to stand before it, or `.incbin`."""
    place = tmp_path / "place"
    # as CMake asks for lists; where nobody does, the unit cache does
    listed = SCRIPT.replace('"-fPIC", "-I', '"-fPIC", "-MD", "-MF", &format!("{out}/list"), "-I')
    write(place, FILES | {"build.rs": listed if kept else SCRIPT})
    run(distribution_rust().get("CARGO", "cargo"), "generate-lockfile", cwd=place)

    def ship() -> str:
        shutil.rmtree(place / "target", ignore_errors=True)
        words = ("--cache-to", f"dir:{tmp_path / 'cache'}") if kept else ("--no-cache",)
        run_cargoship("cargo", *words, "--", "zigbuild", "--release", "--target", TARGET, cwd=place)
        return run(place / "target" / TARGET / "release" / "app").stdout.strip()

    assert ship() == "blob none lacks inner linked"
    for name, (text, wanted) in EDITS.items():
        write(place, {name: text})
        assert ship() == wanted, name


def test_what_no_list_of_a_compiler_has_is_seen(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    place = tmp_path / "place"
    write(place, FILES)
    run(distribution_rust().get("CARGO", "cargo"), "generate-lockfile", cwd=place)

    def ship() -> tuple[bool, str]:
        shutil.rmtree(place / "target", ignore_errors=True)
        words = ("cargo", "--programs", "--cache-to", f"dir:{tmp_path / 'cache'}", "--", "zigbuild", "--release")
        done = run_cargoship(*words, "--target", TARGET, cwd=place)
        program = place / "target" / TARGET / "release" / "app"
        return "cargo is not started" in done.stderr, run(program).stdout.strip()

    assert [ship(), ship()] == [(False, "blob none lacks inner linked"), (True, "blob none lacks inner linked")]
    for name, (text, wanted) in EDITS.items():
        write(place, {name: text})
        assert [ship(), ship()] == [(False, wanted), (True, wanted)], name
