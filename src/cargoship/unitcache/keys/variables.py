"""Which variables of the environment say something of what comes out, of those that were asked for. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_CARGO = re.compile(
    r"CARGO|CARGO_(?:MANIFEST_.*|MAKEFLAGS|FEATURE_.*|CFG_.*|PKG_.*|CRATE_NAME|BIN_NAME|BIN_EXE_.*|PRIMARY_PACKAGE"
    r"|ENCODED_RUSTFLAGS|TARGET_TMPDIR|RUSTC_CURRENT_DIR|SBOM_PATH)|OUT_DIR|TARGET|HOST|NUM_JOBS|OPT_LEVEL|DEBUG|PROFILE|DEP_.*"
    r"|RUSTC|RUSTDOC|RUSTC_LINKER|RUSTC_(?:WORKSPACE_)?WRAPPER|LD_LIBRARY_PATH"
)
"""What cargo sets for a build script or a compiler, whatever the user has set: keys say it in other words."""
_OF_SCRIPTS = re.compile(
    r"RUSTDOC|RUSTC_LINKER|TARGET|HOST|NUM_JOBS|OPT_LEVEL|DEBUG|PROFILE|CARGO_(?:FEATURE|CFG)_.*|DEP_.*"
)
"""Those that it sets for build scripts alone: a macro that looks at one sees what the user has set."""
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
    r"|XDG_.*|CARGO_HOME|CARGO_TARGET_DIR|CARGO_TERM_.*|CARGO_INCREMENTAL|DOCS_RS|CCACHE_.*|SCCACHE_.*"
)
PRIMARY_PACKAGE = "CARGO_PRIMARY_PACKAGE"
"""What cargo sets for packages that were asked for, by name or by the folder, and not for those that these need."""


def counts(name: str, *, pinned: bool, of_script: bool) -> bool:
    """Whether a variable is an input of a unit: of a build script's run, or (not `of_script`) of a crate with macros.

    Of packages whose sources cannot change, names are known that every machine has otherwise and that go into nothing.
    """
    if not of_script and _OF_SCRIPTS.fullmatch(name):
        return True
    patterns = (_CARGO, _OURS, _OF_A_SHELL, _OF_RUST, *((_OF_A_MACHINE, _OF_A_SESSION) if pinned else ()))
    return not any(pattern.fullmatch(name) for pattern in patterns)


def all_that_count(env: Mapping[str, str]) -> Iterable[str]:
    """The names that a unit depends on that has looked at all variables."""
    found = (name for name in env if counts(name, pinned=False, of_script=False))
    return sorted(name for name in found if not _OF_A_SESSION.fullmatch(name))
