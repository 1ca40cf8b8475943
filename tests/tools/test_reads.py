"""What build scripts and procedural macros read, and tell nobody: the next program is never that of before.

Everything is read by one build script and one macro, which are compiled once; each test edits one thing in a fresh
checkout.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from support.programs import RunCargoship, distribution_rust, program, run

pytestmark = pytest.mark.tools

Change = Callable[[Path], None]

SCRIPT = r"""
use std::{env, fs, process::Command, thread};
fn text(path: &str) -> String { fs::read_to_string(path).unwrap_or("none".into()).trim().to_string() }
fn said(command: &mut Command) -> String {
    String::from_utf8(command.output().unwrap().stdout).unwrap().trim().to_string()
}
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let listed = fs::read_dir("../data").unwrap();
    let mut names: Vec<String> = listed.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let told = [
        text("README.md"), env::var("SHA").unwrap_or("none".into()), names.join("+"),
        text("../link"), text("../absent"),
        said(Command::new("git").args(["describe", "--tags", "--always"])),
        said(Command::new("sh").args(["-c", "cat ../shell"])),
        said(Command::new("/bin/cat").env_clear().arg("../cleared")),
        said(Command::new("sh").env("GIVEN", "given").args(["-c", "echo $GIVEN $INHERITED"])),
        thread::spawn(|| text("../thread")).join().unwrap(),
        fs::metadata("../sized").unwrap().len().to_string(),
        fs::read_link("../leads").unwrap().display().to_string(), env::var("RUSTDOC").unwrap(),
    ];
    println!("cargo::rustc-env=TOLD={}", told.join("|"));
}
"""
MACRO = r"""
use proc_macro::TokenStream;
#[proc_macro] pub fn told(_: TokenStream) -> TokenStream {
    let names = ["API_URL", "PROFILE", "RUST_LOG", "CARGO_PKG_TEAM"];
    let seen = names.map(|name| std::env::var(name).unwrap_or("none".into()));
    let all = format!("{}|{}", seen.join(" "), std::fs::read_to_string("conf/text").unwrap().trim());
    format!("{all:?}").parse().unwrap()
}
"""
MANIFEST = '[package]\nname = "{}"\nversion = "0.1.0"\nedition = "2021"\n'
WORKSPACE = {
    "Cargo.toml": '[workspace]\nmembers = ["app", "mac"]\nresolver = "2"\n',
    "app/Cargo.toml": MANIFEST.format("app") + '[dependencies]\nmac = { path = "../mac" }\n',
    "app/build.rs": SCRIPT,
    "app/src/main.rs": 'fn main() { println!("{}|{}", env!("TOLD"), mac::told!()); }\n',
    "app/README.md": "readme",
    "app/notes.md": "nobody reads this",
    "mac/Cargo.toml": MANIFEST.format("mac") + "[lib]\nproc-macro = true\n",
    "mac/src/lib.rs": MACRO,
    "conf/text": "conf",
    "data/one": "",
    "one.txt": "first",
    "two.txt": "second",
    "shell": "shell",
    "cleared": "cleared",
    "thread": "thread",
    "sized": "12345",
}
SAYS = "readme|none|one|first|none|v1|shell|cleared|given|thread|5|one.txt|rustdoc|none none none none|conf\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reads") / "project"
    for name, text in WORKSPACE.items():
        write(name, text)(folder)
    for link in ("link", "leads"):
        (folder / link).symlink_to("one.txt")
    run(distribution_rust().get("CARGO", "cargo"), "generate-lockfile", cwd=folder)
    git(folder, "init", "-q")
    commit("v1")(folder)
    return folder


@pytest.fixture(scope="module")
def kept(run_cargoship: RunCargoship, project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that has one build."""
    folder = tmp_path_factory.mktemp("kept")
    came, said = ship(run_cargoship, checkout(project, folder / "place"), folder / "cache")
    assert (came, said) == (False, SAYS)
    return folder / "cache"


def write(path: str, text: str) -> Change:
    def change(place: Path) -> None:
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text)

    return change


def link(path: str, to: str) -> Change:
    def change(place: Path) -> None:
        (place / path).unlink()
        (place / path).symlink_to(to)

    return change


def commit(tag: str) -> Change:
    def change(place: Path) -> None:
        git(place, "add", ".")
        git(place, "-c", "user.name=n", "-c", "user.email=n@localhost", "commit", "-q", "--allow-empty", "-m", tag)
        git(place, "tag", tag)

    return change


def git(place: Path, *words: str) -> None:
    run("git", *words, cwd=place)


def checkout(project: Path, folder: Path) -> Path:
    shutil.copytree(
        project, folder, symlinks=True, ignore=shutil.ignore_patterns("target"), copy_function=shutil.copyfile
    )
    return folder


def ship(
    run_cargoship: RunCargoship, place: Path, cache: Path, env: Mapping[str, str] | None = None
) -> tuple[bool, str]:
    """Whether the program came from the cache as a whole, and what it says."""
    words = ("cargo", "--programs", "--cache-to", f"dir:{cache}", "--", "build", "--release", "--workspace")
    # a shell looks at all variables
    done = run_cargoship(*words, cwd=place, env={"PYTEST_CURRENT_TEST": "", **(env or {})})
    return "cargo is not started" in done.stderr, run(place / "target" / "release" / "app").stdout


@pytest.mark.parametrize(
    ("change", "env", "old", "new"),
    [
        (write("app/README.md", "edited"), {}, "readme", "edited"),
        (None, {"SHA": "abc"}, "readme|none", "readme|abc"),
        (write("data/two", ""), {}, "|one|", "|one+two|"),
        (write("one.txt", "other"), {}, "first", "other"),
        (link("link", "two.txt"), {}, "first", "second"),
        (write("absent", "there"), {}, "first|none", "first|there"),
        (commit("v2"), {}, "v1", "v2"),
        (write("shell", "edited"), {}, "shell", "edited"),
        (write("cleared", "edited"), {}, "cleared", "edited"),
        (None, {"INHERITED": "too"}, "given", "given too"),
        (write("thread", "edited"), {}, "thread", "edited"),
        (write("sized", "1234567"), {}, "|5|", "|7|"),
        (link("leads", "two.txt"), {}, "|one.txt", "|two.txt"),
        (None, {"RUSTDOC": "/usr/bin/rustdoc"}, "|rustdoc|", "|/usr/bin/rustdoc|"),
        (None, {"API_URL": "production"}, "none none none none", "production none none none"),
        # cargo sets it for build scripts alone
        (None, {"PROFILE": "mine"}, "none none none none", "none mine none none"),
        (None, {"RUST_LOG": "debug"}, "none none none none", "none none debug none"),
        # a name that looks like one of cargo's
        (None, {"CARGO_PKG_TEAM": "us"}, "none none none none", "none none none us"),
        (write("conf/text", "edited"), {}, "|conf", "|edited"),
    ],
    ids=[
        "file", "variable", "listing", "linked-file", "link", "absent", "git", "shell", "cleared-environment",
        "variable-of-a-shell",
        "thread", "size", "read-link", "variable-that-cargo-hands-on", "variable-of-a-macro",
        "variable-of-build-scripts", "variable-for-logs", "variable-named-like-cargos", "file-of-a-macro",
    ],
)  # fmt: skip
def test_what_nobody_has_reported_is_not_passed_over(
    run_cargoship: RunCargoship,
    project: Path,
    kept: Path,
    tmp_path: Path,
    change: Change | None,
    env: Mapping[str, str],
    old: str,
    new: str,
) -> None:
    shutil.copytree(kept, tmp_path / "cache")
    place = checkout(project, tmp_path / "place")
    if change is not None:
        change(place)
    wanted = SAYS.replace(old, new, 1)
    assert ship(run_cargoship, place, tmp_path / "cache", env) == (False, wanted)
    # and what was made now is known
    shutil.rmtree(place / "target")
    assert ship(run_cargoship, place, tmp_path / "cache", env) == (True, wanted)


def test_what_nobody_reads_is_no_reason_to_compile(
    run_cargoship: RunCargoship, project: Path, kept: Path, tmp_path: Path
) -> None:
    place = checkout(project, tmp_path / "place")
    write("app/notes.md", "edited")(place)
    write("app/src/unused.rs", "fn unused() {}")(place)
    assert ship(run_cargoship, place, kept) == (True, SAYS)


@pytest.mark.parametrize(
    ("reads", "why"),
    [
        ('format!("{:?}", std::time::SystemTime::now())', "looks at the clock"),
        ('String::from_utf8(std::process::Command::new("date").output().unwrap().stdout).unwrap()', "clock"),
        ('format!("{:?}", std::net::TcpStream::connect("127.0.0.1:9").is_ok())', "asks the network"),
        ('format!("{:?}", std::fs::File::open("/dev/urandom").unwrap())', "takes random numbers"),
        ('{ unsafe extern "C" { fn syscall(n: i64, ...); } unsafe { syscall(425, 1, 0) }; String::new() }', "io_uring"),
        (
            (
                '{ use std::process::{Command, Stdio}; let mut it = Command::new("sleep"); it.arg("60");'
                " it.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap(); String::new() }"
            ),
            "lives on",
        ),
        ('{ let _ = std::process::Command::new("su").arg("--version").output(); String::new() }', "cannot be watched"),
    ],
    ids=["clock", "date", "network", "device", "io_uring", "daemon", "privileged"],
)  # fmt: skip
def test_what_no_digest_can_hold_is_not_kept(run_cargoship: RunCargoship, tmp_path: Path, reads: str, why: str) -> None:
    place = tmp_path / "place"
    write("Cargo.toml", MANIFEST.format("app"))(place)
    write("build.rs", f'fn main() {{ println!("cargo::rerun-if-changed=build.rs"); let _: String = {reads}; }}')(place)
    write("src/main.rs", "fn main() {}")(place)
    run(distribution_rust().get("CARGO", "cargo"), "generate-lockfile", cwd=place)
    assert not ship(run_cargoship, place, tmp_path / "cache")[0]
    assert why in run_cargoship("cache", "explain", cwd=place).stdout
    shutil.rmtree(place / "target")
    assert not ship(run_cargoship, place, tmp_path / "cache")[0]


def test_what_was_made_in_an_unknown_way_is_made_anew_in_place(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    """cargo calls it fresh, whatever it reads: of what reads the clock nothing is known, nor of what depends on it."""
    place = tmp_path / "place"
    write("Cargo.toml", MANIFEST.format("app"))(place)
    script = (
        "let _ = std::time::SystemTime::now(); "
        'println!("cargo::rustc-env=TOLD={}", std::fs::read_to_string("told.txt").unwrap());'
    )
    write("build.rs", f'fn main() {{ println!("cargo::rerun-if-changed=build.rs"); {script} }}')(place)
    write("src/main.rs", 'fn main() { println!("{}", env!("TOLD")); }')(place)
    run(distribution_rust().get("CARGO", "cargo"), "generate-lockfile", cwd=place)
    for text in ("first", "second", "third"):
        write("told.txt", text)(place)
        assert ship(run_cargoship, place, tmp_path / "cache") == (False, f"{text}\n")


def test_a_script_for_the_python_that_cargoship_runs_in_is_watched(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    """That compilers' wrappers run in it too is no reason not to look."""
    place = tmp_path / "place"
    write("Cargo.toml", MANIFEST.format("app"))(place)
    asks = "import os; print(os.environ.get('ASKED'))"
    starts = f'said(Command::new({json.dumps(sys.executable)}).args(["-I", "-c", {json.dumps(asks)}]))'
    said = SCRIPT[: SCRIPT.index("fn main")]
    tells = f'println!("cargo::rerun-if-changed=build.rs\\ncargo::rustc-env=TOLD={{}}", {starts});'
    write("build.rs", f"#![allow(unused)]\n{said}fn main() {{ {tells} }}")(place)
    write("src/main.rs", 'fn main() { println!("{}", env!("TOLD")); }')(place)
    run(distribution_rust().get("CARGO", "cargo"), "generate-lockfile", cwd=place)
    for env, told in (({}, "None"), ({"ASKED": "one"}, "one"), ({"ASKED": "two"}, "two")):
        shutil.rmtree(place / "target", ignore_errors=True)
        assert ship(run_cargoship, place, tmp_path / "cache", env) == (False, f"{told}\n")


def test_a_variable_that_a_probe_of_rustc_looks_at_is_seen(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    """As scripts ask what a compiler can do (autocfg). What rustc looks at for itself is no input of theirs."""
    place = tmp_path / "place"
    write("Cargo.toml", MANIFEST.format("app"))(place)
    write(
        "build.rs",
        """use std::{env, fs, process::Command};
fn main() {
    let code = r#"pub const NOT_ASKED: () = assert!(option_env!("ASKED").is_none());"#;
    let folder = env::var("OUT_DIR").unwrap();
    fs::write(format!("{folder}/probe.rs"), code).unwrap();
    let mut rustc = Command::new(env::var("RUSTC").unwrap());
    rustc.args(["--crate-type=lib", "--emit=metadata", "--out-dir", &folder]).arg(format!("{folder}/probe.rs"));
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-env=TOLD={}", rustc.output().unwrap().status.success());
}
""",
    )(place)
    write("src/main.rs", 'fn main() { println!("{}", env!("TOLD")); }')(place)
    run(distribution_rust().get("CARGO", "cargo"), "generate-lockfile", cwd=place)
    # a compiler of cargoship's own, as those of rustup are wherever they lie
    rustc = tmp_path / "rustup" / "toolchains" / "mine" / "bin" / "rustc"
    rustc.parent.mkdir(parents=True)
    rustc.symlink_to(distribution_rust().get("RUSTC") or program("rustc"))
    around = {"RUSTUP_HOME": str(tmp_path / "rustup"), "RUSTC": str(rustc)}
    for env, recalled, told in (
        ({"RUST_BACKTRACE": "0", "TERM": "dumb"}, False, "true"),
        ({"RUST_BACKTRACE": "1", "TERM": "xterm"}, True, "true"),
        ({"ASKED": "yes"}, False, "false"),
    ):
        shutil.rmtree(place / "target", ignore_errors=True)
        assert ship(run_cargoship, place, tmp_path / "cache", around | env) == (recalled, f"{told}\n"), env


def test_a_file_that_is_a_folder_since_a_script_has_asked_is_asked_again(
    run_cargoship: RunCargoship, tmp_path: Path
) -> None:
    """The old answer was kept for what was there afterwards."""
    wrapper = tmp_path / "wrapper"
    wrapper.write_text('#!/bin/sh\n"$@" || exit\ncase "$*" in *src/main.rs*) rm -rf flag; mkdir flag;; esac\n')
    wrapper.chmod(0o755)
    files = {
        "Cargo.toml": MANIFEST.format("app"),
        "build.rs": (
            'fn main() {\n    println!("cargo::rerun-if-changed=build.rs");\n'
            '    println!("cargo::rustc-env=FOLDER={}", std::fs::metadata("flag").unwrap().is_dir());\n}\n'
        ),
        "src/main.rs": 'fn main() { println!("{}", env!("FOLDER")); }\n',
        "flag": "",
    }
    for name, text in files.items():
        write(name, text)(tmp_path / "place")
    run(distribution_rust().get("CARGO", "cargo"), "generate-lockfile", cwd=tmp_path / "place")
    env = {"RUSTC_WRAPPER": str(wrapper)}
    assert ship(run_cargoship, tmp_path / "place", tmp_path / "cache", env) == (False, "false\n")
    shutil.rmtree(tmp_path / "place" / "target")
    assert ship(run_cargoship, tmp_path / "place", tmp_path / "cache", env) == (False, "true\n")


def test_a_header_that_a_c_compiler_reads_is_seen(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    """Local packages with C code are kept; what the compiler includes is an input, and what it would find first."""
    place = tmp_path / "place"
    write("Cargo.toml", MANIFEST.format("app"))(place)
    compiles = (
        'std::process::Command::new("cc").args(["-E", "-P", "-Ione", "-Itwo", "native.c"]).output().unwrap().stdout'
    )
    reported = f'println!("cargo::rustc-env=TOLD={{}}", String::from_utf8({compiles}).unwrap().trim())'
    write("build.rs", f'fn main() {{ println!("cargo::rerun-if-changed=native.c"); {reported} }}')(place)
    write("native.c", '#include "value.h"\nVALUE\n')(place)
    write("two/value.h", "#define VALUE second\n")(place)
    write("one/other.h", "")(place)
    write("src/main.rs", 'fn main() { println!("{}", env!("TOLD")); }')(place)
    run(distribution_rust().get("CARGO", "cargo"), "generate-lockfile", cwd=place)

    def again() -> tuple[bool, str]:
        shutil.rmtree(place / "target", ignore_errors=True)
        return ship(run_cargoship, place, tmp_path / "cache")

    assert [again(), again()] == [(False, "second\n"), (True, "second\n")]
    write("two/value.h", "#define VALUE edited\n")(place)
    assert again() == (False, "edited\n")
    write("one/value.h", "#define VALUE first\n")(place)
    assert again() == (False, "first\n")


_LOOKS = """std::env::vars().map(|(name, _)| name)
    .chain(String::from_utf8_lossy(&std::fs::read("/proc/self/environ").unwrap()).split('\\0').map(str::to_string))
    .chain(String::from_utf8_lossy(&std::process::Command::new("/usr/bin/env").output().unwrap().stdout).lines().map(str::to_string))
    .filter(|each| each.contains("LD_PRELOAD") || each.contains("CARGOSHIP_WATCH")).collect::<Vec<_>>()"""


def test_nothing_of_what_watches_is_seen(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    """Not by a macro, in a compiler that gives the linker on what watches, nor in the memory where variables are."""
    write("Cargo.toml", MANIFEST.format("app") + '[dependencies]\nmac = { path = "mac" }\n[workspace]\n')(tmp_path)
    write("build.rs", f'fn main() {{ println!("cargo::rustc-env=BUILD={{:?}}", {_LOOKS}); }}')(tmp_path)
    write("src/main.rs", 'fn main() { println!("{} {}", env!("BUILD"), mac::looks!()); }')(tmp_path)
    write("mac/Cargo.toml", MANIFEST.format("mac") + "[lib]\nproc-macro = true\n")(tmp_path)
    looks = f'format!("{{:?}}", format!("{{:?}}", {_LOOKS})).parse().unwrap()'
    macro = f"#[proc_macro] pub fn looks(_: TokenStream) -> TokenStream {{ {looks} }}\n"
    write("mac/src/lib.rs", f"use proc_macro::*;\n{macro}")(tmp_path)
    done = run_cargoship("cargo", "--cache-to", f"dir:{tmp_path / 'cache'}", "--", "build", cwd=tmp_path)
    assert "is not watched" not in done.stderr
    assert run(tmp_path / "target/debug/app").stdout == "[] []\n"


@pytest.mark.parametrize("where", ["src/made.rs", "target/made.rs"])
def test_what_a_build_script_puts_elsewhere_is_put_there_again(
    run_cargoship: RunCargoship, tmp_path: Path, where: str
) -> None:
    """The run of a script came from the cache, and the file that it writes was missing, or somebody's own."""
    place = tmp_path / "place"
    write("Cargo.toml", MANIFEST.format("app"))(place)
    write("said.txt", "first")(place)
    write("src/main.rs", f'include!(concat!(env!("CARGO_MANIFEST_DIR"), "/{where}"));')(place)
    script = 'let said = std::fs::read_to_string("said.txt").unwrap(); '
    script += f"""std::fs::write("{where}", format!("fn main() {{{{ println!({{said:?}}) }}}}")).unwrap();"""
    write("build.rs", f'fn main() {{ println!("cargo::rerun-if-changed=said.txt"); {script} }}')(place)
    run(distribution_rust().get("CARGO", "cargo"), "generate-lockfile", cwd=place)
    for made in (None, None, 'fn main() { println!("by hand") }'):
        shutil.rmtree(place / "target", ignore_errors=True)
        (place / where).unlink(missing_ok=True)
        if made is not None:
            write(where, made)(place)
        assert ship(run_cargoship, place, tmp_path / "cache")[1] == "first\n"


def test_a_link_to_the_package_in_out_dir_is_no_reason_to_keep_nothing(
    run_cargoship: RunCargoship, tmp_path: Path
) -> None:
    """As cxx makes one: the folder was read as a file, and of the whole build nothing was kept."""
    place = tmp_path / "place"
    write("Cargo.toml", MANIFEST.format("app"))(place)
    write("src/main.rs", 'fn main() { println!("first") }')(place)
    script = 'let out = std::env::var("OUT_DIR").unwrap() + "/package"; let _ = std::fs::remove_file(&out); '
    script += 'std::os::unix::fs::symlink(std::env::var("CARGO_MANIFEST_DIR").unwrap(), out).unwrap();'
    write("build.rs", f'fn main() {{ println!("cargo::rerun-if-changed=build.rs"); {script} }}')(place)
    run(distribution_rust().get("CARGO", "cargo"), "generate-lockfile", cwd=place)
    assert ship(run_cargoship, place, tmp_path / "cache") == (False, "first\n")
    shutil.rmtree(place / "target")
    assert ship(run_cargoship, place, tmp_path / "cache") == (True, "first\n")
