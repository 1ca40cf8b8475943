"""The units of a plan, asked of cargo before anything is compiled."""

from __future__ import annotations

from collections.abc import Iterator

from cargoship.cargo.unit_graph import UnitGraph, ask_unit_graph
from cargoship.context import Context
from cargoship.plan import Plan
from cargoship.process import Command
from cargoship.reading import read_utf8
from cargoship.toolchain.locate import Wanted
from cargoship.toolchain.rust import toolchains


def planned_units(plan: Plan, wanted: Wanted, context: Context) -> Iterator[UnitGraph]:
    """The units of each invocation of cargo, by the first Rust there is; cargo fetches the sources that are not there.

    Raises ToolchainError's family, ProjectError's family.
    """
    rust = next(iter(toolchains(context.runner, context.env, wanted.cwd)))
    env = {**context.env, "CARGO": str(rust.cargo), "RUSTC": str(rust.rustc)}
    # variants of a platform are made of the same crates
    targets: dict[tuple[str, ...], dict[str, None]] = {}
    for build in plan.builds:
        targets.setdefault(build.packages, {}).update(dict.fromkeys(build.targets))
    first = {build.packages: build for build in reversed(plan.builds)}
    for packages, triples in targets.items():
        build = first[packages]
        words = build.with_targets(*triples).arguments()
        yield ask_unit_graph(context.runner, Command((str(rust.cargo), *words), cwd=build.cwd, env=env))


def lock_text(plan: Plan) -> str:
    """The text of a plan's Cargo.lock; empty where there is none yet. Raises ManifestInvalid."""
    path = plan.root / "Cargo.lock"
    return read_utf8(path) if path.exists() else ""
