"""A cargo invocation of a person's own, with the unit cache around it.

cargo runs twice where its output belongs to the person: first with its JSON messages, which tell the units, then as it
was asked for. By then everything is compiled, and the second run only does what is left, such as running the tests.

Where programs are all that is wanted and nothing has changed, they come from the cache, and cargo is not started.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from cargoship.cargo.config import (
    cargo_home,
    configuration_files,
    default_targets,
    named_rustc,
    options_tables,
    read_table,
)
from cargoship.cargo.progress import PROGRESS
from cargoship.cargo.project import ManifestRefused, Project, load_project
from cargoship.cargo.withheld import withheld
from cargoship.cargo.words import (
    COMPILES,
    NO_DEPENDENCIES,
    RUNS,
    AskedOfCargo,
    choosing,
    compiling_words,
    configuring,
    has_more,
    invocation_of,
    is_quiet,
    lints_asked_for,
    only_tells,
    option_of,
    options_of,
)
from cargoship.context import Context
from cargoship.errors import CargoshipError, ManifestNotFound, UsageError
from cargoship.events import Level, Note
from cargoship.process import Command
from cargoship.settings.cache import CacheOptions
from cargoship.settings.sources import load_settings
from cargoship.toolchain.around_cargo import environment_of_cargo
from cargoship.toolchain.runtime import objects_of_a_run, zig_targets, zigbuild_environment, zigbuild_runtime
from cargoship.toolchain.rust import Rust, toolchains
from cargoship.toolchain.zig import Zig, find_zig, find_zigbuild
from cargoship.unitcache.build import prepare_folder
from cargoship.unitcache.builds import BuildKey, build_key_of, build_request, programs_below, programs_of
from cargoship.unitcache.explain.account import record_no_use
from cargoship.unitcache.keys.compilers import plain_compilers
from cargoship.unitcache.keys.environment import CLIPPY, find_environment
from cargoship.unitcache.keys.objectionable import talking
from cargoship.unitcache.keys.wrapping import ASKS_AGAIN
from cargoship.unitcache.packs.frame import check_path
from cargoship.unitcache.session import BuildInputs, CacheSession, Missed, RecalledPrograms, Workspace, open_session
from cargoship.unitcache.stores.opening import open_stores
from cargoship.version import __version__

if TYPE_CHECKING:
    from cargoship.execution.address import ClusterAddress
    from cargoship.unitcache.keys.key import BuildEnvironment
    from cargoship.unitcache.watching.library import Watcher


class Ended(Struct, frozen=True):
    """How the compilation ended, and what is left to be done: cargo, exactly as it was asked for."""

    code: int
    then: Command | None = None


def run_cargo(
    words: Sequence[str],
    context: Context,
    overrides: Mapping[str, object],
    *,
    programs_alone: bool = False,
    remote: ClusterAddress | None = None,
) -> Ended:
    """Compile what `cargo WORDS` would; `overrides` are settings by their keys, as flags give them.

    With `programs_alone`, the programs of a build that was made before with everything as it is now are put in their
    places, and cargo is not started. With `remote` a cluster compiles libraries. What cargo refuses it is left to
    refuse: its words and its exit code are what a person gets who has written `cargoship cargo` for `cargo`.

    Raises UsageError for subcommands that compile nothing, what reading the project and finding Rust raise, and what
    opening a cluster does.
    """
    read = _read(words, context)
    if isinstance(read, Ended):
        return read
    asked, context, rust, project = read
    is_zig = asked.gathered[0] == "zigbuild"
    with objects_of_a_run(context.cache_dir) if is_zig else nullcontext(dict[str, str]()) as objects:
        compiled = partial(_compiled, objects=objects, programs_alone=programs_alone, remote=remote)
        if not has_more(asked.gathered):
            return compiled(asked, context, rust, project, overrides)
        with withheld(context.emit) as said:
            ended = compiled(asked, replace(context, emit=said.emit), rust, project, overrides)
            if ended.then is None:
                said.let_go()
    return ended


def _compiled(
    asked: AskedOfCargo,
    context: Context,
    rust: Rust,
    project: Project,
    overrides: Mapping[str, object],
    *,
    objects: Mapping[str, str],
    programs_alone: bool,
    remote: ClusterAddress | None,
) -> Ended:
    words = asked.gathered
    command, then, zig = _commands(asked, context, rust)
    command = Command(command.argv, command.cwd, {**(command.env or {}), **objects})
    options = _options(project, context, overrides)
    options = options if remote is None else options.beside(str(remote))
    targets = options_of(words, "--target") or list(_default_targets(words, context))
    runner = context.runner
    if remote is not None:
        from cargoship.execution.runner import open_cluster

        remote.check(offline=not {"--offline", "--frozen"}.isdisjoint(command.argv))
        runner = open_cluster(remote, context, root=project.root, rustc=rust.compiler)
    if not options.enabled:
        record_no_use(_build_dir(project, _target_dir(words, project, context.cwd)))
        from cargoship.cargo.watch import watch_cargo

        code = watch_cargo(runner, command, context.emit).code
        return Ended(code, then if code == 0 else None)
    compilers = plain_compilers(
        rust, context.env,
        zig=None if zig is None else zig.version, named=targets,
        through=CLIPPY if words[0] == "clippy" else "", asks=NO_DEPENDENCIES in lints_asked_for(tuple(words)),
    )  # fmt: skip
    with (
        open_stores(options, context) as store,
        open_session(store, runner=runner, emit=context.emit) as session,
    ):
        target_dir = _target_dir(words, project, context.cwd)
        where = Workspace(project.root, _build_dir(project, target_dir), project.root / "Cargo.lock", target_dir)
        graph = None if programs_alone else session.unit_graph(command)
        around = find_environment(compilers, project.root, command, runner=context.runner, env=context.env)
        if then is not None and around.wrapped:
            then = Command(then.argv, then.cwd, {**(then.env or {}), **ASKS_AGAIN})
        chosen, more = choosing(words)
        build_key = _question(chosen or words, project, around, context)
        missed = None
        if programs_alone:
            found = _whole(session, build_key, more, where, target_dir, context)
            if isinstance(found, RecalledPrograms):
                return Ended(0)
            missed = found
        runtime = None
        if zig is not None:
            linked = zig_targets(targets)
            runtime = zigbuild_runtime(zig, linked, context.env, cache_dir=context.cache_dir)
        inputs = BuildInputs(
            command, {**context.env, **_told_to_clippy(words)}, where, compilers, around, graph,
            build_key=build_key, missed=missed, runtime=runtime,
            programs=programs_of if more else partial(programs_below, target_dir),
            watcher=_watcher(rust, session, context),
        )  # fmt: skip
        with session.around(inputs) as build:
            done = build.compile()
            build.keep(done)
    return Ended(done.code, then if done.code == 0 else None)


def _commands(asked: AskedOfCargo, context: Context, rust: Rust) -> tuple[Command, Command | None, Zig | None]:
    """What compiles, what is left to be done after it, and the Zig that links, where one does."""
    # cargo would keep its own options from a subcommand that is another program
    words, before = asked.gathered, () if asked.words[0] == "zigbuild" else asked.before
    own = asked.words if before else words
    program, env, zig = _program(words[0], rust, context)
    subcommand, *rest = compiling_words(own)
    told = _told_to_cargo(words, env, context)
    # of several values for a key cargo takes the last
    compiling = (*told, *before, subcommand, *rest) if before else (subcommand, *told, *rest)
    then = Command((str(program), *before, *own), context.cwd, env) if has_more(words) else None
    return Command((str(program), *compiling), cwd=context.cwd, env=env), then, zig


def _read(words: Sequence[str], context: Context) -> tuple[AskedOfCargo, Context, Rust, Project] | Ended:
    """What is asked for, in which environment, of which cargo, about which project; or cargo alone has to answer."""
    asked = invocation_of(words)
    if not asked.words or asked.words[0] not in (*COMPILES, *RUNS):
        named = f"cargo {next(iter(asked.words), words[0])}" if words else "nothing"
        raise UsageError(
            f"{named} is not what compiled units are kept of",
            hint=f"one of cargo {', '.join((*COMPILES[:1], *COMPILES[2:3], *COMPILES[4:], *RUNS[:1], *RUNS[2:]))}",
        )
    if asked.toolchain is not None:
        # as rustup's proxy says it to all that cargo starts
        context = replace(context, env={**context.env, "RUSTUP_TOOLCHAIN": asked.toolchain})
    else:
        env = environment_of_cargo(context.runner, context.env, context.cwd, context.emit)
        context = replace(context, env=env)
    rust = next(iter(toolchains(context.runner, context.env, context.cwd)))
    if asked.toolchain is not None and rust.rustup is None:
        # another one further on PATH, which does not know the word; the first cargo there does, or says so
        first = context.runner.programs.find("cargo", context.env)
        return _left_to_cargo(first or rust.cargo, words, context)
    context = replace(context, env=_as_by_rustups_proxy(rust, context))
    if only_tells(asked.words):
        return _left_to_cargo(rust.cargo, (*asked.before, *asked.words), context)
    if any(word.startswith("-C") for word in asked.before):
        context.emit(Note("the unit cache is of no use with cargo's -C: start this in the other folder", Level.WARNING))
        return _left_to_cargo(rust.cargo, (*asked.before, *asked.words), context)
    manifest = option_of(asked.words, "--manifest-path")
    try:
        project = load_project(
            context.runner, rust.cargo, context.cwd / (manifest or "."),
            env=context.env, cwd=context.cwd, configuring=configuring(asked.gathered),
        )  # fmt: skip
    except (ManifestNotFound, ManifestRefused):
        return _left_to_cargo(rust.cargo, (*asked.before, *asked.words), context)
    return asked, context, rust, project


def _as_by_rustups_proxy(rust: Rust, context: Context) -> Mapping[str, str]:
    """The environment with the toolchain's name, as rustup's proxy gives it to cargo.

    cargo finds a proxy by the name of rustc, and starts it in the folder of a package, where another toolchain may be
    asked for: that of a crate's own rust-toolchain.toml, or of a project that --manifest-path names.
    """
    env = context.env
    files = configuration_files(context.cwd, cargo_home(env))
    rustc = context.runner.programs.find("rustc", env)
    if "RUSTUP_TOOLCHAIN" in env or rustc is None or named_rustc(files, env) is not None:
        return env
    rustup = rustc.parent / "rustup"
    if not (rustup.exists() and rustup.samefile(rustc)):
        return env
    # a toolchain that somebody has linked lies elsewhere; the proxy takes a path as well
    return {**env, "RUSTUP_TOOLCHAIN": rust.sysroot.name if rust.rustup is not None else str(rust.sysroot)}


def _left_to_cargo(cargo: Path, words: Sequence[str], context: Context) -> Ended:
    """What was asked for, and nothing around it."""
    return Ended(0, Command((str(cargo), *words), context.cwd, context.env))


def _told_to_cargo(words: Sequence[str], env: Mapping[str, str], context: Context) -> tuple[str, ...]:
    """The options by which cargo tells its progress, and talks as we do.

    It does not tell it where it is to be quiet, or where that would hide what it refuses.
    """
    tables = [read_table(file) for file in configuration_files(context.cwd, cargo_home(context.env))]
    how = {} if is_quiet(words, tables, context.env) else PROGRESS
    return talking(env, tables, how, colour=context.colour)


def _told_to_clippy(words: Sequence[str]) -> Mapping[str, str]:
    """What its compiler reads in the environment, where nobody but `cargo clippy` can have set it."""
    return {"CLIPPY_ARGS": "\n".join(lints_asked_for(tuple(words)))} if words[0] == "clippy" else {}


def _watcher(rust: Rust, session: CacheSession, context: Context) -> Watcher | None:
    from cargoship.unitcache.watching.tools import watcher

    return watcher(
        rust, runner=context.runner, env=context.env, cache_dir=context.cache_dir, emit=context.emit,
        bring=session.bring_watching,
    )  # fmt: skip


def _default_targets(words: Sequence[str], context: Context) -> tuple[str, ...]:
    """What cargo compiles for where no option says it, by its configuration."""
    files = configuration_files(context.cwd, cargo_home(context.env))
    return default_targets(options_tables(words, context.cwd), {}) or default_targets(
        map(read_table, files), context.env
    )


def _question(words: Sequence[str], project: Project, around: BuildEnvironment, context: Context) -> BuildKey | None:
    """The key of the build as a whole; None without a lock file."""
    root = project.root
    # where no package is named, the folder that cargo runs in says which
    request = (f"cargoship {__version__}", "cargo", *words, "in", os.path.relpath(project.folder, root))
    try:
        return build_key_of(around, build_request(root, request, project.said))
    except OSError as error:
        context.emit(Note(f"this build has no key as a whole: {error}", Level.VERBOSE))
        return None


def _whole(
    session: CacheSession, build_key: BuildKey | None, more: str, where: Workspace, target_dir: Path, context: Context
) -> RecalledPrograms | Missed | None:
    """Put the programs of an earlier build in their places, if it was made with everything as it is now.

    None where nobody can look for such a build.
    """
    if more or build_key is None:
        why = f"{more} asks for more than programs" if more else "there is no Cargo.lock"
        context.emit(Note(f"cargo is started: {why}"))
        return None
    try:
        prepare_folder(target_dir)
        with tempfile.TemporaryDirectory(prefix=".cargoship-", dir=target_dir) as scratch:
            found = session.whole_build(build_key, where, context.env, into=Path(scratch))
            if isinstance(found, Missed):
                return found
            for name, program in found.paths.items():
                check_path(name)
                place = target_dir / name
                place.parent.mkdir(parents=True, exist_ok=True)
                os.utime(program)
                program.replace(place)
    except (CargoshipError, OSError) as error:
        context.emit(Note(f"this build is not looked for in the unit cache: {error}", Level.VERBOSE))
        return None
    count = f"{len(found.paths)} program{'s come' if len(found.paths) > 1 else ' comes'}"
    context.emit(Note(f"nothing has changed since an earlier build: {count} from the unit cache, cargo is not started"))
    return found


def _program(subcommand: str, rust: Rust, context: Context) -> tuple[Path, Mapping[str, str], Zig | None]:
    if subcommand != "zigbuild":
        return rust.cargo, context.env, None
    zig = find_zig(context.runner, context.env)
    named = zigbuild_environment(zig, context.env, cache_dir=context.cache_dir)
    return find_zigbuild(context.runner, context.env), {**named, **context.env, "CARGO": str(rust.cargo)}, zig


def _target_dir(words: Sequence[str], project: Project, cwd: Path) -> Path:
    named = option_of(words, "--target-dir")
    return project.target_dir if named is None else cwd / named


def _build_dir(project: Project, target_dir: Path) -> Path:
    apart = project.build_dir is not None and project.build_dir != project.target_dir
    return project.build_dir if apart and project.build_dir is not None else target_dir


def _options(project: Project, context: Context, overrides: Mapping[str, object]) -> CacheOptions:
    package = project.selected or next(iter((*project.default_members, *project.packages)))
    settings, notes = load_settings(project, [package], env=context.env, overrides=overrides)
    for note in notes:
        context.emit(note)
    return settings[package.name].caches
