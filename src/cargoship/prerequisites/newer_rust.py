"""Where no Rust of this machine can make programs for all targets: a plan is refused, and `doctor` offers another one.

Rust is asked, and nothing is added or made.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from cargoship.context import Context
from cargoship.errors import StandardLibraryMissing
from cargoship.native import debian_release
from cargoship.process import Command
from cargoship.toolchain.diagnose import Diagnosis
from cargoship.toolchain.locate import Foreseen, Wanted, foresee_toolchain, ways_out
from cargoship.toolchain.rust import toolchains

# their own Rust has no musl targets, and the sources that it comes with are too old to build them
_NEWER = {"bookworm": ("cargo-web", "rust-web-src"), "bullseye": ("cargo-web", "rust-web-src")}
_DEBIANS = (Path("/usr/bin"), Path("/bin"))
_LACKING = "no standard library"


def check_targets(wanted: Wanted, context: Context) -> Foreseen | None:
    """Refuse what no toolchain of this machine can compile for; raises ToolMissing, StandardLibraryMissing.

    Returns the one that a build would take; None where rustup would have to add something to one first.
    """
    foreseen = foresee_toolchain(wanted, runner=context.runner, env=context.env)
    if foreseen is not None:
        return foreseen
    found = list(toolchains(context.runner, context.env, wanted.cwd))
    if not wanted.offline and any(rust.rustup is not None for rust in found):
        # it can add them, or cannot: a build finds out
        return None
    rust = found[0]
    lacking = [triple for triple in wanted.triples if not rust.has_std(triple)]
    raise StandardLibraryMissing(
        f"Rust {rust.release} ({rust.rustc}) has no standard library for {', '.join(lacking)}",
        hint=f"{ways_out(lacking)}; cargoship doctor says which command brings it",
    )


def offering_newer(found: Diagnosis, context: Context) -> Diagnosis:
    """A diagnosis with the command that takes Debian's newer Rust in the place of its own, which lacks targets."""
    at = next((at for at, each in enumerate(found.findings) if each.problem == _LACKING and each.mend is None), None)
    command = None if at is None else _debians_newer(context)
    if at is None or command is None:
        return found
    offered = msgspec.structs.replace(
        found.findings[at], mend=command, hint="it has sources that cargoship makes the standard libraries of"
    )
    return Diagnosis((*found.findings[:at], offered, *found.findings[at + 1 :]))


def _debians_newer(context: Context) -> Command | None:
    """None where rustc is not Debian's, or somebody has chosen it."""
    programs, env = context.runner.programs, context.env
    apt, release, rustc = programs.find("apt-get", env), debian_release(), programs.find("rustc", env)
    if apt is None or release is None or rustc is None or programs.find("rustup", env):
        return None
    if rustc.parent not in _DEBIANS or env.get("RUSTC") or env.get("CARGO"):
        return None
    return Command((str(apt), "install", "-y", *_NEWER.get(release, ("rust-src",))), env=env)
