"""Scripts on PATH by the names of cargo and rustc, as version managers and Nix put them there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cargoship.events import Event
from cargoship.process import SystemRunner
from cargoship.toolchain.around_cargo import environment_of_cargo
from support.cargo_units import create
from support.programs import CARGOSHIP, RunCargoship, distribution_rust, program, run

pytestmark = pytest.mark.tools

RUST = distribution_rust()
MANIFEST = '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n'
MAIN = """#![allow(unexpected_cfgs)]
fn main() { println!("{} {:?}", cfg!(special), option_env!("CHOSEN")); }
"""
SPECIAL = '[ -n "$SPECIAL" ] || [ -e special ] || [ -e ../special ]'
"""The wrapper runs in the folder of the workspace, or where cargo was started."""


def script(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def shims(folder: Path, *, cargo: str = "", rustc: str = "", more: str = "") -> dict[str, str]:
    """The environment of somebody with such scripts; they end with the real ones."""
    script(folder / "cargo", f'{cargo}\nexec {RUST.get("CARGO", "cargo")} "$@" {more}')
    script(folder / "rustc", f'{rustc}\nexec {RUST.get("RUSTC", "rustc")} "$@"')
    return {"PATH": f"{folder}:{os.environ['PATH']}", "CARGO": "", "RUSTC": ""}


@pytest.mark.parametrize(
    ("cargo", "rustc"),
    [
        (f'if {SPECIAL}; then export CHOSEN=two RUSTFLAGS="--cfg special"; fi', ""),
        ("", f'if {SPECIAL}; then set -- "$@" --cfg special; fi'),
    ],
    ids=["cargo", "rustc"],
)
def test_they_decide_what_comes_out(run_cargoship: RunCargoship, tmp_path: Path, cargo: str, rustc: str) -> None:
    root = tmp_path / "root"
    create("Cargo.toml", MANIFEST)(root)
    create("src/main.rs", MAIN)(root)
    env = shims(tmp_path / "shims", cargo=cargo, rustc=rustc)
    plain = {**os.environ, "PATH": env["PATH"]}
    for name in ("CARGO", "RUSTC"):
        plain.pop(name, None)
    run("cargo", "generate-lockfile", cwd=root, env=plain)

    def says(build: Callable[[dict[str, str]], object], **more: str) -> str:
        shutil.rmtree(root / "target", ignore_errors=True)
        build(more)
        return run(root / "target/debug/app").stdout

    def clean(more: dict[str, str]) -> None:
        run(tmp_path / "shims" / "cargo", "build", cwd=root, env={**plain, **more})

    said = []

    def ours(more: dict[str, str]) -> None:
        cache = f"dir:{tmp_path / 'cache'}"
        done = run_cargoship("cargo", "--programs", "--cache-to", cache, "--", "build", cwd=root, env={**env, **more})
        said.append("nothing has changed" in done.stderr)

    usual = says(clean)
    assert [says(ours), says(ours)] == [usual, usual]
    special = says(clean, SPECIAL="1")
    assert says(ours, SPECIAL="1") == special != usual
    create("special", "")(root)
    assert says(ours) == says(clean) == special
    assert said[:3] == [False, True, False]


def asked(env: dict[str, str], cwd: Path) -> tuple[dict[str, str], list[Event]]:
    events: list[Event] = []
    found = environment_of_cargo(SystemRunner(), {**os.environ, **env}, cwd, events.append)
    return dict(found), events


def test_the_environment_that_cargo_is_given(tmp_path: Path) -> None:
    env = shims(tmp_path / "shims", cargo='export A="b c" PATH="/elsewhere:$PATH"\nunset GONE\necho noise')
    found, events = asked({**env, "GONE": "x", "STAYS": "=\n"}, tmp_path)
    assert found["A"] == "b c"
    assert found["PATH"] == f"/elsewhere:{env['PATH']}"
    assert "GONE" not in found
    assert found["STAYS"] == "=\n"
    assert found["RUSTC"] == str(tmp_path / "shims" / "rustc")
    assert "A, GONE, PATH" in str(events)
    assert "b c" not in str(events)


@pytest.mark.parametrize(
    ("cargo", "more", "words"),
    [
        ('[ "$1" = build ] || { echo what is this >&2; exit 1; }', "", "does not say what it changes: what is this"),
        ("", "--offline", "gives cargo options of its own, which are left out: --offline"),
    ],
)
def test_what_cannot_be_known_is_said(tmp_path: Path, cargo: str, more: str, words: str) -> None:
    _, events = asked(shims(tmp_path / "shims", cargo=cargo, more=more), tmp_path)
    assert words in str(events)


def test_nobody_is_asked_where_nothing_stands_around(tmp_path: Path) -> None:
    found, events = asked({"PATH": "/usr/bin:/bin", "CARGO": "", "RUSTC": ""}, tmp_path)
    assert events == []
    assert found["RUSTC"] == ""


@pytest.mark.parametrize(("beside", "is_asked"), [("bin", True), ("lib/rustlib", False)])
def test_a_shim_may_be_a_program_by_the_name_of_cargo(tmp_path: Path, *, beside: str, is_asked: bool) -> None:
    """As that of proto, which is compiled. The real one lies in a sysroot, with Rust's libraries."""
    place = tmp_path / "shims" / "bin"
    place.mkdir(parents=True)
    (tmp_path / "shims" / beside).mkdir(parents=True, exist_ok=True)
    shutil.copy(program("true"), place / "cargo")
    _, events = asked({"PATH": f"{place}:{os.environ['PATH']}", "CARGO": "", "RUSTC": ""}, tmp_path)
    assert ("stands around cargo, and does not say what it changes" in str(events)) == is_asked


def test_plans_and_doctor_go_by_it_too(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    """What cargo is given decides what a build compiles with, and so what is to be said of that before."""
    root = tmp_path / "root"
    create("Cargo.toml", MANIFEST)(root)
    create("src/main.rs", MAIN)(root)
    env = shims(tmp_path / "shims", cargo='export RUSTFLAGS="-C target-cpu=nothing"')
    done = run_cargoship("plan", root, "--platform", "linux/amd64", env=env, check=False)
    assert done.returncode != 0
    assert "nothing" in done.stderr
    # the compiler that it names is nowhere
    env = shims(tmp_path / "shims", cargo="export RUSTC=/nowhere/rustc")
    assert "/nowhere/rustc" in run_cargoship("doctor", root, env=env, check=False).stdout


RUSTUP = """case "$RUSTUP_TOOLCHAIN" in
"") [ ! -e rust-toolchain.toml ] || set -- "$@" --cfg special;;
esac
exec {} "$@"
"""
"""A proxy of rustc, which goes by the folder that it is started in where nobody says which toolchain it is."""


def test_rustups_toolchain_is_that_of_the_folder_where_cargo_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, proxies = tmp_path / "root", tmp_path / "proxies"
    create("Cargo.toml", MANIFEST)(root)
    create("src/main.rs", MAIN)(root)
    create("rust-toolchain.toml", '[toolchain]\nchannel = "nightly"\n')(root)
    script(proxies / "rustup", RUSTUP.format(RUST.get("RUSTC", "rustc")))
    (proxies / "rustc").symlink_to("rustup")
    for name in ("CARGO", "RUSTC", "RUSTUP_TOOLCHAIN"):
        monkeypatch.delenv(name, raising=False)
    env = {"PATH": f"{proxies}:{os.environ['PATH']}"}
    words = ("cargo", "--cache-to", f"dir:{tmp_path / 'cache'}", "--", "build", "--manifest-path", "root/Cargo.toml")
    run(CARGOSHIP, *words, cwd=tmp_path, env=env)
    assert run(root / "target/debug/app").stdout.startswith("false")
