"""A small workspace with every kind of unit: libraries, a procedural macro, build scripts, C objects, a program."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = '[package]\nname = "{}"\nversion = "0.1.0"\nedition = "2021"\n'
_NATIVE = """use std::{env, path::Path, process::Command};
fn main() {
    println!("cargo::rerun-if-changed=native.c");
    let target = env::var("TARGET").unwrap().replace('-', "_");
    let tool = |name: &str, usual: &str| {
        println!("cargo::rerun-if-env-changed={name}_{target}");
        env::var(format!("{name}_{target}")).unwrap_or(usual.into())
    };
    let out = env::var("OUT_DIR").unwrap();
    let object = Path::new(&out).join("native.o");
    let run = |mut command: Command| assert!(command.status().unwrap().success());
    let mut cc = Command::new(tool("CC", "cc"));
    cc.args(["-O2", "-fPIC", "-c", "native.c", "-o"]).arg(&object);
    run(cc);
    let mut ar = Command::new(tool("AR", "ar"));
    ar.arg("crs").arg(Path::new(&out).join("libnative.a")).arg(&object);
    run(ar);
    println!("cargo::rustc-link-lib=static=native");
    println!("cargo::rustc-link-search=native={out}");
}
"""
_GENERATE = """fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let out = std::path::PathBuf::from(std::env::var_os("OUT_DIR").unwrap());
    std::fs::write(out.join("made.rs"), "pub const MADE: u8 = 3;\\n").unwrap();
    println!("cargo::rustc-env=MADE=yes");
}
"""
_MAIN = """include!(concat!(env!("OUT_DIR"), "/made.rs"));
#[derive(maker::Nothing)]
struct _Empty;
fn main() {
    println!("{} {} {} {MADE}", helper::text(), unsafe { native_sys::native_add(1, 2) }, env!("MADE"));
}
"""

FILES = {
    "Cargo.toml": '[workspace]\nmembers = ["app", "helper", "maker", "native-sys"]\nresolver = "2"\n',
    "app/Cargo.toml": _PACKAGE.format("app")
    + '[features]\nloud = ["helper/loud"]\n[dependencies]\nhelper = { path = "../helper" }\n'
    + 'maker = { path = "../maker" }\nnative-sys = { path = "../native-sys" }\nitoa = "=1.0.17"\n',
    "app/build.rs": _GENERATE,
    "app/src/main.rs": _MAIN,
    "helper/Cargo.toml": _PACKAGE.format("helper") + '[features]\nloud = []\n[dependencies]\nitoa = "=1.0.17"\n',
    "helper/src/lib.rs": 'pub fn text() -> &\'static str {\n    include_str!("text.txt")\n}\n',
    "helper/src/text.txt": "hello",
    "helper/README.md": "nothing that is compiled\n",
    "maker/Cargo.toml": _PACKAGE.format("maker") + "[lib]\nproc-macro = true\n",
    "maker/src/lib.rs": (
        "#[proc_macro_derive(Nothing)]\npub fn nothing(_: proc_macro::TokenStream) -> proc_macro::TokenStream {\n"
        "    proc_macro::TokenStream::new()\n}\n"
    ),
    "native-sys/Cargo.toml": _PACKAGE.format("native-sys") + 'links = "native"\n',
    "native-sys/build.rs": _NATIVE,
    "native-sys/native.c": "int native_add(int a, int b) { return a + b; }\n",
    "native-sys/src/lib.rs": 'extern "C" {\n    pub fn native_add(a: i32, b: i32) -> i32;\n}\n',
}
SAYS = "hello 3 yes 3\n"


def write_workspace(folder: Path) -> Path:
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder
