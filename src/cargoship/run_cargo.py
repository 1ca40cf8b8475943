"""A cargo invocation of a person's own, with the unit cache around it.

cargo runs twice where its output belongs to the person: first with its JSON messages, which tell the units, then as it
was asked for. By then everything is compiled, and the second run only does what is left, such as running the tests.

Where programs are all that is wanted and nothing has changed, they come from the cache, and cargo is not started.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cargoship.cargo.progress import PROGRESS_ENV
from cargoship.cargo.project import Project, load_project
from cargoship.cargo.watch import watch
from cargoship.cargo.words import COMPILES, RUNS, choosing, has_more, option_of, options_of, told
from cargoship.context import Context
from cargoship.errors import CargoshipError, UsageError
from cargoship.events import Level, Note
from cargoship.process import Command
from cargoship.settings.cache import CacheOptions
from cargoship.settings.sources import load_settings
from cargoship.toolchain.runtime import zig_targets, zigbuild_environment, zigbuild_runtime
from cargoship.toolchain.rust import Rust, toolchains
from cargoship.toolchain.zig import Zig, find_zig, find_zigbuild
from cargoship.unitcache.build import prepare_folder
from cargoship.unitcache.compilers import plain_compilers
from cargoship.unitcache.frame import check_path
from cargoship.unitcache.key import Surroundings
from cargoship.unitcache.opening import open_stores
from cargoship.unitcache.planned import Question, asked_of, programs_below, question_of
from cargoship.unitcache.session import Units, Workspace, settled
from cargoship.unitcache.surroundings import look_around
from cargoship.version import __version__


@dataclass(frozen=True)
class Ended:
    """How the compilation ended, and what is left to be done: cargo, exactly as it was asked for."""

    code: int
    then: Command | None = None


def run_cargo(
    words: Sequence[str], context: Context, overrides: Mapping[str, object], *, programs_alone: bool = False
) -> Ended:
    """Compile what `cargo WORDS` would; `overrides` are settings by their keys, as flags give them.

    With `programs_alone`, the programs of a build that was made before with everything as it is now are put in their
    places, and cargo is not started.

    Raises UsageError for subcommands that compile nothing, and what reading the project and finding Rust raise.
    """
    if not words or words[0] not in (*COMPILES, *RUNS):
        named = f"cargo {words[0]}" if words else "nothing"
        raise UsageError(
            f"{named} is not what compiled units are kept of",
            hint=f"one of cargo {', '.join((*COMPILES[:1], *COMPILES[2:3], *COMPILES[4:], *RUNS[:1], *RUNS[2:]))}",
        )
    rust = next(iter(toolchains(context.runner, context.env, context.cwd)))
    manifest = option_of(words, "--manifest-path")
    project = load_project(context.runner, rust.cargo, context.cwd / (manifest or "."), env=context.env)
    program, env, zig = _program(words[0], rust, context)
    command = Command((str(program), *told(words)), cwd=context.cwd, env={**env, **PROGRESS_ENV})
    options = _options(project, context, overrides)
    then = Command((str(program), *words), cwd=context.cwd, env=env) if has_more(words) else None
    if not options.enabled:
        code = watch(context.runner, command, context.emit).code
        return Ended(code, then if code == 0 else None)
    compilers = plain_compilers(
        rust, context.env,
        zig=None if zig is None else zig.version, named=options_of(words, "--target"),
        through=words[0] if words[0] == "clippy" else "",
    )  # fmt: skip
    with open_stores(options, context) as store:
        target_dir = _target_dir(words, project, context.cwd)
        where = Workspace(project.root, _build_dir(project, target_dir), project.root / "Cargo.lock")
        units = Units(store, where, context.runner, store.scratch, context.emit)
        units.load()
        if not programs_alone:
            units.ask(command)
        around = look_around(compilers, project.root, command, runner=context.runner, env=context.env)
        chosen, more = choosing(words)
        if not more:
            units.programs = lambda made: programs_below(target_dir, made)
        question = _question(chosen or words, project, around, context)
        if programs_alone and _is_there(units, question, more, target_dir, context):
            return Ended(0)
        if question is not None and units.question is None:
            units.expect(question)
        if zig is not None:
            linked = zig_targets(options_of(words, "--target"))
            units.runtime = zigbuild_runtime(zig, linked, context.env, cache_dir=context.cache_dir)
        with settled(units):
            units.restore(command, env=context.env, compilers=compilers, around=around)
            done = watch(context.runner, command, context.emit)
            units.keep(done)
    return Ended(done.code, then if done.code == 0 else None)


def _question(words: Sequence[str], project: Project, around: Surroundings, context: Context) -> Question | None:
    """The key of the build as a whole; None without a lock file."""
    root = project.root
    # where no package is named, the folder that cargo runs in says which
    told = (f"cargoship {__version__}", "cargo", *words, "in", os.path.relpath(project.folder, root))
    try:
        return question_of(around, asked_of(root, told, project.said))
    except OSError as error:
        context.emit(Note(f"this build has no key as a whole: {error}", Level.VERBOSE))
        return None


def _is_there(units: Units, question: Question | None, more: str, target_dir: Path, context: Context) -> bool:
    """Put the programs of an earlier build in their places, if it was made with everything as it is now."""
    if more or question is None:
        why = f"{more} asks for more than programs" if more else "there is no Cargo.lock"
        context.emit(Note(f"cargo is started: {why}"))
        return False
    try:
        prepare_folder(target_dir)
        with tempfile.TemporaryDirectory(prefix=".cargoship-", dir=target_dir) as scratch:
            found = units.recall(question, context.env, None, Path(scratch))
            for name, program in found.items():
                check_path(name)
                place = target_dir / name
                place.parent.mkdir(parents=True, exist_ok=True)
                os.utime(program)
                program.replace(place)
    except (CargoshipError, OSError) as error:
        context.emit(Note(f"this build is not looked for in the unit cache: {error}", Level.VERBOSE))
        return False
    if found:
        count = f"{len(found)} program{'s come' if len(found) > 1 else ' comes'}"
        context.emit(
            Note(f"nothing has changed since an earlier build: {count} from the unit cache, cargo is not started")
        )
    return bool(found)


def _program(subcommand: str, rust: Rust, context: Context) -> tuple[Path, Mapping[str, str], Zig | None]:
    if subcommand != "zigbuild":
        return rust.cargo, context.env, None
    zig = find_zig(context.runner, context.env)
    named = zigbuild_environment(zig, context.env, cache_dir=context.cache_dir)
    return find_zigbuild(context.env), {**named, **context.env, "CARGO": str(rust.cargo)}, zig


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
