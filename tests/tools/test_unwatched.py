"""A machine on which nobody sees what units read (macOS, musl): what may have read more than was said is compiled."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cargoship.events import Level, Note
from cargoship.unitcache.stores.directory import DirectoryStore
from support.cargo_units import CachedWorkspace, Done, create
from support.programs import run

pytestmark = pytest.mark.tools

PACKAGE = '[package]\nname = "{}"\nversion = "0.1.0"\nedition = "2021"\n'
SCRIPT = """fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-env=TOLD={}", std::fs::read_to_string("../told.txt").unwrap());
}
"""
MACRO = """use proc_macro::TokenStream;
#[proc_macro] pub fn url(_: TokenStream) -> TokenStream {
    format!("{:?}", std::env::var("API_URL").unwrap_or("none".into())).parse().unwrap()
}
"""
FILES = {
    "Cargo.toml": '[workspace]\nmembers = ["app", "front", "mac", "plain"]\nresolver = "2"\n',
    "app/Cargo.toml": PACKAGE.format("app")
    + '[dependencies]\nfront = { path = "../front" }\nplain = { path = "../plain" }\n',
    "app/build.rs": SCRIPT,
    "app/src/main.rs": 'fn main() { println!("{} {} {}", env!("TOLD"), front::url!(), plain::text()); }\n',
    # as serde hands on the macros of serde_derive
    "front/Cargo.toml": PACKAGE.format("front") + '[dependencies]\nmac = { path = "../mac" }\n',
    "front/src/lib.rs": "pub use mac::url;\n",
    "mac/Cargo.toml": PACKAGE.format("mac") + "[lib]\nproc-macro = true\n",
    "mac/src/lib.rs": MACRO,
    "plain/Cargo.toml": PACKAGE.format("plain"),
    "plain/src/lib.rs": 'pub fn text() -> &\'static str { include_str!("text") }\n',
    "plain/src/text": "plain",
    "told.txt": "first",
}


@pytest.fixture
def workspace(tmp_path: Path) -> CachedWorkspace:
    return CachedWorkspace(tmp_path, DirectoryStore(tmp_path / "store"), watched=False)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        create(name, text)(tmp_path / "source")
    return tmp_path / "source"


def says(done: Done) -> str:
    return run(done.programs["app"]).stdout.strip()


def test_no_earlier_program_is_shipped(
    workspace: CachedWorkspace, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = workspace.checkout(source, "place")
    first = workspace.build(place)
    assert says(first) == "first none plain"
    warnings = [each.text for each in first.events if isinstance(each, Note) and each.level is Level.WARNING]
    assert len(warnings) == 1
    assert "3 units of local packages are compiled in every build" in warnings[0]
    create("told.txt", "second")(place)
    os.utime(place / "told.txt", (1, 1))
    monkeypatch.setenv("API_URL", "production")
    assert says(workspace.build(place)) == "second production plain", "in place"
    clean = workspace.build(workspace.checkout(place, "clean"))
    assert says(clean) == "second production plain"
    # what runs no code of others tells all that it reads
    assert clean.compiled == ("app bin", "front lib")


def test_what_a_wrapper_reads_ships_no_earlier_program(tmp_path: Path, source: Path) -> None:
    """It may change any crate."""
    wrapper, flags = tmp_path / "around", tmp_path / "flags"
    wrapper.write_text(f'#!/bin/sh\nexec "$@" $(cat {flags})\n')
    wrapper.chmod(0o755)
    flags.write_text("")
    create("plain/src/lib.rs", "pub fn text() -> bool { cfg!(special) }\n")(source)
    env = {"RUSTC_WRAPPER": str(wrapper)}
    wrapped = CachedWorkspace(tmp_path, DirectoryStore(tmp_path / "store"), env=env, watched=False)
    place = wrapped.checkout(source, "place")
    assert says(wrapped.build(place)) == "first none false"
    flags.write_text("--cfg special")
    assert says(wrapped.build(place)) == "first none true", "in place"
    flags.write_text("")
    assert says(wrapped.build(wrapped.checkout(place, "clean"))) == "first none false"
