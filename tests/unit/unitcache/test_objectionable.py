"""Which settings cargo may refuse that have no say in what it compiles."""

from __future__ import annotations

import tomllib

import pytest

from cargoship.unitcache.keys.objectionable import objectionable, talking


def names(*files: str, **env: str) -> list[str]:
    said = objectionable([tomllib.loads(file) for file in files], env)
    return [line.partition("=")[0] for line in said.splitlines()]


@pytest.mark.parametrize(
    "file",
    [
        "",
        "build.jobs = 3",
        "build.jobs = -1",
        'build.jobs = "default"',
        'term.color = "always"',
        'term = { quiet = true, verbose = false, progress = { when = "auto", width = 80 } }',
        'http = { timeout = 30, multiplexing = false, ssl-version = { min = "tlsv1.2" }, proxy = "a:1" }',
        "net = { retry = 3, git-fetch-with-cli = true, offline = true, ssh.known-hosts = ['a'] }",
        'registries.mine = { index = "sparse+https://example.com/", token = "secret" }',
        'registry = { default = "mine", token = "secret" }',
        'alias.b = "build"',
        'target.x86_64-unknown-linux-musl.runner = "qemu -x"',
        "target.'cfg(unix)'.runner = ['qemu']",
        'source.crates-io.replace-with = "m"\nsource.m.registry = "sparse+https://example.com/index/"',
        'source.crates-io.replace-with = "v"\nsource.v.directory = "vendor"',
        'source.crates-io.replace-with = "m"\nregistries.m.index = "sparse+https://example.com/"',
        'source.x = { git = "https://example.com/x", branch = "b", replace-with = "v" }\nsource.v.directory = "vendor"',
    ],
)
def test_what_cargo_takes(file: str) -> None:
    assert names(file) == []


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("build.jobs = 0", "build.jobs"),
        ('build.jobs = "4"', "build.jobs"),
        ("build.jobs = true", "build.jobs"),
        ('term.color = "purple"', "term.color"),
        ("term.verbose = 1", "term.verbose"),
        ('term.quiet = "true"', "term.quiet"),
        ('term.progress.when = "x"', "term.progress.when"),
        ("term = 1", "term"),
        ("http = 1", "http"),
        ("http.timeout = -1", "http.timeout"),
        ('http.timeout = "30"', "http.timeout"),
        ("http.what-comes-later = 1", "http.what-comes-later"),
        ('registry.index = "x"', "registry.index"),
        ("target.x = 1", "target.x"),
        ("target.x.runner = 1", "target.x.runner"),
        ("target.x.runner = []", "target.x.runner"),
        ("target.'cfg(unix)'.runner = ''", "target.cfg(unix).runner"),
        ("source.x = 1", "source.x"),
        ("source.x = {}", "source.x"),
        ("source.x.registry = 'zz'", "source.x"),
        ("source.x = { directory = 'a', git = 'https://example.com' }", "source.x"),
        ("source.crates-io.replace-with = 'nobody'", "source.crates-io"),
        ("source.crates-io.replace-with = 'crates-io'", "source.crates-io"),
    ],
)
def test_what_cargo_may_refuse(file: str, name: str) -> None:
    assert names(file) == [name]
    # whatever a file says that counts more
    assert names("", file) == [name]


@pytest.mark.parametrize(
    ("variable", "taken", "refused"),
    [
        ("CARGO_BUILD_JOBS", ["2", "-2", "default"], ["x", "0", "", "2 "]),
        ("CARGO_TERM_COLOR", ["never"], ["purple", "", "NEVER"]),
        ("CARGO_TERM_PROGRESS_WHEN", ["auto"], ["x"]),
        ("CARGO_TERM_PROGRESS_WIDTH", ["80"], ["wide", "-1"]),
        ("CARGO_TERM_QUIET", ["true", "false"], ["yes", ""]),
        ("CARGO_HTTP_TIMEOUT", ["30"], ["x"]),
        ("CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUNNER", ["qemu"], ["", " "]),
        ("CARGO_REGISTRIES_MINE_TOKEN", ["true", ""], []),
    ],
)
def test_variables(variable: str, taken: list[str], refused: list[str]) -> None:
    assert [value for value in taken if names(**{variable: value})] == []
    assert [value for value in refused if not names(**{variable: value})] == []


def test_not_quiet_and_verbose_at_once() -> None:
    assert names("term.quiet = true", CARGO_TERM_VERBOSE="true") == ["term.quiet and term.verbose"]


def test_progress_that_is_always_shown_has_a_width() -> None:
    assert names('term.progress.when = "always"') == ["term.progress.when without term.progress.width"]
    assert names('term.progress = { when = "always", width = 80 }') == []
    assert names(CARGO_TERM_PROGRESS_WHEN="always", CARGO_TERM_PROGRESS_WIDTH="80") == []


@pytest.mark.parametrize(
    ("file", "env", "told"),
    [
        ("", {}, ["term.color", "term.quiet"]),
        ('term.color = "purple"', {}, ["term.quiet"]),
        ('term.color = "purple"', {"CARGO_TERM_COLOR": "auto"}, ["term.color", "term.quiet"]),
        ("", {"CARGO_TERM_COLOR": "purple"}, ["term.quiet"]),
        ('term.quiet = "x"', {}, ["term.color"]),
        ("", {"CARGO_TERM_QUIET": "x"}, ["term.color"]),
        ("", {"CARGO_TERM_PROGRESS_WHEN": "x"}, ["term.color"]),
    ],
)
def test_nothing_that_we_tell_cargo_hides_what_it_refuses(file: str, env: dict[str, str], told: list[str]) -> None:
    values = {"term.color": 'term.color="never"', "term.quiet": "term.quiet=false"}
    words = talking(env, [tomllib.loads(file)], {"term.quiet": "false"}, colour="never")
    assert words == tuple(word for name in told for word in ("--config", values[name]))


def test_cargo_decides_on_colours_where_nobody_has() -> None:
    assert talking({}, [], {}) == ()


def test_no_value_is_in_it() -> None:
    assert "hidden" not in objectionable([{"http": {"later": "hidden"}}], {"CARGO_BUILD_JOBS": "hidden"})
