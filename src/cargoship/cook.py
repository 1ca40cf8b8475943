"""Cooking with a toolchain: which cargo compiles a recipe's dependencies, for which targets, in which environment."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from cargoship.cargo.command import CargoBuild
from cargoship.cargo.config import cargo_home, configuration_files, read_table
from cargoship.cargo.manifest import MANIFEST
from cargoship.cargo.progress import PROGRESS
from cargoship.cargo.project import Project
from cargoship.cargo.target_flags import environment_for
from cargoship.cargo.watch import Watched
from cargoship.compile import stream_plainly
from cargoship.context import Context
from cargoship.platforms import Libc, by_processor, row
from cargoship.process import Command
from cargoship.recipe.cook import (
    Around,
    Compile,
    Cooking,
    CookPrograms,
    Subcommand,
    compile_dependencies,
    write_skeleton,
)
from cargoship.recipe.model import Recipe
from cargoship.settings.cache import CacheOptions
from cargoship.toolchain.around_cargo import environment_of_cargo
from cargoship.toolchain.invocation import open_invocation
from cargoship.toolchain.locate import Toolchain, Wanted, foresee_toolchain, locate
from cargoship.toolchain.runtime import (
    Runtime,
    objects_of_a_run,
    runtime_of,
    zig_targets,
    zigbuild_environment,
    zigbuild_runtime,
)
from cargoship.toolchain.rust import toolchains
from cargoship.toolchain.zig import find_zig, find_zigbuild
from cargoship.unitcache.keys.compilers import compilers_of, plain_compilers
from cargoship.unitcache.keys.environment import Compilers
from cargoship.unitcache.keys.objectionable import talking
from cargoship.unitcache.libraries import Libraries
from cargoship.unitcache.session import BuildInputs, CacheSession, Workspace, open_session
from cargoship.unitcache.stores.opening import open_stores
from cargoship.unitcache.watching.library import Watcher
from cargoship.unitcache.watching.tools import watcher, watcher_of


class _Run(Protocol):
    """`compile_dependencies` with what is the same for each of its runs."""

    def __call__(self, cooking: Cooking, *, programs: CookPrograms, around: Around | None) -> Watched: ...


class CookTargets(Struct, frozen=True):
    """The platforms to cook for as `cargoship build` compiles for them; none: as cargo, or cargo-zigbuild, does."""

    platforms: tuple[str, ...] = ()
    libc: str | None = None


def cook(
    recipe: Recipe, cooking: Cooking, targets: CookTargets, root: Path, context: Context, *, caches: CacheOptions
) -> None:
    """Cook in `root`; raises what `recipe.cook` raises, PlatformUnknown and ToolchainError's family."""
    runner, emit = context.runner, context.emit
    platforms = tuple(row(name).platform for name in targets.platforms)
    libc = Libc.parse(targets.libc or "musl")
    # first of all, for the skeleton's toolchain file says which Rust it is
    write_skeleton(recipe, cooking, root, emit=emit)
    env = environment_of_cargo(runner, context.env, root, emit)
    context = dataclasses.replace(context, env=env)
    run = partial(compile_dependencies, recipe, root=root, runner=runner, emit=emit)
    if cooking.subcommand is Subcommand.NOTHING:
        return
    if not platforms:
        with objects_of_a_run(context.cache_dir) as objects, _session(caches, context) as session:
            programs = _plain_programs(cooking, root, context, objects)
            runtime = _plain_runtime(cooking, context)
            cached = None if session is None else _plain_cached(session, runtime, root, context)
            run(cooking, programs=programs, around=_around(cached, partial(_plain_compilers, cooking, root, context)))
        return
    wanted = Wanted(platforms, libc, root, context.cache_dir, offline=cooking.offline or cooking.frozen)
    with _session(caches, context) as session:
        libraries: Libraries = {}
        if session is not None:
            foreseen = foresee_toolchain(wanted, runner=runner, env=env)
            libraries = session.bring_libraries(foreseen.built.values() if foreseen else ())
        toolchain = locate(wanted, runner=runner, stream=stream_plainly(runner, emit), env=env, emit=emit)
        runtime = runtime_of(toolchain, env, cache_dir=context.cache_dir)
        done: list[Watched] = []
        for processor in by_processor(platforms):
            if done:
                # each run of cargo removes what the dummies became, and files that lie outside
                write_skeleton(recipe, replace(cooking, force=True), root, emit=emit)
            once = partial(run, before=tuple(done))
            part = toolchain.for_processor(processor)
            done.append(_cook_for(part, session, runtime, libraries, cooking, root, context, once))


def _cook_for(
    toolchain: Toolchain,
    session: CacheSession | None,
    runtime: Runtime,
    libraries: Libraries,
    cooking: Cooking,
    root: Path,
    context: Context,
    run: _Run,
) -> Watched:
    """Cook for the targets of one processor, with the flags that `cargoship build` gives those."""
    emit, cache_dir = context.emit, context.cache_dir
    manifest = root / (cooking.manifest_path or MANIFEST)
    build = CargoBuild(manifest, root, targets=toolchain.triples, processor=toolchain.targets[0].row.processor)
    env = environment_for(build, context.env)
    cached = None
    if session is not None:
        bring = session.bring_watching
        watcher = watcher_of(toolchain, runner=context.runner, env=env, cache_dir=cache_dir, emit=emit, bring=bring)
        cached = _Cached(session, env, runtime, libraries, watcher)
    with open_invocation(toolchain, env, cache_dir=cache_dir, emit=emit, root=root) as cargo:
        through = replace(cooking, targets=cargo.triples, subcommand=Subcommand(cargo.subcommand))
        programs = CookPrograms(toolchain.rust.cargo, cargo.program, cargo.env, _told(cargo.env, root, context))
        return run(through, programs=programs, around=_around(cached, partial(compilers_of, toolchain, env)))


@dataclass(frozen=True)
class _Cached:
    """The unit cache around a cook, and what is known of that before its project can be read."""

    session: CacheSession
    env: Mapping[str, str] = field(repr=False)
    runtime: Runtime | None = None
    libraries: Libraries = field(default_factory=dict)
    watcher: Watcher | None = None


def _around(cached: _Cached | None, compilers: Callable[[], Compilers]) -> Around | None:
    """The unit cache, for dependencies alone: what was compiled of dummies is of no use to anybody."""
    if cached is None:
        return None

    @contextlib.contextmanager
    def around(command: Command, project: Project) -> Iterator[Compile]:
        where = Workspace(
            project.root, project.build_dir or project.target_dir, project.root / "Cargo.lock", project.target_dir
        )
        inputs = BuildInputs(
            command, cached.env, where, compilers(), libraries=cached.libraries, runtime=cached.runtime, local=False,
            watcher=cached.watcher,
        )  # fmt: skip
        # the dummies are removed next
        with cached.session.around(inputs, settled=True) as build:

            def compiled() -> Watched:
                done = build.compile()
                build.keep(done)
                return done

            yield compiled

    return around


@contextlib.contextmanager
def _session(caches: CacheOptions, context: Context) -> Iterator[CacheSession | None]:
    if not caches.enabled:
        yield None
        return
    with (
        open_stores(caches, context) as store,
        open_session(store, runner=context.runner, emit=context.emit) as session,
    ):
        yield session


def _plain_compilers(cooking: Cooking, root: Path, context: Context) -> Compilers:
    rust = next(iter(toolchains(context.runner, context.env, root)))
    zigbuild = cooking.subcommand is Subcommand.ZIGBUILD
    zig = find_zig(context.runner, context.env).version if zigbuild else None
    through = cooking.subcommand.value if cooking.subcommand is Subcommand.CLIPPY else ""
    return plain_compilers(rust, context.env, zig=zig, named=cooking.targets, through=through)


def _plain_cached(session: CacheSession, runtime: Runtime | None, root: Path, context: Context) -> _Cached:
    rust = next(iter(toolchains(context.runner, context.env, root)))
    watching = watcher(
        rust, runner=context.runner, env=context.env, cache_dir=context.cache_dir, emit=context.emit,
        bring=session.bring_watching,
    )  # fmt: skip
    return _Cached(session, context.env, runtime, watcher=watching)


def _plain_runtime(cooking: Cooking, context: Context) -> Runtime | None:
    if cooking.subcommand is not Subcommand.ZIGBUILD:
        return None
    zig = find_zig(context.runner, context.env)
    return zigbuild_runtime(zig, zig_targets(cooking.targets), context.env, cache_dir=context.cache_dir)


def _plain_programs(cooking: Cooking, root: Path, context: Context, objects: Mapping[str, str]) -> CookPrograms:
    """The plain cargo, or cargo-zigbuild with the Zig that belongs to it; raises ToolMissing, OutputError.

    `objects` says where that Zig keeps what it compiles.
    """
    env = context.env
    cargo = Path(env.get("CARGO") or "cargo")
    if cooking.subcommand is not Subcommand.ZIGBUILD:
        return CookPrograms(cargo, cargo, env, _told(env, root, context))
    zig = find_zig(context.runner, env)
    named = zigbuild_environment(zig, env, cache_dir=context.cache_dir)
    through = {**named, **env, **objects}
    return CookPrograms(cargo, find_zigbuild(context.runner, env), through, _told(through, root, context))


def _told(env: Mapping[str, str], root: Path, context: Context) -> tuple[str, ...]:
    """The options by which cargo tells its progress, but where that would hide what it refuses."""
    tables = map(read_table, configuration_files(root, cargo_home(env)))
    return talking(env, tables, PROGRESS, colour=context.colour)
