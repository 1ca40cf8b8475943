"""Libraries compiled by workers of a real server of the Remote Execution API, buildbox-casd."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.kept import cache_folder
from support.programs import RunCargoship
from support.projects import locked_project
from support.reapi import RunningServer, executing, running_server

pytestmark = pytest.mark.tools

MANIFEST = '[package]\nname = "{}"\nversion = "0.1.0"\nedition = "2021"\n'
FILES = {
    "Cargo.toml": MANIFEST.format("app") + "[dependencies]\n"
    'one = { path = "one" }\ntwo = { path = "two" }\n[workspace]\nmembers = ["one", "two"]\n'
    '[package.metadata.cargoship]\nbase = "scratch"\n',
    "src/main.rs": 'fn main() { println!("{} {}", one::text(), two::text()); }\n',
    "one/Cargo.toml": MANIFEST.format("one"),
    "one/src/lib.rs": "mod inner;\n"
    'pub fn text() -> String { format!("{}{}", inner::TEXT, option_env!("SHOP").is_some()) }\n',
    "one/src/inner/mod.rs": 'pub const TEXT: &str = include_str!("../../text.txt");\n',
    "one/text.txt": "included",
    "one/notes.txt": "a note that nobody reads",
    "two/Cargo.toml": MANIFEST.format("two") + '[dependencies]\none = { path = "../one" }\n',
    "two/build.rs": "fn main() {\n"
    '    let out = std::env::var("OUT_DIR").unwrap();\n'
    '    std::fs::write(format!("{out}/made.rs"), "pub const MADE: &str = \\"made\\";").unwrap();\n'
    '    println!("cargo::rerun-if-changed=build.rs");\n}\n',
    "two/src/lib.rs": 'include!(concat!(env!("OUT_DIR"), "/made.rs"));\n'
    'pub fn text() -> String { format!("{MADE} {} {}", one::text(), file!()) }\n',
}  # fmt: skip
PLATFORMS = "linux/amd64,linux/arm64"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return locked_project(tmp_path / "place", FILES)


class Built:
    """What a build has said, in a target directory that was empty."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code = done.returncode
        self.digest = done.stdout.rpartition("@")[2].strip()
        self.said = done.stderr
        found = re.search(
            r"(\d+) units? compiled at reapi\S+?(?:, (\d+) of them known there)?, (\d+) here", done.stderr
        )
        self.there, self.known, self.here = (int(each or 0) for each in found.groups()) if found else (0, 0, 0)
        self.warnings = [line for line in done.stderr.splitlines() if line.startswith("warning:")]


def build(
    run_cargoship: RunCargoship, place: Path, *words: str, env: dict[str, str] | None = None, check: bool = True
) -> Built:
    shutil.rmtree(place / "target", ignore_errors=True)
    return Built(run_cargoship("build", "--platform", PLATFORMS, "-v", *words, cwd=place, env=env, check=check))


def test_what_workers_compile_is_what_this_machine_would_compile(
    run_cargoship: RunCargoship, executing_server: RunningServer, place: Path
) -> None:
    secret = {"SHIP_TOKEN": "a secret of the job", "SHOP": "a variable that one looks at"}
    there = build(run_cargoship, place, "--no-cache", "--remote", executing_server.address, env=secret)
    assert (there.there, there.known) == (6, 0), there.said
    assert not there.warnings
    here = build(run_cargoship, place, "--no-cache", env=secret)
    assert there.digest == here.digest
    # what nobody reads stays on this machine
    for kept in (FILES["one/notes.txt"], secret["SHIP_TOKEN"]):
        assert not executing_server.holds(kept.encode())
    assert executing_server.holds(FILES["one/text.txt"].encode())
    # another clean machine: the workers have compiled it all before
    again = build(run_cargoship, place, "--no-cache", "--remote", executing_server.address, env=secret)
    assert (again.there, again.known) == (6, 6), again.said
    assert again.digest == here.digest
    # and a variable with another value is another action
    (place / "one/text.txt").write_text("changed")
    changed = build(run_cargoship, place, "--no-cache", "--remote", executing_server.address)
    assert changed.known < 6
    assert changed.digest == build(run_cargoship, place, "--no-cache").digest != here.digest


def test_programs_for_glibc_and_with_lto_are_the_same_wherever_they_are_compiled(
    run_cargoship: RunCargoship, executing_server: RunningServer, place: Path
) -> None:
    """Code of the standard library that is compiled into a crate says where its sources are: as they are here."""
    (place / "one/src/inner/mod.rs").write_text(
        "use std::fmt;\npub struct Shown(pub usize);\n"
        "impl fmt::Display for Shown {\n"
        '    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result { write!(to, "{}", self.0) }\n}\n'
    )
    (place / "one/src/lib.rs").write_text(
        "mod inner;\npub fn text() -> String { inner::Shown(std::env::args().count()).to_string() }\n"
    )
    target = ("--release", "--target", "x86_64-unknown-linux-gnu")
    program = place / "target/x86_64-unknown-linux-gnu/release/app"
    for lto in ("off", "fat"):
        made = []
        for words in (("--remote", executing_server.address), ()):
            shutil.rmtree(place / "target", ignore_errors=True)
            env = {"CARGO_PROFILE_RELEASE_LTO": lto}
            done = run_cargoship("cargo", "--no-cache", "-v", *words, "--", "zigbuild", *target, cwd=place, env=env)
            assert not words or re.search(r"3 units compiled at reapi", done.stderr), done.stderr
            made.append(program.read_bytes())
        assert made[0] == made[1]
        assert b"library/alloc/src/string.rs" in made[0]
        assert not list(program.parent.glob("deps/*.o"))


def test_another_clean_machine_has_all_units_from_the_server(
    run_cargoship: RunCargoship, executing_server: RunningServer, place: Path, tmp_path: Path
) -> None:
    """Build scripts and what they have written, too, which no worker makes: nobody has named a cache."""
    (place / "one/src/inner/mod.rs").write_text('pub const TEXT: &str = "for a machine of its own";\n')

    def machine(name: str) -> Built:
        folder = tmp_path / name
        folder.mkdir()
        for each in ("std", "startfiles"):
            (folder / each).symlink_to(cache_folder() / each)
        return build(
            run_cargoship, place, "--remote", executing_server.address, env={"CARGOSHIP_CACHE_DIR": str(folder)}
        )

    first, second = machine("first"), machine("second")
    assert first.there == 6, first.said
    assert first.warnings == second.warnings == []
    assert first.digest == second.digest
    assert "Compil" not in second.said, second.said


def test_units_of_workers_are_kept_and_serve_builds_without_them(
    run_cargoship: RunCargoship, executing_server: RunningServer, place: Path, tmp_path: Path
) -> None:
    # standard libraries are those of the tests' own cache, units are not
    cache = ("--cache-to", f"dir:{tmp_path / 'units'}")
    first = build(run_cargoship, place, *cache, "--timings", "--remote", executing_server.address)
    assert first.there == 6, first.said
    assert re.search(
        rf"6 of \d+ units compiled at {executing_server.address} in .*; .* sent, .* fetched", first.said
    ), first.said
    explained = run_cargoship("cache", "explain", cwd=place).stdout
    assert f"6 of them at {executing_server.address}" in explained
    explained = run_cargoship("cache", "explain", "two", cwd=place).stdout
    assert re.search(rf"^two 0.1.0 .*: compiled.* at {executing_server.address}$", explained, re.MULTILINE), explained
    second = build(run_cargoship, place, *cache)
    assert "Compiling" not in second.said, second.said
    assert second.digest == first.digest


def test_a_pull_request_of_somebody_else_gives_no_work_and_takes_what_is_known(
    run_cargoship: RunCargoship, executing_server: RunningServer, place: Path
) -> None:
    fork = {"TF_BUILD": "True", "SYSTEM_PULLREQUEST_ISFORK": "True"}
    (place / "one/text.txt").write_text("of a stranger")
    first = build(run_cargoship, place, "--no-cache", "--remote", executing_server.address, env=fork)
    assert (first.there, first.code) == (0, 0), first.said
    assert "is given no work" in first.said
    assert not executing_server.holds(b"of a stranger")
    build(run_cargoship, place, "--no-cache", "--remote", executing_server.address)
    second = build(run_cargoship, place, "--no-cache", "--remote", executing_server.address, env=fork)
    assert (second.there, second.known) == (6, 6), second.said


def test_errors_of_the_code_are_rustcs_own_words(
    run_cargoship: RunCargoship, executing_server: RunningServer, place: Path
) -> None:
    (place / "one/src/inner/mod.rs").write_text("pub const TEXT: &str = 1;\n")
    failed = build(run_cargoship, place, "--no-cache", "--remote", executing_server.address, check=False)
    assert failed.code
    assert "error[E0308]" in failed.said
    assert "one/src/inner/mod.rs:1:24" in failed.said
    assert not [line for line in failed.warnings if "reapi" in line]


def test_files_that_nobody_could_foresee_are_found_here(
    run_cargoship: RunCargoship, executing_server: RunningServer, place: Path
) -> None:
    (place / "shared.rs").write_text('pub const TEXT: &str = "shared";\n')
    (place / "one/src/inner/mod.rs").write_text('#[path = "../../../shared.rs"]\nmod shared;\npub use shared::TEXT;\n')
    built = build(run_cargoship, place, "--no-cache", "--remote", executing_server.address)
    assert (built.code, built.there) == (0, 4), built.said
    assert built.digest == build(run_cargoship, place, "--no-cache").digest


def test_a_server_that_is_not_there_is_one_warning(run_cargoship: RunCargoship, place: Path) -> None:
    built = build(run_cargoship, place, "--no-cache", "--remote", "reapi://127.0.0.1:9")
    assert (built.code, built.there) == (0, 0)
    (warning,) = built.warnings
    assert "reapi://127.0.0.1:9 does not answer" in warning
    assert warning.endswith("; what it does not compile is compiled here")


def test_a_server_that_has_lost_everything_meanwhile_is_given_it_again(
    run_cargoship: RunCargoship, place: Path, tmp_path: Path
) -> None:
    with running_server(tmp_path / "server", *executing()) as server:
        first = build(run_cargoship, place, "--no-cache", "--remote", server.address)
        server.forget()
        second = build(run_cargoship, place, "--no-cache", "--remote", server.address)
    assert (first.there, second.code) == (6, 0), second.said
    assert first.digest == second.digest


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--remote", "there"), "is no address of a Remote Execution server"),
        (("--remote", "reapi://there:1?slots=none"), "is no number from 1"),
        (("--remote", "grpc://example.com:1"), "would be spoken to without TLS"),
        (("--remote", "reapi://there:1", "--offline"), "--offline asks nobody"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_compiled(
    run_cargoship: RunCargoship, place: Path, words: tuple[str, ...], expected: str
) -> None:
    done = run_cargoship("build", *words, cwd=place, check=False)
    assert done.returncode
    assert expected in done.stderr
    assert "Compiling" not in done.stderr
    assert "Traceback" not in done.stderr
