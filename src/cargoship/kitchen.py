"""Cooking with a toolchain: which cargo compiles a recipe's dependencies, for which targets, in which environment."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
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
from cargoship.toolchain.locate import Wanted, locate
from cargoship.toolchain.runtime import Runtime, runtime_of, zig_targets, zigbuild_environment, zigbuild_runtime
from cargoship.toolchain.rust import toolchains
from cargoship.toolchain.zig import find_zig, find_zigbuild
from cargoship.unitcache.compilers import compilers_of, plain_compilers
from cargoship.unitcache.opening import open_stores
from cargoship.unitcache.session import Units, Workspace
from cargoship.unitcache.store import LocalStore
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
        runtime = _plain_runtime(cooking, context)
        with _around(caches, context, partial(_plain_compilers, cooking, root, context), runtime) as around:
            run(cooking, stove=stove, around=around)
        return
    wanted = Wanted(platforms, libc, root, context.cache_dir, offline=cooking.offline or cooking.frozen)
    toolchain = locate(wanted, runner=runner, stream=stream_plainly(runner, emit), env=env, emit=emit)
    program, subcommand, triples = invocation(toolchain)
    with (
        tempfile.TemporaryDirectory(prefix="cargoship-") as scratch,
        _around(
            caches,
            context,
            partial(compilers_of, toolchain, env),
            runtime_of(toolchain, env, cache_dir=context.cache_dir),
        ) as around,
    ):
        notes = Path(scratch) / "notes"
        notes.touch()
        made = compile_environment(toolchain, env, cache_dir=context.cache_dir, notes=notes)
        through = replace(cooking, targets=triples, through=Through(subcommand))
        run(through, stove=Stove(toolchain.rust.cargo, program, made), around=around)
        for line in notes.read_text().splitlines():
            emit(Note(line, Level.VERBOSE))


@dataclass
class _UnitsAround:
    """The unit cache around a cook: dependencies alone, for what was compiled of dummies is of no use to anybody."""

    store: LocalStore
    context: Context
    compilers: Callable[[], Compilers]
    runtime: Runtime | None
    units: Units | None = None

    def before(self, command: Command, project: Project) -> None:
        where = Workspace(project.root, project.build_dir or project.target_dir, project.root / "Cargo.lock")
        context = self.context
        self.units = Units(self.store, where, context.runner, self.store.scratch, context.emit, local=False)
        self.units.runtime = self.runtime
        self.units.restore(command, env=context.env, compilers=self.compilers())

    def after(self, done: Watched) -> None:
        if self.units is not None:
            self.units.keep(done)
            self.units.settle()


@contextlib.contextmanager
def _around(
    caches: CacheOptions, context: Context, compilers: Callable[[], Compilers], runtime: Runtime | None
) -> Iterator[_UnitsAround | None]:
    if not caches.enabled:
        yield None
        return
    with open_stores(caches, context) as store:
        yield _UnitsAround(store, context, compilers, runtime)


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
