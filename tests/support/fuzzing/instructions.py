"""What a build script tells cargo: variables for rustc, what it depends on, and libraries in C that it has compiled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from support.fuzzing.edits import HALF, changing, listed, setting
from support.fuzzing.site import Site, rewrite

_MAIN = "fn main() {{\n{}\n}}\n"
_READ = 'std::fs::read_to_string("{}").unwrap_or("absent".into())'
_COMPILES = """use std::{env, path::PathBuf, process::Command};
fn tool(name: &str, other: &str) -> Command {
    let target = env::var("TARGET").unwrap().replace('-', "_");
    let named = env::var(format!("{name}_{target}")).or(env::var(name)).unwrap_or(other.into());
    let mut words = named.split_whitespace();
    let mut command = Command::new(words.next().unwrap());
    command.args(words);
    command
}
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap());
    let object = out.join("fact.o");
    let folders = ["-I../assets/early", "-I../assets/include"];
    let compile = tool("CC", "cc").args(folders).args(["-c", "src/fact.c", "-o"]).arg(&object).status();
    assert!(compile.unwrap().success());
    let archive = tool("AR", "ar").arg("crs").arg(out.join("libfact.a")).arg(&object).status();
    assert!(archive.unwrap().success());
    println!("cargo::rustc-link-search=native={}", out.display());
    println!("cargo::rustc-link-lib=static=fact");
}
"""


def _package(site: Site, name: str, script: str, library: str) -> Path:
    folder = site.package(name)
    site.write(f"work/{name}/build.rs", script)
    site.write(f"work/{name}/src/lib.rs", library)
    site.depend(name, f'{{ path = "../{name}" }}')
    return folder


def _gives_variable(site: Site) -> None:
    """A variable for rustc, from a file that is not declared."""
    path = site.write("work/assets/given.txt", site.word())
    script = (
        'println!("cargo::rerun-if-changed=build.rs");\n'
        f'println!("cargo::rustc-env=FZ_GIVEN={{}}", {_READ.format("../assets/given.txt")});'
    )
    _package(site, "given", _MAIN.format(script), 'pub const FACT: &str = env!("FZ_GIVEN");\n')
    site.facts["given"] = "given::FACT"
    site.edits += changing(site, path)


def _gives_flag(site: Site) -> None:
    """A cfg for rustc, where a file is there that is not declared."""
    path = site.write("work/assets/flag.txt", "")
    script = (
        'println!("cargo::rerun-if-changed=build.rs");\nprintln!("cargo::rustc-check-cfg=cfg(fz_given)");\n'
        'if std::path::Path::new("../assets/flag.txt").exists() { println!("cargo::rustc-cfg=fz_given"); }'
    )
    _package(site, "flagged", _MAIN.format(script), "pub const FACT: bool = cfg!(fz_given);\n")
    site.facts["flagged"] = "flagged::FACT"
    site.edits += changing(site, path)


def _declares(site: Site) -> None:
    """A file, a folder and a variable that are declared."""
    path = site.write("work/assets/declared.txt", site.word())
    script = (
        'println!("cargo::rerun-if-changed=../assets/declared.txt");\n'
        'println!("cargo::rerun-if-changed=../assets/declared");\n'
        'println!("cargo::rerun-if-env-changed=FZ_DECLARED");\n'
        'let number = std::fs::read_dir("../assets/declared").map(|all| all.count()).unwrap_or(0);\n'
        'let variable = std::env::var("FZ_DECLARED").unwrap_or("unset".into());\n'
        f"let text = {_READ.format('../assets/declared.txt')};\n"
        'println!("cargo::rustc-env=FZ_TOLD={text} {variable} {number}");'
    )
    _package(site, "declares", _MAIN.format(script), 'pub const FACT: &str = env!("FZ_TOLD");\n')
    site.facts["declares"] = "declares::FACT"
    site.edits += [
        *changing(site, path),
        setting(site, "FZ_DECLARED"),
        *listed(site, site.work / "assets/declared"),
    ]


def _compiles(site: Site) -> None:
    """A library in C, of which neither the source nor the headers are declared."""

    def source() -> str:
        text = f'#include "fact.h"\nint fact(void) {{ return FACT + {site.chance.randint(1, 9999)}; }}\n'
        rewrite(site.work / "c/src/fact.c", text, time=site.chance.random() < 0.5)
        return "a source in C"

    def header() -> str:
        text = f"#include <deep/deeper/more.h>\n#define FACT {site.chance.randint(10, 99)}0000 + MORE\n"
        rewrite(site.work / "assets/include/fact.h", text)
        return "a header"

    def nested() -> str:
        path = site.work / "assets/include/deep/deeper/more.h"
        rewrite(path, f"#define MORE {site.chance.randint(10, 99)}00000000 / 100\n", time=site.chance.random() < HALF)
        return "a header that a header includes"

    def nearer() -> str:
        near = site.work / site.chance.choice(
            ("c/src/fact.h", "assets/early/fact.h", "assets/early/deep/deeper/more.h")
        )
        if near.exists():
            near.unlink()
            return "a header that was nearer is removed"
        near.parent.mkdir(parents=True, exist_ok=True)
        near.write_text(f"#define FACT {site.chance.randint(10, 99)}0000\n#define MORE 7\n")
        return "a header that is nearer"

    _package(
        site, "c", _COMPILES,
        'unsafe extern "C" { safe fn fact() -> i32; }\npub fn value() -> i32 { fact() }\n',
    )  # fmt: skip
    source()
    header()
    nested()
    site.facts["c"] = "c::value()"
    site.edits += [source, header, nested, nearer]


def _linked_folder(site: Site) -> None:
    """A file that is included by way of a link to a folder."""
    link = site.work / "assets" / "current"
    for name in ("one", "two"):
        site.write(f"work/assets/{name}/text.txt", site.word())
    link.symlink_to("one")
    site.facts["linked_folder"] = 'String::from_utf8_lossy(include_bytes!("../../assets/current/text.txt"))'

    def relinked() -> str:
        other = "two" if link.readlink().name == "one" else "one"
        link.unlink()
        link.symlink_to(other)
        return "a link to a folder leads to another one"

    def content() -> str:
        name = site.chance.choice(("one", "two"))
        rewrite(site.work / f"assets/{name}/text.txt", site.word())
        return f"other content behind a link, in {name}"

    site.edits += [relinked, content]


INSTRUCTIONS: dict[str, Callable[[Site], None]] = {
    "script: gives a variable": _gives_variable,
    "script: gives a flag": _gives_flag,
    "script: declares": _declares,
    "script: compiles C": _compiles,
    "included through a link": _linked_folder,
}
