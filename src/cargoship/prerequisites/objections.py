"""What cargo objects to in a plan: known before anything is compiled, without the network and with nothing written.

A package that wants a newer Rust is refused by plans and builds alike. All else cargo itself says when it is asked for
the units of a plan: lock files, dependencies that are not there, profiles, the Rust that dependencies want.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cargoship.context import Context
from cargoship.errors import CompileFailed, ToolchainError, ToolMissing, UnitsUnknown
from cargoship.events import Emit, Level, Note
from cargoship.plan import Plan
from cargoship.toolchain.locate import Wanted
from cargoship.toolchain.rust import Rust, toolchains

if TYPE_CHECKING:
    from cargoship.toolchain.diagnose import Prerequisite

_FAILED = 101
_NUMBERS = re.compile(r"[0-9]{1,9}", re.ASCII)
_NOT_ASKED = (
    "some crates are not on this machine yet, and nothing is downloaded here: what they need is looked at by "
    "`cargoship build`, before it compiles"
)
# cargo's words where the network would have been asked
_OF_THE_NETWORK = ("--offline was specified", "offline mode")
# cargo's words about the question, and not about the build
_OF_THE_QUESTION = ("--unit-graph", "-Z", "RUSTC_BOOTSTRAP")


def check_rust_versions(plan: Plan, rust: Rust) -> None:
    """Refuse packages that are for a newer Rust than the one that compiles; raises CompileFailed.

    What counts is what cargo compares: major, minor and patch (the Cargo book, "The rust-version field").
    """
    refusal = _too_old(plan, rust.release)
    if refusal is not None:
        from cargoship.cargo.failure import NEWER_RUST

        raise CompileFailed(refusal, hint=NEWER_RUST)


def examined_rust(plan: Plan, rust: Rust) -> tuple[Prerequisite, ...]:
    """The same as `doctor` says it."""
    # a build has no use for it
    from cargoship.toolchain.diagnose import Prerequisite

    refusal = _too_old(plan, rust.release)
    return () if refusal is None else (Prerequisite("rust-version", None, refusal, hint="build with a newer Rust"),)


def warn_of_old_rust(plan: Plan, release: str | None, emit: Emit) -> None:
    """The same of a version of Rust that is written into a file, which others will build with."""
    refusal = None if release is None else _too_old(plan, release)
    if refusal is not None:
        emit(Note(f"{refusal}: what is written here would not build it", Level.WARNING))


def _too_old(plan: Plan, release: str) -> str | None:
    for package in dict.fromkeys(image.package for image in plan.images):
        if package.rust_version is not None and _numbers(release) < _numbers(package.rust_version):
            return (
                f"Rust {release} is too old for {package.name} {package.version}, which wants "
                f"{package.rust_version} (rust-version in {package.manifest})"
            )
    return None


def newest_rust(wanted: Wanted, context: Context) -> Rust:
    """The newest Rust of this machine: what is too new for this one is for all. Raises ToolMissing."""
    return max(toolchains(context.runner, context.env, wanted.cwd), key=lambda rust: _numbers(rust.release))


def check_units(plan: Plan, wanted: Wanted, rust: Rust, context: Context) -> None:
    """Refuse what cargo would before it compiles; raises CompileFailed, ProjectError's family, UsageError, ToolMissing.

    What only the network could tell is not asked, and there is a note of that. Nor is what a lock file would say that
    is still to be written.
    """
    from cargoship.planned_units import planned_units

    try:
        for _ in planned_units(plan, wanted, context, rust=rust, untouched=True):
            pass
    except ToolMissing:
        raise
    except UnitsUnknown:
        pass  # where no answer is to be had, a build may still do
    except ToolchainError as error:
        _judge(plan, error.details or "", context)


def _judge(plan: Plan, words: str, context: Context) -> None:
    from cargoship.cargo.failure import explain_failure, failure_of

    cargo = plan.cargo
    is_offline, is_locked = cargo.offline or cargo.frozen, cargo.locked or cargo.frozen
    if any(each in words for each in _OF_THE_NETWORK) and not is_offline:
        context.emit(Note(_NOT_ASKED))
    elif "--locked was passed" in words and not is_locked:
        pass  # a build writes the lock file: its crates are here, and what they want is known when they are compiled
    elif words and not any(each in words for each in _OF_THE_QUESTION):
        refusal = explain_failure(words)
        if refusal is None:
            refusal = failure_of(_FAILED, words)
            refusal.details = words
        raise refusal


def _numbers(release: str) -> tuple[int, ...]:
    """The numbers of a release, without what stands behind a hyphen."""
    return tuple(int(number) for number in _NUMBERS.findall(release.partition("-")[0])[:3])
