"""Cargo workspaces to make recipes of: one for each thing that a manifest can say. Dependencies are tiny."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from support.crates import download
from support.programs import distribution_rust, run

Files = Mapping[str, str]

LIB = 'pub fn told() -> &\'static str {\n    env!("CARGO_PKG_NAME")\n}\n'


def main(*crates: str) -> str:
    """A program that says what its local crates say; a dummy would say nothing."""
    said = "".join(f'    println!("real {{}}", {crate}::told());\n' for crate in crates)
    return f'fn main() {{\n    println!("real main");\n{said}}}\n'


def package(name: str, rest: str = "", *, edition: str = 'edition = "2021"', version: str = "0.0.1") -> str:
    # the version is the one that recipes mask with: nothing tells a real crate from its dummy by its version
    return f'[package]\nname = "{name}"\nversion = "{version}"\n{edition}\n{rest}'


SINGLE: Files = {
    "Cargo.toml": package(
        "app-one",
        """description = "what it is"
[features]
default = ["fast"]
fast = ["dep:cfg-if"]
[dependencies]
itoa = "1"
cfg-if = { version = "1", optional = true }
[dev-dependencies]
ryu = "1"
[profile.release]
debug = 1
[profile.dev.package."*"]
opt-level = 1
[lints.rust]
missing_docs = "deny"
[[example]]
name = "quiet"
required-features = ["fast"]
""",
    ),
    "src/lib.rs": "//! Documented.\n/// Says.\n" + LIB,
    "src/main.rs": "//! Documented.\n" + main("app_one"),
    "src/bin/second.rs": "//! Documented.\n" + main(),
    "src/bin/third/main.rs": "//! Documented.\n" + main(),
    "src/bin/not-one/lib.rs": "",
    "build.rs": '//! Documented.\nfn main() {\n    println!("cargo::rerun-if-changed=build.rs");\n}\n',
    "tests/itoa.rs": "//! A test that is called as a dependency is.\n#[test]\nfn works() {}\n",
    "tests/common/mod.rs": "",
    "examples/quiet.rs": "//! Documented.\n" + main(),
    "benches/slow.rs": "//! Documented.\nfn main() {}\n",
}

WORKSPACE: Files = {
    "Cargo.toml": """[workspace]
members = ["crates/*", "tools/deep/er"]
exclude = ["crates/left-out"]
default-members = ["crates/app", "crates/*-lib"]
resolver = "2"
[workspace.package]
version = "0.0.1"
edition = "2021"
license = "MIT"
[workspace.dependencies]
itoa = { version = "1", default-features = false }
core-lib = { path = "crates/core-lib", version = "0.0.1" }
unused = { package = "ryu", version = "1" }
[workspace.lints.rust]
missing_docs = "deny"
[profile.dev.package.itoa]
opt-level = 2
""",
    "crates/app/Cargo.toml": package(
        "app",
        """[dependencies]
core-lib.workspace = true
number = { package = "itoa", version = "1" }
derive = { path = "../derive", version = "=0.0.1" }
left-out = { path = "../left-out" }
[target.'cfg(unix)'.dependencies]
cfg-if = "1"
unix-only = { path = "../../unix-only" }
[build-dependencies]
ryu = "1"
[lints]
workspace = true
""",
        edition="edition.workspace = true",
        version="0.0.1",
    ),
    "crates/app/build.rs": (
        '//! Documented.\nfn main() {\n    println!("cargo::rustc-env=MADE={}", ryu::Buffer::new().format(1.5));\n}\n'
    ),
    "crates/app/src/main.rs": main("core_lib", "left_out", "unix_only").replace(
        "fn main() {", "//! Documented.\n#[derive(derive::Nothing)]\nstruct _Empty;\n\nfn main() {"
    ),
    "crates/core-lib/Cargo.toml": (
        '[package]\nname = "core-lib"\nversion.workspace = true\nedition.workspace = true\nlicense.workspace = true\n'
        "[dependencies]\nitoa.workspace = true\n"
    ),
    "crates/core-lib/src/lib.rs": LIB,
    "crates/derive/Cargo.toml": package("derive", "[lib]\nproc-macro = true\n"),
    "crates/derive/src/lib.rs": (
        "#[proc_macro_derive(Nothing)]\npub fn nothing(_: proc_macro::TokenStream) -> proc_macro::TokenStream {\n"
        "    proc_macro::TokenStream::new()\n}\n"
    ),
    "crates/left-out/Cargo.toml": package("left-out", '[dev-dependencies]\ngone = { path = "../gone" }\n'),
    "crates/left-out/src/lib.rs": LIB,
    "unix-only/Cargo.toml": package("unix-only", '[lib]\nname = "unix_only"\npath = "code/root.rs"\n'),
    "unix-only/code/root.rs": LIB,
    "tools/deep/er/Cargo.toml": package(
        "deeper", '[dependencies]\ncore-lib = { workspace = true }\n[[bin]]\nname = "dig"\npath = "dig.rs"\n'
    ),
    "tools/deep/er/dig.rs": main("core_lib"),
    ".cargo/config.toml": '# how\n[env]\nSAID = "yes"\n',
    "rust-toolchain.toml": '# which\n[toolchain]\nchannel = "stable"\n',
}

ROOT_PACKAGE: Files = {
    "Cargo.toml": package(
        "rooted",
        """[workspace]
[dependencies]
helper = { path = "helper" }
itoa = "1"
""",
    ),
    "src/main.rs": main("helper"),
    "helper/Cargo.toml": package(
        "helper",
        '[lib]\ncrate-type = ["rlib", "cdylib"]\n[dependencies]\ncfg-if = "1"\n'
        '[dev-dependencies]\nrooted-tests = { path = "../testing" }\n',
    ),
    "helper/src/lib.rs": LIB,
    "testing/Cargo.toml": package("rooted-tests"),
    "testing/src/lib.rs": LIB,
}

PATCHED: Files = {
    "Cargo.toml": package(
        "patched",
        """[dependencies]
cfg-if = "1"
itoa = "1"
from-git = { git = "file://{git}" }
[patch.crates-io]
cfg-if = { path = "vendored/cfg-if" }
""",
    ),
    "src/main.rs": main("cfg_if", "from_git"),
    "vendored/cfg-if/Cargo.toml": package("cfg-if", version="1.0.99"),
    "vendored/cfg-if/src/lib.rs": LIB,
}

OUTSIDE: Files = {
    # the root is the folder `inner/here`
    "inner/here/Cargo.toml": package(
        "inside",
        """[workspace]
members = [".", "own"]
[dependencies]
itoa = "1"
near = { path = "../near", version = "0.0.1" }
far = { path = "../../far" }
""",
    ),
    "inner/here/src/main.rs": main("near", "far"),
    "inner/here/own/Cargo.toml": package("own", '[[bin]]\nname = "own"\npath = "../../shared-main.rs"\n'),
    "inner/shared-main.rs": main(),
    "inner/near/Cargo.toml": package("near", '[dependencies]\nfar = { path = "../../far" }\n'),
    "inner/near/src/lib.rs": LIB,
    "Cargo.toml": (
        '[workspace]\nmembers = ["far"]\nexclude = ["inner"]\n'
        '[workspace.package]\nversion = "0.0.1"\nedition = "2021"\n'
        '[workspace.dependencies]\nryu = "1"\n'
    ),
    "far/Cargo.toml": (
        '[package]\nname = "far"\nversion.workspace = true\nedition.workspace = true\n'
        "[dependencies]\nryu.workspace = true\n"
    ),
    "far/src/lib.rs": LIB,
}

NO_STD: Files = {
    "Cargo.toml": package(
        "bare", '[dependencies]\nitoa = { version = "1", default-features = false }\n[profile.dev]\npanic = "abort"\n'
    ),
    "src/lib.rs": "#![no_std]\n" + LIB,
}

EDITION_2015: Files = {
    "Cargo.toml": package(
        "old-one",
        """[dependencies]
itoa = "1"
[lib]
name = "older"
[[bin]]
name = "legacy"
[[bench]]
name = "bench"
harness = false
[[test]]
name = "listed"
""",
        edition="",
    ),
    "src/older.rs": LIB,
    "src/main.rs": "extern crate older;\n" + main("older"),
    "src/bin/ignored.rs": main(),
    "src/bench.rs": "fn main() {}\n",
    "tests/listed.rs": "",
    "tests/unlisted.rs": "",
    "examples/found.rs": main(),
}

TRAP: Files = {
    # everything is written as a recipe writes it: to cargo, the real manifests and the dummies' are one and the same
    "Cargo.toml": package(
        "trap",
        """build = "build.rs"
[workspace]
members = ["helper", "maker"]
[lib]
name = "trap"
path = "src/lib.rs"
[[bin]]
name = "trap-main"
path = "src/main.rs"
[[example]]
name = "shown"
path = "examples/shown.rs"
[[test]]
name = "itoa"
path = "tests/itoa.rs"
[dependencies]
cfg-if = "1"
helper = { path = "helper" }
itoa = "1"
maker = { path = "maker" }
""",
    ),
    "build.rs": 'fn main() {\n    println!("cargo::rustc-env=MADE=real");\n}\n',
    "src/lib.rs": 'pub fn told() -> &\'static str {\n    env!("MADE")\n}\n',
    "src/main.rs": main("trap", "helper").replace("fn main() {", "fn main() {\n    let _ = maker::number!();"),
    "examples/shown.rs": main("trap"),
    "tests/itoa.rs": '#[test]\nfn works() {\n    assert_eq!(trap::told(), "real");\n}\n',
    "helper/Cargo.toml": package(
        "helper", '[lib]\nname = "helper"\npath = "src/lib.rs"\ncrate-type = ["rlib", "cdylib"]\n'
    ),
    "helper/src/lib.rs": LIB,
    "maker/Cargo.toml": package("maker", '[lib]\nname = "maker"\npath = "src/lib.rs"\nproc-macro = true\n'),
    "maker/src/lib.rs": (
        "#[proc_macro]\npub fn number(_: proc_macro::TokenStream) -> proc_macro::TokenStream {\n"
        '    "1".parse().unwrap()\n}\n'
    ),
}

SCENARIOS: dict[str, Files] = {
    "single": SINGLE,
    "workspace": WORKSPACE,
    "root-package": ROOT_PACKAGE,
    "patched": PATCHED,
    "outside": OUTSIDE,
    "no-std": NO_STD,
    "edition-2015": EDITION_2015,
    "trap": TRAP,
}
ROOTS = {"outside": "inner/here"}


def write(folder: Path, files: Files, *, git: Path | None = None) -> Path:
    for place, text in files.items():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("{git}", str(git)))
    return folder


def write_scenario(folder: Path, name: str) -> Path:
    """Write a scenario with its lock file and return the workspace's root; a crate from git is made beside it."""
    root = folder / ROOTS.get(name, "")
    if "{git}" not in SCENARIOS[name]["Cargo.toml"]:
        write(folder, SCENARIOS[name])
        lock(root)
        download(folder, ROOTS.get(name, ""))
        return root
    git = folder.parent / f"{folder.name}-git"
    write(git, {"Cargo.toml": package("from-git"), "src/lib.rs": LIB})
    for words in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "first")):
        identity = ("-c", "user.name=me", "-c", "user.email=me@example.com")
        subprocess.run(("git", *identity, *words), cwd=git, check=True)
    # Debian's cargo 1.96 cannot fetch from git (it does not get on with its libgit2). So the folder takes the place of
    # the repository, as `cargo vendor` would arrange it, and the lock file is what another cargo would write.
    write(folder, {place: text.replace('git = "file://{git}"', f'path = "{git}"') for place, text in PATCHED.items()})
    lock(root)
    write(folder, SCENARIOS[name], git=git)
    revision = subprocess.run(("git", "rev-parse", "HEAD"), cwd=git, check=True, capture_output=True, text=True)
    entry = 'name = "from-git"\nversion = "0.0.1"\n'
    locked = (root / "Cargo.lock").read_text()
    source = f'source = "git+file://{git}#{revision.stdout.strip()}"\n'
    (root / "Cargo.lock").write_text(locked.replace(entry, entry + source))
    vendor = {"Cargo.toml": package("from-git"), "src/lib.rs": LIB, ".cargo-checksum.json": '{"files":{}}'}
    write(folder.parent / "vendor" / "from-git", vendor)
    config = (
        f'[source."file://{git}"]\ngit = "file://{git}"\nreplace-with = "vendor"\n'
        f'[source.vendor]\ndirectory = "{folder.parent}/vendor"\n'
    )
    # above the project and what is cooked alike
    write(folder.parent, {".cargo/config.toml": config})
    return root


def lock(folder: Path) -> None:
    """Make the lock file, from what has been downloaded before if that is enough."""
    argv = (distribution_rust().get("CARGO", "cargo"), "generate-lockfile", "--quiet")
    offline = run(*argv, "--offline", cwd=folder, env=distribution_rust(), check=False)
    if offline.returncode:
        run(*argv, cwd=folder, env=distribution_rust())
