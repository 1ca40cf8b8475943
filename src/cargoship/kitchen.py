"""Cooking with a toolchain: which cargo compiles a recipe's dependencies, for which targets, in which environment."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from cargoship.compile import invocation, stream_plainly
from cargoship.events import Emit, Level, Note
from cargoship.platforms import Libc, row
from cargoship.process import Runner
from cargoship.recipe.cook import Cooking, Stove, Through, compile_dependencies, write_skeleton
from cargoship.recipe.model import Recipe
from cargoship.toolchain.environment import compile_environment
from cargoship.toolchain.locate import Wanted, locate
from cargoship.toolchain.zig import find_zig, find_zigbuild


@dataclass(frozen=True)
class Ways:
    """The platforms to cook for as `cargoship build` compiles for them; none: as cargo, or cargo-zigbuild, does."""

    platforms: tuple[str, ...] = ()
    libc: str | None = None


def cook(
    recipe: Recipe,
    cooking: Cooking,
    ways: Ways,
    root: Path,
    *,
    runner: Runner,
    env: Mapping[str, str],
    cache_dir: Path,
    emit: Emit,
) -> None:
    """Cook in `root`; raises what `recipe.cook` raises, PlatformUnknown and ToolchainError's family."""
    platforms = tuple(row(name).platform for name in ways.platforms)
    libc = Libc.parse(ways.libc or "musl")
    # first of all, for the skeleton's toolchain file says which Rust it is
    write_skeleton(recipe, cooking, root, emit=emit)
    run = partial(compile_dependencies, recipe, root=root, runner=runner, emit=emit)
    if cooking.through is Through.NOTHING:
        return
    if not platforms:
        run(cooking, stove=_plain_stove(cooking, runner, env))
        return
    wanted = Wanted(platforms, libc, root, cache_dir, offline=cooking.offline or cooking.frozen)
    toolchain = locate(wanted, runner=runner, stream=stream_plainly(runner, emit), env=env, emit=emit)
    program, subcommand, triples = invocation(toolchain)
    with tempfile.TemporaryDirectory(prefix="cargoship-") as scratch:
        notes = Path(scratch) / "notes"
        notes.touch()
        made = compile_environment(toolchain, env, cache_dir=cache_dir, notes=notes)
        through = replace(cooking, targets=triples, through=Through(subcommand))
        run(through, stove=Stove(toolchain.rust.cargo, program, made))
        for line in notes.read_text().splitlines():
            emit(Note(line, Level.VERBOSE))


def _plain_stove(cooking: Cooking, runner: Runner, env: Mapping[str, str]) -> Stove:
    """The plain cargo, or cargo-zigbuild with the Zig that belongs to it; raises ToolMissing."""
    cargo = Path(env.get("CARGO") or "cargo")
    if cooking.through is not Through.ZIGBUILD:
        return Stove(cargo, cargo, env)
    # by itself it would look on PATH only, and for a Python package where PATH's python3 has none
    named = {} if "CARGO_ZIGBUILD_ZIG_PATH" in env else {"CARGO_ZIGBUILD_ZIG_PATH": str(find_zig(runner, env).path)}
    return Stove(cargo, find_zigbuild(env), {**env, **named})
