"""Which words of a cargo invocation choose programs, and which ask for more."""

from __future__ import annotations

import pytest

from cargoship.cargo.config import Table
from cargoship.cargo.words import (
    AskedOfCargo,
    choosing,
    compiling_words,
    configuring,
    has_more,
    invocation_of,
    is_quiet,
    lints_asked_for,
    only_tells,
    options_of,
)


@pytest.mark.parametrize(
    ("words", "chosen"),
    [
        ("build --release", "build --release"),
        ("build -r -j4 -q --locked --color always", "build -r"),
        ("build -j -2 --keep-going", "build"),
        ("build --jobs=default", "build"),
        ("zigbuild --target a-b-c.2.17 --target=d", "zigbuild --target a-b-c.2.17 --target d"),
        ("build -p app -pother -F one --features=two,three", "build -p app -p other -F one --features two,three"),
        ("build --features= --bin app", "build --features  --bin app"),
        ("build --ignore-rust-version --frozen", "build --ignore-rust-version"),
        ("build --profile small --manifest-path a/Cargo.toml --target-dir out", "build --profile small"),
    ],
)
def test_what_chooses_programs(words: str, chosen: str) -> None:
    assert choosing(words.split(" ")) == (tuple(chosen.split(" ")), "")


@pytest.mark.parametrize(
    ("words", "more"),
    [
        ("test", "cargo test"),
        # [alias] b = "build --release"
        ("b", "cargo b"),
        ("check --release", "cargo check"),
        ("rustc --release -- --emit asm", "cargo rustc"),
        ("build -v", "-v"),
        ("build --message-format json", "--message-format"),
        ("build --timings", "--timings"),
        ("build --examples", "--examples"),
        ("build --all-targets", "--all-targets"),
        ("build -Zbuild-std", "-Zbuild-std"),
        ("build --artifact-dir out", "--artifact-dir"),
        ("build --what-comes-later", "--what-comes-later"),
        ("build --features= -vv", "-vv"),
        ("build --target", "--target"),
        ("build -- x", "--"),
        # what cargo refuses
        ("build -j0", "-j0"),
        ("build --jobs x", "--jobs"),
        ("build -j 2 --jobs=2", "--jobs=2"),
        ("build --color purple", "--color"),
        ("build --color always --color always", "--color"),
        ("build -q --quiet", "--quiet"),
        ("build --locked=yes", "--locked=yes"),
        ("build --target-dir=", "--target-dir="),
        ("build --target-dir -q", "--target-dir"),
        ("build --manifest-path a --manifest-path a", "--manifest-path"),
    ],
)
def test_what_asks_for_more(words: str, more: str) -> None:
    assert choosing(words.split()) == ((), more)


def test_what_follows_is_not_cargos() -> None:
    words = ("test", "--target", "a", "--message-format=short", "--", "--target", "b")
    assert options_of(words, "--target") == ["a"]
    assert compiling_words(words)[-1] == "--no-run"
    assert "b" not in compiling_words(words)


def test_documentation_is_compiled_without_a_word_that_cargo_refuses_with_it() -> None:
    """`cargo test --doc --no-run` is an error: its tests are searched for one that is not there."""
    said = compiling_words(("test", "--doc", "-p", "a", "--", "mine"))
    end = said.index("--")
    assert said[:4] == ("test", "--doc", "-p", "a")
    assert "--no-run" not in said
    assert said[end + 1] == "--list"
    assert "mine" not in said
    assert compiling_words(("test", "--", "--doc"))[-1] == "--no-run"


@pytest.mark.parametrize(
    ("words", "tells"),
    [
        ("build --help", True),
        ("test -h", True),
        ("test -- --help", False),
        ("rustc -p a -- --print cfg", True),
        ("rustc -p a -- --print=native-static-libs", True),
        ("rustc -p a -- --emit=metadata -C opt-level=3", False),
        ("clippy -- --print", False),
        ("build --release", False),
    ],
)
def test_what_is_printed_belongs_to_who_has_asked(words: str, *, tells: bool) -> None:
    assert only_tells(words.split()) is tells


def test_cargo_itself_says_where_tests_are_that_it_does_not_run() -> None:
    assert has_more(("test", "--no-run"))
    assert has_more(("bench", "--no-run"))
    assert not has_more(("build", "--release"))


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ("clippy", ()),
        ("clippy --no-deps -p app -- -D warnings", ("--no-deps", "-D", "warnings")),
        ("clippy -- -W clippy::all --no-deps", ("-W", "clippy::all", "--no-deps")),
        ("clippy --fix -- -D warnings", ("-D", "warnings", "--no-deps")),
        ("check -- --no-deps", ()),
    ],
)
def test_what_clippy_is_given(words: str, given: tuple[str, ...]) -> None:
    assert lints_asked_for(tuple(words.split(" "))) == given


@pytest.mark.parametrize(
    ("words", "apart"),
    [
        ("build -q", (None, "", "build -q")),
        ("-qv --locked build --release", (None, "-qv --locked", "build --release")),
        (
            "+nightly --config a=1 --color=never -Zx -Z y test -- -q",
            ("nightly", "--config a=1 --color=never -Zx -Z y", "test -- -q"),
        ),
        ("-C elsewhere -Celsewhere build", (None, "-C elsewhere -Celsewhere", "build")),
        ("+stable", ("stable", "", "")),
        ("-q --version build", (None, "-q", "")),
        ("--config", (None, "", "")),
    ],
)
def test_where_the_subcommand_is(words: str, apart: tuple[str | None, str, str]) -> None:
    toolchain, before, rest = apart
    assert invocation_of(words.split()) == AskedOfCargo(toolchain, tuple(before.split()), tuple(rest.split()))


def test_options_mean_the_same_behind_the_subcommand() -> None:
    words = "--config a=1 build --config=b=2 -Zc -Z d -- --config e"
    found = invocation_of(words.split())
    assert " ".join(found.gathered) == "build --config a=1 --config=b=2 -Zc -Z d -- --config e"
    assert " ".join(configuring(found.gathered)) == "--config a=1 --config=b=2 -Zc -Z d"


@pytest.mark.parametrize(
    ("words", "table", "env", "quiet"),
    [
        ("build -q", {}, {}, True),
        ("build --quiet", {}, {"CARGO_TERM_QUIET": "false"}, True),
        ("test -- -q", {}, {}, False),
        ("build", {"term": {"quiet": True}}, {}, True),
        ("build", {"term": {"quiet": True}}, {"CARGO_TERM_QUIET": "false"}, False),
        ("build -v", {"term": {}}, {"CARGO_TERM_QUIET": "true"}, True),
        ("build", {"term": {"verbose": True}}, {}, False),
        ("build", {"term": 1}, {}, False),
    ],
)
def test_who_wants_quiet(words: str, table: Table, env: dict[str, str], *, quiet: bool) -> None:
    assert is_quiet(words.split(), [table], env) is quiet
