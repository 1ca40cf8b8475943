"""The units of a plan, asked of cargo before anything is compiled."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from cargoship.cargo.unit_graph import UnitGraph, ask_unit_graph
from cargoship.context import Context
from cargoship.plan import Plan
from cargoship.process import Command
from cargoship.reading import read_utf8
from cargoship.toolchain.locate import Wanted
from cargoship.toolchain.rust import Rust, toolchains

_NOBODYS = {"RUSTC_WRAPPER": "", "RUSTC_WORKSPACE_WRAPPER": "", "CARGO_ENCODED_RUSTFLAGS": ""}
"""No wrapper and no flag of a configuration; flags may have rustc load a library. To cargo, empty is a value too."""


def planned_units(
    plan: Plan, wanted: Wanted, context: Context, *, rust: Rust | None = None, untouched: bool = False
) -> Iterator[UnitGraph]:
    """The units of each invocation of cargo, by `rust`, or the first Rust there is.

    cargo fetches the sources that are not there, writes the lock file, and starts the wrappers of rustc that a
    configuration names, unless all is to stay `untouched`. Raises ToolchainError's family, ProjectError's family.
    """
    rust = rust or next(iter(toolchains(context.runner, context.env, wanted.cwd)))
    env = {**context.env, "CARGO": str(rust.cargo), "RUSTC": str(rust.compiler), **(_NOBODYS if untouched else {})}
    # variants of a platform are made of the same crates
    targets: dict[tuple[str, ...], dict[str, None]] = {}
    for build in plan.builds:
        targets.setdefault(build.packages, {}).update(dict.fromkeys(build.targets))
    first = {build.packages: build for build in reversed(plan.builds)}
    for packages, triples in targets.items():
        build = first[packages]
        asked = replace(build, locked=True, offline=True) if untouched else build
        words = asked.with_targets(*triples).arguments()
        yield ask_unit_graph(context.runner, Command((str(rust.cargo), *words), cwd=build.cwd, env=env))


def lock_text(plan: Plan) -> str:
    """The text of a plan's Cargo.lock; empty where there is none yet. Raises ManifestInvalid."""
    path = plan.root / "Cargo.lock"
    return read_utf8(path) if path.exists() else ""
