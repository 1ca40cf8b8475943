"""A cargo of one's own, whose libraries workers of a real server, buildbox-casd, compile; macros are seen there."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from support.programs import RunCargoship, run
from support.projects import locked_project
from support.reapi import RunningServer

pytestmark = pytest.mark.tools

MANIFEST = '[package]\nname = "{}"\nversion = "0.1.0"\nedition = "2021"\n'
FILES = {
    "Cargo.toml": MANIFEST.format("app") + "[dependencies]\n"
    'one = { path = "one" }\n[workspace]\nmembers = ["one", "shout"]\n',
    "src/main.rs": 'fn main() { println!("{}", one::TEXT); }\n',
    "one/Cargo.toml": MANIFEST.format("one") + '[dependencies]\nshout = { path = "../shout" }\n',
    "one/src/lib.rs": "pub const TEXT: &str = shout::shout!(hello);\n"
    '#[test]\nfn is_there() { assert_eq!(TEXT, "HELLO"); }\n',
    # a macro that looks at a variable and at a file, where it is told to
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
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return locked_project(tmp_path / "place", FILES)


class Built:
    """What a build has made in a target directory that was empty, and what was said."""

    def __init__(
        self, run_cargoship: RunCargoship, place: Path, *words: str, env: dict[str, str] | None = None
    ) -> None:
        shutil.rmtree(place / "target", ignore_errors=True)
        done = run_cargoship("cargo", "-vv", *words, "--", "build", "--release", cwd=place, env=env)
        self.program = (place / "target/release/app").read_bytes()
        self.text = run(place / "target/release/app").stdout.strip()
        self.said = done.stderr
        found = re.search(r"(\d+) units? compiled at reapi", done.stderr)
        self.there = int(found[1]) if found else 0
        self.compiled = set(re.findall(r"Compiling (\w+)", done.stderr))
        self.warnings = [line for line in done.stderr.splitlines() if line.startswith("warning:")]


def macro_of(place: Path, word: str) -> None:
    (place / "one/src/lib.rs").write_text(f"pub const TEXT: &str = shout::shout!({word});\n")


def test_programs_are_the_same_and_units_serve_a_cargo_without_workers(
    run_cargoship: RunCargoship, executing_server: RunningServer, place: Path, tmp_path: Path
) -> None:
    cache = ("--cache-to", f"dir:{tmp_path / 'units'}")
    there = Built(run_cargoship, place, *cache, "--remote", executing_server.address)
    assert (there.there, there.text, there.warnings) == (1, "HELLO", []), there.said
    assert f"1 of them at {executing_server.address}" in run_cargoship("cache", "explain", cwd=place).stdout
    explained = run_cargoship("cache", "explain", "one", cwd=place).stdout
    assert re.search(rf"^one 0.1.0 .*: compiled.* at {executing_server.address}$", explained, re.MULTILINE), explained
    again = Built(run_cargoship, place, *cache)
    assert (again.compiled, again.program) == (set(), there.program)
    assert Built(run_cargoship, place, "--no-cache").program == there.program


def test_tests_run_here_and_what_is_checked_goes_too(
    run_cargoship: RunCargoship, executing_server: RunningServer, place: Path
) -> None:
    words = ("cargo", "--no-cache", "--remote", executing_server.address, "--")
    assert "test is_there ... ok" in run_cargoship(*words, "test", "--workspace", "--lib", cwd=place).stdout
    (place / "src/main.rs").write_text("fn main() {}\n")
    done = run_cargoship(*words, "check", "--release", cwd=place)
    assert "1 unit compiled at" in done.stderr, done.stderr
    # no macro is loaded twice: what lies there is fresh for a cargo without workers
    assert "Checking one" not in run_cargoship("cargo", "--no-cache", "--", "check", "--release", cwd=place).stderr


def test_a_variable_that_a_macro_looked_at_there_is_an_input_here(
    run_cargoship: RunCargoship, executing_server: RunningServer, place: Path, tmp_path: Path
) -> None:
    macro_of(place, "variable")
    cache = ("--cache-to", f"dir:{tmp_path / 'units'}")
    unset = Built(run_cargoship, place, *cache, "--remote", executing_server.address)
    assert (unset.there, unset.text) == (1, ""), unset.said
    assert "one" not in Built(run_cargoship, place, *cache).compiled
    shop = Built(run_cargoship, place, *cache, env={"SHOP": "a shop"})
    assert ("one" in shop.compiled, shop.text) == (True, "a shop")


@pytest.mark.parametrize(
    ("word", "why", "text"),
    [
        ("variable", "looks at SHOP", "said to nobody else"),
        ("file", "looks for a file that is here alone", "for macros alone"),
    ],
)
def test_what_a_macro_looks_at_here_stays_here(
    run_cargoship: RunCargoship, executing_server: RunningServer, place: Path, word: str, why: str, text: str
) -> None:
    macro_of(place, word)
    (place / "one/notes.txt").write_text("for macros alone")
    shop = {"SHOP": "said to nobody else"}
    built = Built(run_cargoship, place, "--no-cache", "--remote", executing_server.address, env=shop)
    assert (built.there, built.text, built.warnings) == (0, text, []), built.said
    assert why in built.said
    assert not executing_server.holds(text.encode())


def test_nobody_is_asked_offline(run_cargoship: RunCargoship, place: Path) -> None:
    done = run_cargoship("cargo", "--remote", "reapi://there:1", "--", "build", "--offline", cwd=place, check=False)
    assert done.returncode
    assert "--offline asks nobody" in done.stderr


def test_a_number_of_jobs_that_somebody_has_given_counts(
    run_cargoship: RunCargoship, executing_server: RunningServer, place: Path
) -> None:
    (place / ".cargo").mkdir()
    said = "says {}: no more is done at once; --jobs"
    remote = ("--no-cache", "--remote", executing_server.address)
    assert said.format(1) in Built(run_cargoship, place, *remote, env={"CARGO_BUILD_JOBS": "1"}).said
    (place / ".cargo/config.toml").write_text("[build]\njobs = 2\n")
    assert said.format(2) in Built(run_cargoship, place, *remote).said
