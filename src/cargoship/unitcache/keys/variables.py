"""Which variables of the environment say something of what comes out, of those that were asked for. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_CARGO = re.compile(
    r"CARGO|CARGO_(?:MANIFEST_(?:DIR|PATH)|MAKEFLAGS|PRIMARY_PACKAGE)|CARGO_PKG_(?:AUTHORS|DESCRIPTION|HOMEPAGE|LICENSE"
    r"|LICENSE_FILE|NAME|README|REPOSITORY|RUST_VERSION|VERSION(?:_(?:MAJOR|MINOR|PATCH|PRE))?)|LD_LIBRARY_PATH"
)
"""What cargo sets for every build script and every compiler, whatever the user has set: keys say it in other words.

What it sets for some of them alone (CARGO_FEATURE_STD where there is such a feature, OUT_DIR where there is a build
script, CARGO_BIN_NAME for programs) is the user's for all others:
https://doc.rust-lang.org/cargo/reference/environment-variables.html
"""
_OF_SCRIPTS = re.compile(
    r"OUT_DIR|TARGET|HOST|NUM_JOBS|OPT_LEVEL|DEBUG|PROFILE|RUSTC_(?:WORKSPACE_)?WRAPPER|CARGO_ENCODED_RUSTFLAGS"
)
"""Those that it sets, or removes, for all build scripts, and not for compilers.

RUSTC and RUSTDOC it gives them as the user has named them.
"""
_OF_COMPILERS = re.compile(r"CARGO_CRATE_NAME|RUSTC_(?:WORKSPACE_)?WRAPPER|CARGO_ENCODED_RUSTFLAGS")
"""Those that it sets for all compilers, and what keys have as settings."""
_OURS = re.compile(r"CARGOSHIP_.*|CARGO_CACHE_RUSTC_INFO|LD_PRELOAD|ZIG_(?:LOCAL|GLOBAL)_CACHE_DIR")
_OF_A_SHELL = re.compile(r"PWD|OLDPWD|SHLVL|_|COLUMNS|LINES|TMPDIR|TEMP|TMP|MAKEFLAGS|MFLAGS|MAKELEVEL|GNUMAKEFLAGS")
"""Where, and in what, somebody works: another folder, another window."""
_OF_RUST = re.compile(r"RUST_(?:MIN_STACK|BACKTRACE|LIB_BACKTRACE)|RUSTUP_.*|RUSTC_LOG")
"""What Rust's own library and tools look at in every program."""
_OF_A_SESSION = re.compile(
    r"SSH_.*|XDG_(?:SESSION|RUNTIME|SEAT|VTNR).*|DBUS_.*|WINDOWID|DISPLAY|WAYLAND_.*|TERM_.*|GPG_.*|TMUX.*|STY"
    r"|RUST_LOG"
)
_OF_A_MACHINE = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_.*|TERM|COLORTERM|CLICOLOR.*|NO_COLOR|FORCE_COLOR|TZ|HOSTNAME|CI"
    r"|XDG_.*|CARGO_HOME|CARGO_TARGET_DIR|CARGO_TERM_.*|CARGO_INCREMENTAL|DOCS_RS|CCACHE_.*|SCCACHE_.*|RUSTC|RUSTDOC"
)
PRIMARY_PACKAGE = "CARGO_PRIMARY_PACKAGE"
"""What cargo sets for packages that were asked for, by name or by the folder, and not for those that these need."""


def counts(name: str, *, pinned: bool, of_script: bool) -> bool:
    """Whether a variable is an input of a unit: of a build script's run, or (not `of_script`) of a crate with macros.

    Of packages whose sources cannot change, names are known that every machine has otherwise and that go into nothing.
    """
    patterns = (
        _CARGO,
        _OF_SCRIPTS if of_script else _OF_COMPILERS,
        _OURS,
        _OF_A_SHELL,
        _OF_RUST,
        *((_OF_A_MACHINE, _OF_A_SESSION) if pinned else ()),
    )
    return not any(pattern.fullmatch(name) for pattern in patterns)


def all_that_count(env: Mapping[str, str]) -> Iterable[str]:
    """The names that a unit depends on that has looked at all variables."""
    found = (name for name in env if counts(name, pinned=False, of_script=False))
    return sorted(name for name in found if not _OF_A_SESSION.fullmatch(name))
