from __future__ import annotations

import pytest

from cargoship.cargo.failure import explain_failure, failure_of
from cargoship.errors import CargoshipError, CompileFailed, LockOutdated, ManifestInvalid, UsageError

PREVENT = "was passed to prevent this"
LOCK = "/w/Cargo.lock"


def test_a_login_that_cargos_own_git_does_not_show_has_a_way_out() -> None:
    """With CARGO_HTTP_CAINFO set, a repository with a token ended with 'got 401', and nothing said why."""
    error = failure_of(101, "  failed to receive HTTP 200 response: got 401; class=Net (12)\n")
    assert "net.git-fetch-with-cli = true" in (error.hint or "")


def test_a_git_library_that_does_not_fit_has_a_way_out() -> None:
    """Debian 12's cargo ends by a signal where it tries: `exit code -11` was all that was said."""
    error = failure_of(-11, "Caused by:\n  invalid version 0 on git_proxy_options; class=Invalid (3)\n")
    assert error.message == "cargo was ended by SIGSEGV"
    assert "rustup" in (error.hint or "")
    assert failure_of(-1000, "").message == "cargo ended with exit code -1000"


@pytest.mark.parametrize(
    "words",
    [
        "error: rustc 1.95.0 is not supported by the following package:\n  srv@0.1.0 requires rustc 1.200\n",
        "error: rustc 1.95.0 is not supported by the following packages:\n  srv@0.1.0 requires rustc 1.200\n",
        (
            "error: package `a v1.0.0` cannot be built because it requires rustc 1.88 or newer, "
            "while the currently active rustc version is 1.85.0\n"
        ),
    ],
)
def test_a_rust_that_is_too_old_for_a_package(words: str) -> None:
    assert "build with a newer Rust" in (failure_of(101, words).hint or "")


@pytest.mark.parametrize(
    ("stderr", "family", "word"),
    [
        (f"error: cannot update the lock file {LOCK} because --locked {PREVENT}\n", LockOutdated, LOCK),
        (f"error: cannot create the lock file {LOCK} because --locked {PREVENT}\n", LockOutdated, "there is no /w"),
        (f"error: cannot update the lock file {LOCK} because --frozen {PREVENT}\n", LockOutdated, LOCK),
        (f"error: the lock file {LOCK} needs to be updated but --locked {PREVENT}\n", LockOutdated, LOCK),
        (f"\x1b[1m\x1b[91merror\x1b[0m: cannot update the lock file /a b/Cargo.lock because --locked {PREVENT}\n",
         LockOutdated, "/a b/Cargo.lock"),
        (f"error: failed to parse lock file at: {LOCK}\n\nCaused by:\n  TOML parse error", ManifestInvalid, LOCK),
        ("error: profile `dist` is not defined\n", UsageError, "dist"),
        ('error[E0308]: mismatched types\nerror: could not compile `proj` (bin "proj")\n', None, ""),
        ("", None, ""),
    ],
)  # fmt: skip
def test_meaning(stderr: str, family: type[CargoshipError] | None, word: str) -> None:
    found = explain_failure("    Updating crates.io index\n" + stderr)
    assert (type(found) if found else None) == family
    if found:
        assert word in found.message
        assert found.hint or found.details
        assert "Updating" not in (found.details or "")


@pytest.mark.parametrize(
    "stderr",
    [
        "rustc-LLVM ERROR: IO failure on output stream: No space left on device\nerror: could not compile `app`\n",
        "error: failed to write `/t/.fingerprint/x`\n\nCaused by:\n  No space left on device (os error 28)\n",
        "error: linking with `ld` failed: exit status: 135\n  |\n  = note: Bus error\n",
        "  process didn't exit successfully: `rustc x` (signal: 7, SIGBUS: access to undefined memory)\n",
    ],
)
def test_a_full_disk_is_reported_by_whatever_it_has_ended(stderr: str) -> None:
    error = failure_of(101, stderr)
    assert isinstance(error, CompileFailed)
    assert "free some space" in (error.hint or "")


def test_a_target_folder_that_nothing_may_be_started_from_has_a_way_out() -> None:
    error = failure_of(
        101,
        "error: failed to run custom build command for `app v0.1.0 (/src)`\n\nCaused by:\n  could not execute process "
        "`/src/target/release/build/app-1/build-script-build` (never executed)\n\nCaused by:\n"
        "  Permission denied (os error 13)\n",
    )
    assert "noexec, CARGO_TARGET_DIR names another" in (error.hint or "")


@pytest.mark.parametrize("name", ["open64", "fstat64", "prlimit64"])
def test_an_old_libc_in_a_lock_file_is_recognised_by_what_musl_lacks(name: str) -> None:
    """Crates that were published before 2023 lock one, and the linker named a symbol alone."""
    error = failure_of(101, f"  = note: ld.lld: error: undefined symbol: {name}\n          >>> referenced by app.rs\n")
    assert f"a crate calls {name}" in error.message
    assert "cargo update -p libc" in (error.hint or "")


@pytest.mark.parametrize("name", ["open64_frobnicate", "my_open64", "sha256_block64"])
def test_a_symbol_of_somebody_else_is_no_libc(name: str) -> None:
    error = failure_of(101, f"  = note: ld.lld: error: undefined symbol: {name}\n")
    assert (error.message, error.hint) == ("cargo ended with exit code 101", None)


@pytest.mark.parametrize(
    "stderr",
    [
        'error: Read-only file system (os error 30) at path "/src/targetG4vQyH"\n',
        "error: failed to write /src/Cargo.lock\n\nCaused by:\n  Read-only file system (os error 30)\n",
    ],
)
def test_a_project_that_cannot_be_written_to_has_a_way_out(stderr: str) -> None:
    error = failure_of(101, stderr)
    assert "CARGO_TARGET_DIR" in (error.hint or "")


def test_a_path_that_the_linker_cannot_write_to_is_named() -> None:
    words = "  = note: ld.lld: error: cannot open output file /w/a%2Fb/target/deps/app-1: No such file or directory\n"
    error = failure_of(101, words)
    assert "/w/a%2Fb/target/deps/app-1: it takes each % for another" in error.message
    assert "CARGO_TARGET_DIR" in (error.hint or "")
    assert failure_of(101, words.replace("%", "-")).message == "cargo ended with exit code 101"


_OLD = """error[E0282]: type annotations needed for `Box<_>`
  --> {home}/registry/src/index.crates.io-1949cf8c6b5b557f/{crate}/src/format_description/parse/mod.rs:83:9
   |
83 |     let items = format_items
   |         ^^^^^

For more information about this error, try `rustc --explain E0282`.
error: could not compile `{name}` (lib) due to 1 previous error
"""


@pytest.mark.parametrize(
    ("crate", "name", "spec"),
    [
        ("time-0.3.29", "time", "time@0.3.29"),
        ("proc-macro2-1.0.56-pre.1+x", "proc-macro2", "proc-macro2@1.0.56-pre.1+x"),
    ],
)
def test_a_dependency_that_is_too_old_for_this_rust_is_named(crate: str, name: str, spec: str) -> None:
    """rathole 0.5.0 with a Rust of today: the last line was cargo's exit code, and no word on what to do."""
    error = failure_of(101, _OLD.format(home="/root/.cargo", crate=crate, name=name))
    assert error.message.endswith(f": {name} {spec.partition('@')[2]}, a dependency, does not compile")
    assert f"cargo update -p {spec};" in (error.hint or "")


def test_the_projects_own_mistake_in_a_macro_of_a_dependency_is_its_own() -> None:
    error = failure_of(101, _OLD.format(home="/root/.cargo", crate="time-0.3.29", name="app"))
    assert (error.message, error.hint) == ("cargo ended with exit code 101", None)
