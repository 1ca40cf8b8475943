"""What a failed cargo meant, where its words allow a better error than its exit code."""

from __future__ import annotations

import contextlib
import re
import signal

from cargoship.cargo.limits import known_limit
from cargoship.cargo.tools.words import known_need
from cargoship.errors import CargoshipError, CompileFailed, LockOutdated, ManifestInvalid, UsageError

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_NO_LOCK = re.compile(r"cannot create the lock file (?P<path>.+?) because --(?:locked|frozen) was passed")
_LOCK = (
    # 1.80 and later: cannot update the lock file X because --locked|--frozen was passed to prevent this
    re.compile(r"cannot update the lock file (?P<path>.+?) because --(?:locked|frozen) was passed"),
    # Before: the lock file X needs to be updated but --locked|--frozen was passed to prevent this
    re.compile(r"the lock file (?P<path>.+?) needs to be updated but --(?:locked|frozen) was passed"),
)
_LOCK_BROKEN = re.compile(r"failed to parse lock file at: (?P<path>.+)")
_DEPENDENCY = re.compile(
    r"^error(?:\[E\d+\])?: [^\n]{0,4096}\n *--> \S{0,4096}/registry/src/[^/\s]{1,200}"
    r"/(?P<name>[\w-]{1,200}?)-(?P<version>\d{1,9}\.[^/\s]{1,200})/",
    re.MULTILINE,
)
_PROFILE = re.compile(r"profile `(?P<name>[^`]+)` is not defined")
# What is wrong with this machine when cargo, or a build script, ends with these words
_FULL = "free some space where the target folder and temporary files are, or build into another one (CARGO_TARGET_DIR)"
NEWER_RUST = "build with a newer Rust, such as after `rustup update`; cargoship doctor names every Rust that it finds"
"""What to do where a Rust is too old for a package."""
_UNREACHED = (
    "check the network, and a proxy if one is needed (HTTPS_PROXY, or http.proxy in cargo's configuration); "
    "`cargo fetch` brings them all, and then builds need no network"
)
_HINTS = {
    "No space left on device": _FULL,
    "Read-only file system": "cargo writes into its target folder (CARGO_TARGET_DIR names another one), and "
    "Cargo.lock where there is none or it is out of date",
    # linkers map what they write into memory: a full disk is no error there, but a signal
    "Bus error": f"a linker that ends so has most often met a full disk: {_FULL}",
    "SIGBUS": f"a compiler or linker that ends so has most often met a full disk: {_FULL}",
    "(never executed)\n\nCaused by:\n  Permission denied": "cargo may not start what it has compiled: where the target "
    "folder is on a file system that is mounted noexec, CARGO_TARGET_DIR names another",
    "linker `cc` not found": "build scripts and procedural macros run here and need a C compiler: "
    "apt-get install gcc libc6-dev",
    # its transport for http.cainfo, http.proxy and http.timeout (in the configuration, or CARGO_HTTP_...) is git2-curl
    "failed to receive HTTP 200 response: got 401": "where http.cainfo, http.proxy or http.timeout is set, cargo's own "
    "git shows no login: set net.git-fetch-with-cli = true in .cargo/config.toml, and install git",
    # Debian 12's cargo-web; it may end by a signal, too, and git-fetch-with-cli helps with fetching alone
    "invalid version 0 on git_": "this cargo takes no dependencies from git, for its git library is older than it was "
    "made for, as in Debian 12: build with rustup's (https://rustup.rs), or with sources that `cargo vendor` of such a "
    "one has written",
    "is not supported by the following package": NEWER_RUST,
    # before 1.84
    "while the currently active rustc version is": NEWER_RUST,
    # after all of cargo's attempts (net.retry)
    "Could not resolve host": _UNREACHED,
    "Couldn't resolve host": _UNREACHED,
    "failed to download": _UNREACHED,
    "no such command: `clippy`": "rustup component add clippy, or on Debian apt-get install rust-clippy",
}


def failure_of(code: int, stderr: str) -> CargoshipError:
    """Return the error for a run of cargo that ended with `code`, after all that it wrote has been shown."""
    explained = explain_failure(stderr)
    if explained is not None:
        explained.details = None  # cargo's words have been shown as they came
        return explained
    hint = next((hint for words, hint in _HINTS.items() if words in stderr), None) or known_need(_ANSI.sub("", stderr))
    limit = None if hint else known_limit(stderr) or _dependency(stderr)
    if limit is not None:
        return CompileFailed(f"cargo {_ended(code)}: {limit[0]}", hint=limit[1])
    return CompileFailed(f"cargo {_ended(code)}", hint=hint)


def _ended(code: int) -> str:
    """How a program ended whose exit code is that of Python's subprocess: below 0 for a signal."""
    with contextlib.suppress(ValueError):
        if code < 0:
            return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def _dependency(stderr: str) -> tuple[str, str] | None:
    """Which crate of a registry rustc refuses, and what to do: most often it is older than this Rust."""
    text = _ANSI.sub("", stderr)
    for match in _DEPENDENCY.finditer(text):
        name, version = match["name"], match["version"]
        # the place may be in a macro of theirs, and the mistake in the project's own code
        if f"could not compile `{name}` (" in text:
            way_out = (
                "where Cargo.lock is older than this Rust, a newer version of it may: "
                f"cargo update -p {name}@{version}; or build with a Rust of its time: RUSTUP_TOOLCHAIN=VERSION"
            )
            return f"{name} {version}, a dependency, does not compile", way_out
    return None


def explain_failure(stderr: str) -> CargoshipError | None:
    """Return the error that cargo's words mean, with those words as details; None where they speak for themselves.

    Covers a lock file that is missing or out of date (LockOutdated) or broken (ManifestInvalid) and an unknown profile
    (UsageError); a compile error is none of these.
    """
    text = _ANSI.sub("", stderr)
    if match := _NO_LOCK.search(text):
        return LockOutdated(
            f"there is no {match['path']}",
            hint="run `cargo generate-lockfile` and commit it, or leave --locked and --frozen out",
            details=_words(text),
        )
    for pattern in _LOCK:
        if match := pattern.search(text):
            return LockOutdated(
                f"{match['path']} does not agree with the manifests",
                hint="run `cargo update --workspace` and commit Cargo.lock, or build with --no-locked",
                details=_words(text),
            )
    if match := _LOCK_BROKEN.search(text):
        return ManifestInvalid(f"cargo cannot read {match['path']}", details=_words(text))
    if match := _PROFILE.search(text):
        return UsageError(
            f"profile {match['name']!r} is not defined",
            hint=f"use release or dev, or add [profile.{match['name']}] to the workspace's Cargo.toml",
        )
    return None


def _words(text: str) -> str:
    """Keep cargo's error, leave out what it reported before."""
    start = text.find("error:")
    return text[max(start, 0) :].strip()
