"""Libraries compiled by workers of a real server of the Remote Execution API, buildbox-casd."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.programs import RunCargoship, distribution_rust, run
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


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("casd") / "server", *executing()) as running:
        yield running


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
    run_cargoship: RunCargoship, server: RunningServer, place: Path
) -> None:
    secret = {"SHIP_TOKEN": "a secret of the job", "SHOP": "a variable that one looks at"}
    there = build(run_cargoship, place, "--no-cache", "--remote", server.address, env=secret)
    assert (there.there, there.known) == (4, 0), there.said
    assert not there.warnings
    here = build(run_cargoship, place, "--no-cache", env=secret)
    assert there.digest == here.digest
    # what nobody reads stays on this machine
    for kept in (FILES["one/notes.txt"], secret["SHIP_TOKEN"]):
        assert not server.holds(kept.encode())
    assert server.holds(FILES["one/text.txt"].encode())
    # another clean machine: the workers have compiled it all before
    again = build(run_cargoship, place, "--no-cache", "--remote", server.address, env=secret)
    assert (again.there, again.known) == (4, 4), again.said
    assert again.digest == here.digest
    # and a variable with another value is another action
    (place / "one/text.txt").write_text("changed")
    changed = build(run_cargoship, place, "--no-cache", "--remote", server.address)
    assert changed.known < 4
    assert changed.digest == build(run_cargoship, place, "--no-cache").digest != here.digest


def test_units_of_workers_are_kept_and_serve_builds_without_them(
    run_cargoship: RunCargoship, server: RunningServer, place: Path, tmp_path: Path
) -> None:
    # standard libraries are those of the tests' own cache, units are not
    cache = ("--cache-to", f"dir:{tmp_path / 'units'}")
    first = build(run_cargoship, place, *cache, "--remote", server.address)
    assert first.there == 4, first.said
    second = build(run_cargoship, place, *cache)
    assert "Compiling" not in second.said, second.said
    assert second.digest == first.digest


def test_a_pull_request_of_somebody_else_gives_no_work_and_takes_what_is_known(
    run_cargoship: RunCargoship, server: RunningServer, place: Path
) -> None:
    fork = {"TF_BUILD": "True", "SYSTEM_PULLREQUEST_ISFORK": "True"}
    (place / "one/text.txt").write_text("of a stranger")
    first = build(run_cargoship, place, "--no-cache", "--remote", server.address, env=fork)
    assert (first.there, first.code) == (0, 0), first.said
    assert "is given no work" in first.said
    assert not server.holds(b"of a stranger")
    build(run_cargoship, place, "--no-cache", "--remote", server.address)
    second = build(run_cargoship, place, "--no-cache", "--remote", server.address, env=fork)
    assert (second.there, second.known) == (4, 4), second.said


def test_errors_of_the_code_are_rustcs_own_words(
    run_cargoship: RunCargoship, server: RunningServer, place: Path
) -> None:
    (place / "one/src/inner/mod.rs").write_text("pub const TEXT: &str = 1;\n")
    failed = build(run_cargoship, place, "--no-cache", "--remote", server.address, check=False)
    assert failed.code
    assert "error[E0308]" in failed.said
    assert "one/src/inner/mod.rs:1:24" in failed.said
    assert not [line for line in failed.warnings if "reapi" in line]


def test_files_that_nobody_could_foresee_are_found_here(
    run_cargoship: RunCargoship, server: RunningServer, place: Path
) -> None:
    (place / "shared.rs").write_text('pub const TEXT: &str = "shared";\n')
    (place / "one/src/inner/mod.rs").write_text('#[path = "../../../shared.rs"]\nmod shared;\npub use shared::TEXT;\n')
    built = build(run_cargoship, place, "--no-cache", "--remote", server.address)
    assert (built.code, built.there) == (0, 2), built.said
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
    assert (first.there, second.code) == (4, 0), second.said
    assert first.digest == second.digest


@pytest.fixture
def with_macro(place: Path) -> Path:
    """A macro that looks at a variable and at a file, where it is told to."""
    files = {
        "shout/Cargo.toml": MANIFEST.format("shout") + "[lib]\nproc-macro = true\n",
        "shout/src/lib.rs": "use proc_macro::TokenStream;\n"
        "#[proc_macro]\npub fn shout(words: TokenStream) -> TokenStream {\n"
        "    let words = words.to_string();\n"
        '    let folder = std::env::var("CARGO_MANIFEST_DIR").unwrap();\n'
        "    let found = match words.as_str() {\n"
        '        "variable" => std::env::var("SHOP").unwrap_or_default(),\n'
        '        "file" => std::fs::read_to_string(format!("{folder}/notes.txt")).unwrap_or_default(),\n'
        "        _ => words.to_uppercase(),\n"
        "    };\n"
        '    format!("{found:?}").parse().unwrap()\n}\n',
        "one/Cargo.toml": FILES["one/Cargo.toml"] + '[dependencies]\nshout = { path = "../shout" }\n',
        "one/src/inner/mod.rs": "pub const TEXT: &str = shout::shout!(hello);\n",
    }
    for name, text in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    (place / "Cargo.lock").unlink()
    run(distribution_rust().get("CARGO", "cargo"), "generate-lockfile", cwd=place)
    return place


def test_what_uses_procedural_macros_is_compiled_there_and_seen(
    run_cargoship: RunCargoship, server: RunningServer, with_macro: Path, tmp_path: Path
) -> None:
    there = build(run_cargoship, with_macro, "--no-cache", "--remote", server.address)
    assert (there.there, there.warnings) == (4, []), there.said
    assert there.digest == build(run_cargoship, with_macro, "--no-cache").digest
    # a variable that is set nowhere is another input of the unit, and it is kept as one
    (with_macro / "one/src/inner/mod.rs").write_text("pub const TEXT: &str = shout::shout!(variable);\n")
    cache = ("--cache-to", f"dir:{tmp_path / 'units'}")
    unset = build(run_cargoship, with_macro, *cache, "--remote", server.address)
    assert unset.there == 4, unset.said
    again = build(run_cargoship, with_macro, *cache)
    assert "Compiling" not in again.said, again.said
    set_ = build(run_cargoship, with_macro, *cache, env={"SHOP": "a shop"})
    assert "Compiling one" in set_.said
    assert set_.digest != unset.digest == again.digest


@pytest.mark.parametrize(
    ("word", "why"), [("variable", "looks at SHOP"), ("file", "looks for a file that is here alone")]
)
def test_what_a_macro_looks_at_here_stays_here(
    run_cargoship: RunCargoship, server: RunningServer, with_macro: Path, word: str, why: str
) -> None:
    (with_macro / "one/src/inner/mod.rs").write_text(f"pub const TEXT: &str = shout::shout!({word});\n")
    (with_macro / "one/notes.txt").write_text("for macros alone")
    shop = {"SHOP": "said to nobody else"}
    there = build(run_cargoship, with_macro, "--no-cache", "--remote", server.address, env=shop)
    assert (there.there, there.warnings) == (2, []), there.said
    assert why in there.said
    assert there.digest == build(run_cargoship, with_macro, "--no-cache", env=shop).digest
    assert not server.holds(b"said to nobody else")
    assert not server.holds(b"for macros alone")


def test_a_cargo_of_ones_own_has_its_libraries_compiled_there(
    run_cargoship: RunCargoship, server: RunningServer, place: Path, tmp_path: Path
) -> None:
    """Without a target, and so for this machine; the tests are compiled and run here."""
    (place / "one/tests").mkdir()
    (place / "one/tests/text.rs").write_text('#[test]\nfn is_there() { assert_eq!(one::text(), "includedfalse"); }\n')
    cache = ("--cache-to", f"dir:{tmp_path / 'units'}")
    env = {"CARGO_INCREMENTAL": "0"}
    words = ("--", "test", "--release", "--workspace")
    first = run_cargoship("cargo", *cache, "--remote", server.address, "-v", *words, cwd=place, env=env)
    assert "test is_there ... ok" in first.stdout
    assert "2 units compiled at reapi://" in first.stderr, first.stderr
    # units of workers are those of a cargo without them
    shutil.rmtree(place / "target")
    second = run_cargoship("cargo", *cache, *words, cwd=place, env=env)
    assert "Compiling" not in second.stderr, second.stderr
    assert "test is_there ... ok" in second.stdout


def test_a_number_of_jobs_that_somebody_has_given_counts(
    run_cargoship: RunCargoship, server: RunningServer, place: Path
) -> None:
    said = "says 1: no more is done at once; --jobs"
    for words, env in (
        (("-j1",), {}),
        ((), {"CARGO_BUILD_JOBS": "1"}),
    ):
        built = build(run_cargoship, place, "--no-cache", "--remote", server.address, *words, env=env)
        assert said in built.said
    assert said not in build(run_cargoship, place, "--no-cache", "--remote", server.address).said


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
