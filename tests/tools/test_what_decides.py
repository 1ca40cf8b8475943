"""What decides which program comes out, beside its sources: a change of it never brings back an earlier program."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.cargo_units import Change, create, edit
from support.crates import download
from support.programs import RunCargoship, distribution_rust, run

pytestmark = pytest.mark.tools

PACKAGE = '[package]\nname = "{}"\nversion = "{}"\nedition = "2021"\n'
DESCRIBED = 'pub fn said() -> &\'static str { env!("CARGO_PKG_DESCRIPTION") }\n'
README = 'pub fn said() -> &\'static str { env!("CARGO_PKG_README") }\n'
SAYS = 'fn main() { println!("{}", other::said()); }\n'
ON_OTHER = '[dependencies]\nother = { path = "../other" }\n[workspace]\n'
WHO = '#![allow(unexpected_cfgs)]\nfn main() { println!("{:?} {}", option_env!("WHO"), cfg!(x)); }\n'
PATCHED = '[dependencies]\nother = "1"\n[patch.crates-io]\nother = { path = "forks/other" }\n'
ITOA = '[dependencies]\nitoa = "=1.0.17"\n'
INHERITS = 'edition = "2021"\ndescription = { workspace = true }\n'


@dataclass(frozen=True)
class Case:
    """A project in the folder `place`, and a change of it."""

    files: Mapping[str, str]
    change: Change
    first: str
    then: str
    env: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    program: str = "release/app"


def vendor(place: Path) -> None:
    """What a person does who has to mend a dependency."""
    cargo = distribution_rust().get("CARGO", "cargo")
    reported = run(cargo, "vendor", "--offline", "vendor", cwd=place / "place").stdout
    create("place/.cargo/config.toml", reported)(place)
    edit("place/vendor/itoa/src/lib.rs", "    pub fn format<I: Integer>(&mut self, i: I) -> &str {", MENDED)(place)
    checksums = place / "place/vendor/itoa/.cargo-checksum.json"
    checksums.write_text(json.dumps({**json.loads(checksums.read_text()), "files": {}}))


MENDED = '    pub fn format<I: Integer>(&mut self, i: I) -> &str {\n        if true { return "mended"; }'

SPEC = json.dumps(
    {
        "arch": "x86_64",
        "data-layout": "e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-i128:128-f80:128-n8:16:32:64-S128",
        "dynamic-linking": True,
        "linker-flavor": "gnu-cc",
        "llvm-target": "x86_64-unknown-linux-gnu",
        "os": "linux",
        "panic-strategy": "abort",
        "target-pointer-width": 64,
    }
)
WITHOUT_LIBRARY = """#![feature(no_core, lang_items)]
#![no_core]
#![no_main]
#![allow(internal_features, unexpected_cfgs)]
#[lang = "pointee_sized"] pub trait PointeeSized {}
#[lang = "meta_sized"] pub trait MetaSized: PointeeSized {}
#[lang = "sized"] pub trait Sized: MetaSized {}
#[lang = "copy"] pub trait Copy {}
impl Copy for i32 {}
#[cfg(x)] const SAYS: i32 = 88;
#[cfg(not(x))] const SAYS: i32 = 79;
#[link(name = "c")] unsafe extern "C" { static MARK: i32; fn putchar(c: i32) -> i32; }
#[unsafe(no_mangle)] pub extern "C" fn main() -> i32 {
    unsafe { putchar(SAYS); putchar(&raw const MARK as usize as i32); putchar(10); }
    0
}
"""
LINKS = '#!/bin/sh\nexec cc "$@" -no-pie -Wl,--defsym=MARK={}\n'
OF_OWN_TARGET = """[build]
target = "specs/own.json"
[unstable]
json-target-spec = true
[target.own]
linker = "./linker.sh"
rustflags = ["--cfg={}", "-Crelocation-model=static"]
"""
OWN_TARGET = {
    "place/Cargo.toml": PACKAGE.format("app", "0.1.0") + '[profile.release]\npanic = "abort"\n',
    "place/src/main.rs": WITHOUT_LIBRARY,
    "place/specs/own.json": SPEC,
    "place/linker.sh": LINKS.format(49),
    "place/.cargo/config.toml": OF_OWN_TARGET.format("x"),
}

CASES = {
    "flags for a target that a file describes": Case(
        OWN_TARGET,
        create("place/.cargo/config.toml", OF_OWN_TARGET.format("y")),
        "X1",
        "O1",
        env={"RUSTC_BOOTSTRAP": "1"},
        program="own/release/app",
    ),
    "the linker of a target that a file describes": Case(
        OWN_TARGET,
        create("place/linker.sh", LINKS.format(50)),
        "X1",
        "X2",
        env={"RUSTC_BOOTSTRAP": "1"},
        program="own/release/app",
    ),
    "the manifest of a path dependency that is no member": Case(
        {
            "place/Cargo.toml": PACKAGE.format("app", "0.1.0") + ON_OTHER,
            "place/src/main.rs": SAYS,
            "other/Cargo.toml": PACKAGE.format("other", "0.1.0") + 'description = "one"\n',
            "other/src/lib.rs": DESCRIBED,
        },
        edit("other/Cargo.toml", '"one"', '"two"'),
        "one",
        "two",
    ),
    "default features of a path dependency that is no member": Case(
        {
            "place/Cargo.toml": PACKAGE.format("app", "0.1.0") + ON_OTHER,
            "place/src/main.rs": SAYS,
            "other/Cargo.toml": PACKAGE.format("other", "0.1.0") + "[features]\ndefault = []\nfancy = []\n",
            "other/src/lib.rs": 'pub fn said() -> bool { cfg!(feature = "fancy") }\n',
        },
        edit("other/Cargo.toml", "default = []", 'default = ["fancy"]'),
        "false",
        "true",
    ),
    "a build script that appears in a path dependency that is no member": Case(
        {
            "place/Cargo.toml": PACKAGE.format("app", "0.1.0") + ON_OTHER,
            "place/src/main.rs": SAYS,
            "other/Cargo.toml": PACKAGE.format("other", "0.1.0"),
            "other/src/lib.rs": 'pub fn said() -> &\'static str { option_env!("SAID").unwrap_or("nothing") }\n',
        },
        create("other/build.rs", 'fn main() { println!("cargo::rustc-env=SAID=script"); }\n'),
        "nothing",
        "script",
    ),
    "a readme that appears in a path dependency that is no member": Case(
        {
            "place/Cargo.toml": PACKAGE.format("app", "0.1.0") + ON_OTHER,
            "place/src/main.rs": SAYS,
            "other/Cargo.toml": PACKAGE.format("other", "0.1.0"),
            "other/src/lib.rs": README,
            "other/README": "of another time",
        },
        create("other/README.md", "more"),
        "README",
        "README.md",
    ),
    "the manifest of a patch": Case(
        {
            "place/Cargo.toml": PACKAGE.format("app", "0.1.0") + PATCHED,
            "place/src/main.rs": SAYS,
            "place/forks/other/Cargo.toml": PACKAGE.format("other", "1.0.0") + 'description = "one"\n[workspace]\n',
            "place/forks/other/src/lib.rs": DESCRIBED,
        },
        edit("place/forks/other/Cargo.toml", '"one"', '"two"'),
        "one",
        "two",
    ),
    "the workspace that a dependency inherits from": Case(
        {
            "place/Cargo.toml": PACKAGE.format("app", "0.1.0") + ON_OTHER,
            "place/src/main.rs": SAYS,
            "Cargo.toml": (
                '[workspace]\nmembers = ["other"]\nexclude = ["place"]\n[workspace.package]\ndescription = "one"\n'
            ),
            "other/Cargo.toml": '[package]\nname = "other"\nversion = "0.1.0"\n' + INHERITS,
            "other/src/lib.rs": DESCRIBED,
        },
        edit("Cargo.toml", '"one"', '"two"'),
        "one",
        "two",
    ),
    "an included file of cargo's configuration": Case(
        {
            "place/Cargo.toml": PACKAGE.format("app", "0.1.0"),
            "place/src/main.rs": WHO,
            "place/.cargo/config.toml": 'include = [{ path = "sub/more.toml", optional = true }]\n',
            "place/.cargo/sub/more.toml": 'include = ["../flags.toml"]\n',
            "place/.cargo/flags.toml": '[build]\nrustflags = ["--cfg=x"]\n[env]\nWHO = "one"\n',
        },
        create("place/.cargo/flags.toml", '[env]\nWHO = "two"\n'),
        'Some("one") true',
        'Some("two") false',
    ),
    "an optional file of cargo's configuration that appears": Case(
        {
            "place/Cargo.toml": PACKAGE.format("app", "0.1.0"),
            "place/src/main.rs": WHO,
            "place/.cargo/config.toml": 'include = [{ path = "more.toml", optional = true }]\n',
        },
        create("place/.cargo/more.toml", '[env]\nWHO = "two"\n'),
        "None false",
        'Some("two") false',
    ),
    "a file that --config names": Case(
        {
            "place/Cargo.toml": PACKAGE.format("app", "0.1.0"),
            "place/src/main.rs": WHO,
            "place/ci.toml": 'include = ["ci-env.toml"]\n',
            "place/ci-env.toml": '[env]\nWHO = "one"\n',
        },
        create("place/ci-env.toml", '[env]\nWHO = "two"\n'),
        'Some("one") false',
        'Some("two") false',
        options=("--config", "ci.toml"),
    ),
    "a folder of crates in the place of the registry": Case(
        {
            "place/Cargo.toml": PACKAGE.format("app", "0.1.0") + ITOA,
            "place/src/main.rs": 'fn main() { println!("{}", itoa::Buffer::new().format(1)); }\n',
        },
        vendor,
        "1",
        "mended",
    ),
    "the script that a wrapper is": Case(
        {
            "place/Cargo.toml": PACKAGE.format("app", "0.1.0"),
            "place/src/main.rs": WHO,
            "place/wrapper.sh": '#!/bin/sh\nexec "$@"\n',
        },
        create("place/wrapper.sh", '#!/bin/sh\nexec "$@" --cfg x\n'),
        "None false",
        "None true",
        env={"RUSTC_WRAPPER": "./wrapper.sh"},
    ),
    "the script that a linker is": Case(
        {
            "place/Cargo.toml": PACKAGE.format("app", "0.1.0"),
            "place/src/main.rs": (
                'extern "C" { static MARK: u8; }\nfn main() { println!("{}", unsafe { &raw const MARK as usize }); }\n'
            ),
            "place/linker.sh": '#!/bin/sh\nexec cc "$@" -no-pie -Wl,--defsym=MARK=1\n',
            "place/.cargo/config.toml": (
                '[target.x86_64-unknown-linux-gnu]\nlinker = "./linker.sh"\nrustflags = ["-Crelocation-model=static"]\n'
            ),
        },
        create("place/linker.sh", '#!/bin/sh\nexec cc "$@" -no-pie -Wl,--defsym=MARK=2\n'),
        "1",
        "2",
    ),
}


@pytest.mark.parametrize("name", CASES, ids=lambda name: name.replace(" ", "-"))
def test_a_change_of_it_brings_no_earlier_program_back(run_cargoship: RunCargoship, tmp_path: Path, name: str) -> None:
    case = CASES[name]
    env = {**distribution_rust(), **case.env}
    root = tmp_path / "root"
    for path, text in case.files.items():
        create(path, text)(root)
    for script in root.glob("place/*.sh"):
        script.chmod(0o755)
    cache = ("--cache-to", f"dir:{tmp_path / 'cache'}", "--programs")

    def program(*, whole: bool) -> str:
        shutil.rmtree(root / "place/target", ignore_errors=True)
        words = ("cargo", *cache, "--", "build", "--release", "--offline", "-j1", *case.options)
        done = run_cargoship(*words, cwd=root / "place", env=env)
        assert ("nothing has changed" in done.stderr) is whole
        return run(root / "place/target" / case.program).stdout

    download(root, "place", env=env)
    run(env.get("CARGO", "cargo"), "generate-lockfile", "--offline", cwd=root / "place", env={**os.environ, **env})
    assert program(whole=False) == case.first + "\n"
    # nobody is helped by a cache that keeps nothing
    assert program(whole=True) == case.first + "\n"
    case.change(root)
    assert program(whole=False) == case.then + "\n"


def test_a_readme_that_came_and_went_is_not_in_what_was_made_before(
    run_cargoship: RunCargoship, tmp_path: Path
) -> None:
    """cargo looks for one by itself, and tells crates of it."""
    create("Cargo.toml", PACKAGE.format("app", "0.1.0"))(tmp_path)
    create("src/main.rs", 'fn main() { println!("<{}>", env!("CARGO_PKG_README")); }\n')(tmp_path)
    words = ("--cache-to", f"dir:{tmp_path / 'cache'}", "--programs", "--", "build", "--offline")
    run(distribution_rust().get("CARGO", "cargo"), "generate-lockfile", cwd=tmp_path)
    says = []
    for there in (False, True, False):
        create("README.txt", "")(tmp_path) if there else (tmp_path / "README.txt").unlink(missing_ok=True)
        run_cargoship("cargo", *words, cwd=tmp_path)
        says.append(run(tmp_path / "target/debug/app").stdout)
        shutil.rmtree(tmp_path / "target")
    assert says == ["<>\n", "<README.txt>\n", "<>\n"]


def test_a_lint_that_forbids_the_code_is_not_passed_over(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    create("Cargo.toml", '[workspace]\nmembers = ["app"]\nresolver = "2"\n')(tmp_path)
    create("app/Cargo.toml", PACKAGE.format("app", "0.1.0"))(tmp_path)
    create("app/src/main.rs", 'fn main() { println!("{}", unsafe { *(&raw const X) }); }\nstatic X: u8 = 5;\n')(
        tmp_path
    )
    words = ("--cache-to", f"dir:{tmp_path / 'cache'}", "--programs", "--", "build", "--release", "--offline")
    run_cargoship("cargo", *words, cwd=tmp_path)
    edit("app/Cargo.toml", 'edition = "2021"\n', 'edition = "2021"\n[lints.rust]\nunsafe_code = "forbid"\n')(tmp_path)
    done = run_cargoship("cargo", *words, cwd=tmp_path, check=False)
    assert done.returncode == 101
    assert "unsafe" in done.stderr


def test_a_program_for_a_newer_rust_comes_back_only_where_that_is_ignored(
    run_cargoship: RunCargoship, tmp_path: Path
) -> None:
    create("Cargo.toml", PACKAGE.format("app", "0.1.0") + 'rust-version = "1.999"\n')(tmp_path)
    create("src/main.rs", "fn main() {}\n")(tmp_path)
    run(distribution_rust().get("CARGO", "cargo"), "generate-lockfile", cwd=tmp_path)
    words = ("--cache-to", f"dir:{tmp_path / 'cache'}", "--programs", "--", "build", "--offline")
    run_cargoship("cargo", *words, "--ignore-rust-version", cwd=tmp_path)
    shutil.rmtree(tmp_path / "target")
    refused = run_cargoship("cargo", *words, cwd=tmp_path, check=False)
    assert (refused.returncode, "requires rustc 1.999" in refused.stderr) == (101, True)
    again = run_cargoship("cargo", *words, "--ignore-rust-version", cwd=tmp_path)
    assert "cargo is not started" in again.stderr


def test_a_target_that_a_variable_names_is_not_another_ones_program(
    run_cargoship: RunCargoship, tmp_path: Path
) -> None:
    create("Cargo.toml", PACKAGE.format("app", "0.1.0"))(tmp_path)
    create("src/main.rs", "fn main() {}\n")(tmp_path)
    words = ("--cache-to", f"dir:{tmp_path / 'cache'}", "--programs", "--", "build", "--release", "--offline")
    run_cargoship("cargo", *words, cwd=tmp_path)
    triple = "x86_64-unknown-linux-gnu"
    chosen = tmp_path / "target" / triple / "release/app"
    run_cargoship("cargo", *words, cwd=tmp_path, env={"CARGO_BUILD_TARGET": triple})
    assert chosen.is_file()
    shutil.rmtree(tmp_path / "target")
    create(".cargo/config.toml", f'[build]\ntarget = ["{triple}"]\n')(tmp_path)
    run_cargoship("cargo", *words, cwd=tmp_path)
    assert chosen.is_file()


@pytest.mark.parametrize("by", ["environment", "configuration"])
def test_an_image_is_compiled_by_the_script_that_is_named_for_the_compiler(
    run_cargoship: RunCargoship, tmp_path: Path, by: str
) -> None:
    """The compiler that it starts was taken in its place, without the words that it adds."""
    rust = distribution_rust()
    script = tmp_path / "around"
    script.write_text(f'#!/bin/sh\nexec {rust.get("RUSTC", "rustc")} --cfg x "$@"\n')
    script.chmod(0o755)
    for name, text in {"Cargo.toml": PACKAGE.format("app", "0.1.0"), "src/main.rs": WHO}.items():
        create(f"app/{name}", text)(tmp_path)
    env = {"RUSTC": str(script)}
    if by == "configuration":
        create("app/.cargo/config.toml", f'[build]\nrustc = "{script}"\n')(tmp_path)
        env = {"RUSTC": ""}
    words = ("build", tmp_path / "app", "--no-cache", "--platform", "linux/amd64", "-o", f"oci:{tmp_path}/out")
    run_cargoship(*words, env=env)
    made = tmp_path / "app" / "target" / "x86_64-unknown-linux-musl" / "release" / "app"
    assert run(made).stdout == "None true\n"
    # and the image's provenance has it
    blobs = (tmp_path / "out" / "blobs" / "sha256").iterdir()
    assert any(b'"rustc-script"' in blob.read_bytes() for blob in blobs)
