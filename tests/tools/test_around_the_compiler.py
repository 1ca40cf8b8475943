"""What stands around the compiler, a wrapper or a script in its place: what that reads decides what comes out."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.cargo_units import Change, create
from support.crates import download
from support.programs import RunCargoship, distribution_rust, run

pytestmark = pytest.mark.tools

RUST = distribution_rust().get("RUSTC", "rustc")
APP = '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n[dependencies]\nitoa = "=1.0.17"\n'
MAIN = """#![allow(unexpected_cfgs)]
fn main() { println!("{} {}", cfg!(special), itoa::Buffer::new().format(1)); }
"""
USUAL, SPECIAL = "false 1\n", "true 1\n"
PYTHON = """#!/usr/bin/python3
import os, sys
more = ["--cfg", "special"] if {} else []
os.execvp(sys.argv[1], sys.argv[1:] + more)
"""
COMPILED = """use std::{env, os::unix::process::CommandExt, process::Command};
fn main() {
    let mut words = env::args_os().skip(1);
    let mut command = Command::new(words.next().unwrap());
    command.args(words).env("WRAPPED", "yes");
    if env::var_os("SPECIAL").is_some() || std::fs::metadata("/ROOT/flag").is_ok() {
        command.args(["--cfg", "special"]);
    }
    panic!("{}", command.exec());
}
"""


def sh(finds: str, what: str = '"$@"') -> str:
    return f'#!/bin/sh\nif {finds}; then set -- "$@" --cfg special; fi\nexec {what}\n'


def commit(place: Path) -> None:
    git(place, "commit", "-q", "--allow-empty", "-m", "second")
    git(place, "tag", "special")


def git(place: Path, *words: str) -> None:
    run("git", "-c", "user.name=n", "-c", "user.email=n@localhost", *words, cwd=place)


@dataclass(frozen=True)
class Case:
    """A wrapper, and what makes it add a flag; `/ROOT` is the workspace's folder."""

    wrapper: str
    change: Change | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    named: str = "RUSTC_WRAPPER"
    always: Mapping[str, str] = field(default_factory=dict)
    """Variables before the change too."""


SEEN = """[ -n "$SPECIAL" ] || grep -q special /ROOT/flags "${0%/*}/beside" || [ -e /ROOT/flag ] \\
  || git -C /ROOT describe --tags | grep -q special \\
  || ls /ROOT/folder | grep -q special || /ROOT/tool.sh"""
"""Much that one script can look at."""
CHANGES: Mapping[str, tuple[Change | None, Mapping[str, str]]] = {
    "a variable": (None, {"SPECIAL": "1"}),
    "a file in the workspace": (create("flags", "special"), {}),
    "a file beside it": (create("beside", "special"), {}),
    "a file that was not there": (create("flag", ""), {}),
    "a variable of a script that it starts": (None, {"OTHER": "1"}),
    "git": (commit, {}),
    "a folder": (create("folder/special", ""), {}),
    "a script that it starts": (create("tool.sh", "#!/bin/sh\nexit 0\n"), {}),
}
CASES = {
    "a variable by a name that is put together": Case(
        sh('name=SPEC; eval "[ -n \\"\\$${name}IAL\\" ]"'), variables={"SPECIAL": "1"}
    ),
    "a variable in what looks like a comment": Case(
        '#!/bin/sh\nsaid=$(cat <<EOF\n#$special\nEOF\n)\n[ "$said" = "#" ] || set -- "$@" --cfg special\nexec "$@"\n',
        variables={"special": "1"},
    ),
    "a variable of commands in another file": Case(sh("command . /ROOT/tool.sh"), variables={"OTHER": "1"}),
    "a variable in Python": Case(PYTHON.format('"SPECIAL" in os.environ'), variables={"SPECIAL": "1"}),
    "a file in Python": Case(PYTHON.format('"special" in open("/ROOT/flags").read()'), create("flags", "special")),
    "a variable in bash": Case(sh('[ -n "$SPECIAL" ]').replace("/bin/sh", "/bin/bash"), variables={"SPECIAL": "1"}),
    "a variable of what bash begins with": Case(
        sh('[ -n "$chosen" ]').replace("/bin/sh", "/bin/bash"),
        variables={"OTHER": "1"},
        always={"BASH_ENV": "/ROOT/begin"},
    ),
    "a variable in a compiled one": Case(COMPILED, variables={"SPECIAL": "1"}),
    "a file in a compiled one": Case(COMPILED, create("flag", "")),
    "a file for a workspace's own wrapper": Case(
        sh("[ -e /ROOT/flag ]"), create("flag", ""), named="RUSTC_WORKSPACE_WRAPPER"
    ),
    "a file for what RUSTC names": Case(sh("[ -e /ROOT/flag ]", f'{RUST} "$@"'), create("flag", ""), named="RUSTC"),
    "a file that rustc is given": Case(
        '#!/bin/sh\ncompiler=$1\nshift\nexec "$compiler" @/ROOT/words "$@"\n', create("words", "--cfg\nspecial\n")
    ),
}


def write(root: Path, wrapper: str, named: str = "RUSTC_WRAPPER") -> dict[str, str]:
    """The workspace, and the environment that names the wrapper."""
    files = {
        "begin": "chosen=$OTHER\n",
        "Cargo.toml": APP,
        "src/main.rs": MAIN,
        "flags": "",
        "beside": "",
        "folder/usual": "",
        "words": "",
    }
    for path, text in {**files, "tool.sh": '#!/bin/sh\n[ -n "$OTHER" ]\n'}.items():
        create(path, text)(root)
    text = wrapper.replace("/ROOT", str(root))
    if wrapper is COMPILED:
        (root.parent / "wrapper.rs").write_text(text)
        run(RUST, "-O", "-o", root / "wrapper", root.parent / "wrapper.rs", cwd=root.parent)
    else:
        create("wrapper", text)(root)
    for each in ("wrapper", "tool.sh"):
        (root / each).chmod(0o755)
    git(root, "init", "-q")
    git(root, "commit", "-q", "--allow-empty", "-m", "first")
    git(root, "tag", "usual")
    env = {**distribution_rust(), named: str(root / "wrapper")}
    download(root, env=env)
    run(env.get("CARGO", "cargo"), "generate-lockfile", "--offline", cwd=root)
    return env


def ship(run_cargoship: RunCargoship, root: Path, env: Mapping[str, str], *, fresh: bool = True) -> tuple[bool, str]:
    """Whether the program came from the cache as a whole, and what it says."""
    if fresh:
        shutil.rmtree(root / "target", ignore_errors=True)
    cache = ("--cache-to", f"dir:{root.parent / 'cache'}", "--programs")
    # what differs from run to run, and no wrapper here looks at
    env = {**env, "PYTEST_CURRENT_TEST": ""}
    done = run_cargoship("cargo", *cache, "--", "build", "--release", "--offline", cwd=root, env=env)
    return "nothing has changed" in done.stderr, run(root / "target/release/app").stdout


@pytest.mark.parametrize("name", CASES, ids=lambda name: name.replace(" ", "-"))
def test_what_it_reads_decides(run_cargoship: RunCargoship, tmp_path: Path, name: str) -> None:
    case, root = CASES[name], tmp_path / "root"
    env = write(root, case.wrapper, case.named)
    env |= {name: value.replace("/ROOT", str(root)) for name, value in case.always.items()}
    assert ship(run_cargoship, root, env) == (False, USUAL)
    # nobody is helped by a cache that keeps nothing
    assert ship(run_cargoship, root, env) == (True, USUAL)
    if case.change is not None:
        case.change(root)
    assert ship(run_cargoship, root, {**env, **case.variables}) == (False, SPECIAL)


@pytest.fixture(scope="module")
def kept(run_cargoship: RunCargoship, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A workspace with a wrapper that looks at much, and a cache of its build."""
    root = tmp_path_factory.mktemp("around") / "root"
    env = write(root, sh(SEEN))
    assert ship(run_cargoship, root, env) == (False, USUAL)
    return root, env


@pytest.mark.parametrize("name", CHANGES, ids=lambda name: name.replace(" ", "-"))
def test_of_a_script_each_thing_that_it_looks_at_decides(
    run_cargoship: RunCargoship, kept: tuple[Path, dict[str, str]], tmp_path: Path, name: str
) -> None:
    change, variables = CHANGES[name]
    root, env = kept
    shutil.copytree(root.parent, tmp_path / "before", symlinks=True)
    try:
        if change is not None:
            change(root)
        assert ship(run_cargoship, root, {**env, **variables}) == (False, SPECIAL)
    finally:
        shutil.rmtree(root.parent)
        shutil.copytree(tmp_path / "before", root.parent, symlinks=True)


def test_what_nobody_looks_at_does_not_decide(run_cargoship: RunCargoship, kept: tuple[Path, dict[str, str]]) -> None:
    """A shell reads all variables, and a runner of CI has others in each job."""
    root, env = kept
    assert ship(run_cargoship, root, {**env, "GITHUB_RUN_ID": "7"}) == (True, USUAL)


def test_where_somebody_has_worked_before_does_not_decide(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    """bash asks whether the folder is still there that `cd -` would lead to."""
    root, before = tmp_path / "root", tmp_path / "before"
    env = {**write(root, sh("false").replace("/bin/sh", "/bin/bash")), "OLDPWD": str(before)}
    before.mkdir()
    assert ship(run_cargoship, root, env) == (False, USUAL)
    before.rmdir()
    assert ship(run_cargoship, root, env) == (True, USUAL)


STATIC = """#include <unistd.h>
int main(int count, char **words) { return execv(words[1], words + 1), 1; }
"""


@pytest.mark.parametrize(("called", "comes"), [("around", False), ("sccache", True)])
def test_what_cannot_be_watched_is_not_trusted_but_for_caches_of_compilations(
    run_cargoship: RunCargoship, tmp_path: Path, called: str, *, comes: bool
) -> None:
    """They are static programs, and change nothing in what comes out."""
    root = tmp_path / "root"
    env = write(root, sh("false"))
    (tmp_path / "static.c").write_text(STATIC)
    run("cc", "-static", "-o", tmp_path / called, tmp_path / "static.c")
    env["RUSTC_WRAPPER"] = str(tmp_path / called)
    assert ship(run_cargoship, root, env) == (False, USUAL)
    assert ship(run_cargoship, root, env) == (comes, USUAL)
    if not comes:
        # of a crate whose sources cannot change, too
        said = run_cargoship("cache", "explain", "itoa", cwd=root).stdout
        assert f"the wrapper around the compiler: what it reads cannot be seen: {tmp_path / called}" in said


def test_a_wrapper_that_writes_a_log_is_no_reason_to_compile(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    root = tmp_path / "root"
    env = write(root, '#!/bin/sh\necho "$@" >> /ROOT/log\nexec "$@"\n')
    assert ship(run_cargoship, root, env) == (False, USUAL)
    assert ship(run_cargoship, root, env) == (True, USUAL)


def test_a_wrapper_that_tells_the_time_is_not_kept(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    root = tmp_path / "root"
    env = write(root, '#!/bin/sh\nnow=$(date +%N)\nexec "$@" --cfg "at=\\"$now\\""\n')
    assert ship(run_cargoship, root, env) == (False, USUAL)
    assert ship(run_cargoship, root, env) == (False, USUAL)
    said = run_cargoship("cache", "explain", "itoa", cwd=root).stdout
    assert "the wrapper around the compiler: it looks at the clock" in said


@pytest.mark.parametrize("fresh", [True, False], ids=["fresh", "in place"])
def test_what_it_reads_to_say_what_the_compiler_can_do_decides(
    run_cargoship: RunCargoship, tmp_path: Path, *, fresh: bool
) -> None:
    """cargo asks it before it compiles, remembers the answer, and tells build scripts of it."""
    root = tmp_path / "root"
    env = write(root, sh('[ "$3" = --crate-name ] && [ "$4" = ___ ] && [ -e /ROOT/flag ]'))
    told = 'std::env::var_os("CARGO_CFG_SPECIAL").is_some()'
    script = f'println!("cargo::rerun-if-changed=build.rs"); println!("cargo::rustc-env=TOLD={{}}", {told});'
    create("build.rs", f"fn main() {{ {script} }}\n")(root)
    create("src/main.rs", MAIN.replace("cfg!(special)", 'env!("TOLD")'))(root)
    assert ship(run_cargoship, root, env) == (False, USUAL)
    create("flag", "")(root)
    assert ship(run_cargoship, root, env, fresh=fresh) == (False, SPECIAL)
    assert ship(run_cargoship, root, env) == (True, SPECIAL)


LINKER = """#!/bin/sh
exec cc "$@" -no-pie "-Wl,--defsym=MARK=${MARK:-1}" $(cat /ROOT/words)
"""
MARKED = """extern "C" { static MARK: u8; }
fn main() { println!("{} {}", unsafe { &raw const MARK as usize }, itoa::Buffer::new().format(1)); }
"""


def test_what_a_script_reads_that_links_decides(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    """It does not stand around the compiler, but beside it."""
    root = tmp_path / "root"
    env = write(root, LINKER)
    del env["RUSTC_WRAPPER"]
    create("src/main.rs", MARKED)(root)
    flags = '[target.x86_64-unknown-linux-gnu]\nrustflags = ["-Crelocation-model=static"]\n'
    create(".cargo/config.toml", f'{flags}linker = "{root / "wrapper"}"\n')(root)
    assert ship(run_cargoship, root, env) == (False, "1 1\n")
    # a shell reads all variables
    assert ship(run_cargoship, root, {**env, "GITHUB_RUN_ID": "7"}) == (True, "1 1\n")
    assert ship(run_cargoship, root, {**env, "MARK": "2"}) == (False, "2 1\n")
    create("words", "-Wl,--defsym=MARK=3")(root)
    assert ship(run_cargoship, root, env) == (False, "3 1\n")
