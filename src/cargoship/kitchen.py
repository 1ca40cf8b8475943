"""Cooking with a toolchain: which cargo compiles a recipe's dependencies, for which targets, in which environment."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from cargoship.cargo.project import Project
from cargoship.cargo.watch import Watched
from cargoship.compile import invocation, stream_plainly
from cargoship.context import Context
from cargoship.events import Level, Note
from cargoship.platforms import Libc, row
from cargoship.process import Command
from cargoship.recipe.cook import Cooking, Stove, Through, compile_dependencies, write_skeleton
from cargoship.recipe.model import Recipe
from cargoship.settings.cache import CacheOptions
from cargoship.toolchain.environment import compile_environment
from cargoship.toolchain.locate import Wanted, foresee, locate
from cargoship.toolchain.runtime import Runtime, runtime_of, zig_targets, zigbuild_environment, zigbuild_runtime
from cargoship.toolchain.rust import toolchains
from cargoship.toolchain.zig import find_zig, find_zigbuild
from cargoship.unitcache.compilers import compilers_of, plain_compilers
from cargoship.unitcache.opening import open_stores
from cargoship.unitcache.session import Units, Workspace
from cargoship.unitcache.surroundings import Compilers


@dataclass(frozen=True)
class Ways:
    """The platforms to cook for as `cargoship build` compiles for them; none: as cargo, or cargo-zigbuild, does."""

    platforms: tuple[str, ...] = ()
    libc: str | None = None


def cook(recipe: Recipe, cooking: Cooking, ways: Ways, root: Path, context: Context, *, caches: CacheOptions) -> None:
    """Cook in `root`; raises what `recipe.cook` raises, PlatformUnknown and ToolchainError's family."""
    runner, env, emit = context.runner, context.env, context.emit
    platforms = tuple(row(name).platform for name in ways.platforms)
    libc = Libc.parse(ways.libc or "musl")
    # first of all, for the skeleton's toolchain file says which Rust it is
    write_skeleton(recipe, cooking, root, emit=emit)
    run = partial(compile_dependencies, recipe, root=root, runner=runner, emit=emit)
    if cooking.through is Through.NOTHING:
        return
    if not platforms:
        stove = _plain_stove(cooking, context)
        with _units(caches, root, context) as units:
            if units is not None:
                units.runtime = _plain_runtime(cooking, context)
            run(cooking, stove=stove, around=_around(units, env, partial(_plain_compilers, cooking, root, context)))
        return
    wanted = Wanted(platforms, libc, root, context.cache_dir, offline=cooking.offline or cooking.frozen)
    with tempfile.TemporaryDirectory(prefix="cargoship-") as scratch, _units(caches, root, context) as units:
        if units is not None:
            foreseen = foresee(wanted, runner=runner, env=env)
            units.bring_libraries(foreseen.built.values() if foreseen else ())
        toolchain = locate(wanted, runner=runner, stream=stream_plainly(runner, emit), env=env, emit=emit)
        if units is not None:
            units.runtime = runtime_of(toolchain, env, cache_dir=context.cache_dir)
        notes = Path(scratch) / "notes"
        notes.touch()
        made = compile_environment(toolchain, env, cache_dir=context.cache_dir, notes=notes)
        program, subcommand, triples = invocation(toolchain)
        through = replace(cooking, targets=triples, through=Through(subcommand))
        stove = Stove(toolchain.rust.cargo, program, made)
        run(through, stove=stove, around=_around(units, env, partial(compilers_of, toolchain, env)))
        for line in notes.read_text().splitlines():
            emit(Note(line, Level.VERBOSE))


@dataclass(frozen=True)
class _UnitsAround:
    """The unit cache around a cook: dependencies alone, for what was compiled of dummies is of no use to anybody."""

    units: Units
    env: Mapping[str, str]
    compilers: Callable[[], Compilers]

    def before(self, command: Command, project: Project) -> None:
        build_dir = project.build_dir or project.target_dir
        self.units.workspace = Workspace(project.root, build_dir, project.root / "Cargo.lock")
        self.units.restore(command, env=self.env, compilers=self.compilers())

    def after(self, done: Watched) -> None:
        self.units.keep(done)
        self.units.settle()


def _around(units: Units | None, env: Mapping[str, str], compilers: Callable[[], Compilers]) -> _UnitsAround | None:
    return None if units is None else _UnitsAround(units, env, compilers)


@contextlib.contextmanager
def _units(caches: CacheOptions, root: Path, context: Context) -> Iterator[Units | None]:
    if not caches.enabled:
        yield None
        return
    with open_stores(caches, context) as store:
        # where cargo compiles is known when the project is
        where = Workspace(root, root / "target")
        units = Units(store, where, context.runner, store.scratch, context.emit, local=False)
        units.load()
        yield units


def _plain_compilers(cooking: Cooking, root: Path, context: Context) -> Compilers:
    rust = next(iter(toolchains(context.runner, context.env, root)))
    zigbuild = cooking.through is Through.ZIGBUILD
    zig = find_zig(context.runner, context.env).version if zigbuild else None
    through = cooking.through.value if cooking.through is Through.CLIPPY else ""
    return plain_compilers(rust, context.env, zig=zig, named=cooking.targets, through=through)


def _plain_runtime(cooking: Cooking, context: Context) -> Runtime | None:
    if cooking.through is not Through.ZIGBUILD:
        return None
    zig = find_zig(context.runner, context.env)
    return zigbuild_runtime(zig, zig_targets(cooking.targets), context.env, cache_dir=context.cache_dir)


def _plain_stove(cooking: Cooking, context: Context) -> Stove:
    """The plain cargo, or cargo-zigbuild with the Zig that belongs to it; raises ToolMissing, OutputError."""
    env = context.env
    cargo = Path(env.get("CARGO") or "cargo")
    if cooking.through is not Through.ZIGBUILD:
        return Stove(cargo, cargo, env)
    zig = find_zig(context.runner, env)
    named = zigbuild_environment(zig, env, cache_dir=context.cache_dir)
    return Stove(cargo, find_zigbuild(env), {**named, **env})
