"""One cargo invocation for every binary and every target, with its progress as events."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cargoship.cargo.command import CargoBuild
from cargoship.cargo.failure import failure_of
from cargoship.cargo.messages import Artifact as Unit
from cargoship.cargo.progress import PROGRESS_ENV
from cargoship.cargo.watch import watch
from cargoship.errors import CargoshipError
from cargoship.events import Emit, Level, Note, PhaseEnded, PhaseStarted
from cargoship.oci.platform import Platform
from cargoship.platforms import LibcFamily
from cargoship.process import Command, Runner
from cargoship.toolchain.environment import compile_environment
from cargoship.toolchain.locate import Toolchain, Wanted, Way, foresee
from cargoship.toolchain.runtime import runtime_of
from cargoship.unitcache.compilers import compilers_of, foreseen_compilers
from cargoship.unitcache.libraries import libraries_at
from cargoship.unitcache.planned import asked_of, program_name, question_of
from cargoship.unitcache.session import Units
from cargoship.unitcache.surroundings import look_around
from cargoship.version import __version__


@dataclass(frozen=True)
class Artifact:
    """A program that cargo has built for one platform."""

    package: str
    bin: str
    platform: Platform
    triple: str
    path: Path
    fresh: bool
    """cargo found it already there."""


def run(
    build: CargoBuild,
    toolchain: Toolchain,
    *,
    runner: Runner,
    env: Mapping[str, str],
    cache_dir: Path,
    emit: Emit,
    units: Units | None = None,
) -> tuple[Artifact, ...]:
    """Compile; raises CompileFailed or the error that cargo's words mean.

    Compiled units come from a cache, and new ones begin to be kept there when cargo has ended. What cargo prints
    arrives as ToolOutput, unchanged; its JSON messages say which programs there are.
    """
    started = time.monotonic()
    emit(PhaseStarted("compile", f"{len(toolchain.targets)} targets"))
    if toolchain.way is Way.ZIGBUILD:
        emit(Note(f"linking through cargo-zigbuild: {toolchain.why_zigbuild}", Level.VERBOSE))
    with tempfile.TemporaryDirectory(prefix="cargoship-") as scratch:
        notes = Path(scratch) / "notes"
        notes.touch()
        command = Command(
            _argv(build, toolchain),
            cwd=build.cwd,
            env=compile_environment(toolchain, env, cache_dir=cache_dir, notes=notes),
        )
        if units is not None:
            units.runtime = runtime_of(toolchain, env, cache_dir=cache_dir)
            units.restore(command, env=env, compilers=compilers_of(toolchain, env))
        emit(Note(f"running {' '.join(command.argv)}", Level.DEBUG))
        done = watch(runner, command, emit)
        if units is not None:
            units.keep(done)
        for line in notes.read_text().splitlines():
            emit(Note(line, Level.VERBOSE))
    if done.code != 0:
        raise failure_of(done.code, done.stderr)
    emit(PhaseEnded("compile", time.monotonic() - started, done.summary))
    return _artifacts(done.units, toolchain)


def recall(
    made: CargoBuild,
    wanted: Wanted,
    units: Units,
    into: Path,
    *,
    project: str,
    programs: Sequence[tuple[str, str]],
    runner: Runner,
    env: Mapping[str, str],
    emit: Emit,
) -> tuple[Artifact, ...]:
    """The programs of a build that was made before with everything as it is now, put below `into`; else nothing.

    `programs` are pairs of package and binary, `project` is what cargo says of the workspace. Never fails: what is
    wrong will be said by what follows.
    """
    root = units.workspace.root
    try:
        foreseen = foresee(wanted, runner=runner, env=env)
        if foreseen is None:
            return ()
        units.libraries = libraries_at(foreseen.built.values())
        command = Command(made.arguments(), cwd=made.cwd, env=env)
        around = look_around(foreseen_compilers(foreseen, env), root, command, runner=runner, env=env)
        words = (
            f"cargoship {__version__}",
            str(foreseen.libc),
            *replace(made, jobs=None, offline=False, locked=False, frozen=False).arguments(),
        )
        triples = {triple: entry.platform for triple, entry in foreseen.pairs}
        built = {triple: folder.name for triple, folder in foreseen.built.items()}
        question = question_of(around, asked_of(root, (*words, *triples), project), built=built)
        names = {program_name(triple, *each): (triple, *each) for triple in triples for each in programs}
        found = units.recall(question, env, tuple(names), into)
    except (CargoshipError, OSError, ValueError) as error:
        emit(Note(f"this build is not looked for in the unit cache: {error}", Level.VERBOSE))
        return ()
    if found:
        emit(Note(f"nothing has changed since an earlier build: its {len(found)} programs come from the unit cache"))
    return tuple(
        Artifact(package, name, triples[triple], triple, found[each], fresh=True)
        for each, (triple, package, name) in names.items()
        if found
    )


def stream_plainly(runner: Runner, emit: Emit) -> Callable[[Command], int]:
    """A way to run cargo for something else than the user's build, showing progress and errors alike."""

    def stream(command: Command) -> int:
        made = Command(command.argv, command.cwd, {**(command.env or {}), **PROGRESS_ENV})
        return watch(runner, made, emit).code

    return stream


def invocation(toolchain: Toolchain) -> tuple[Path, str, tuple[str, ...]]:
    """The program that compiles with a toolchain, its subcommand, and its names for the targets."""
    if toolchain.way is Way.DIRECT or toolchain.zigbuild is None:
        return toolchain.rust.cargo, "build", tuple(target.triple for target in toolchain.targets)
    triples = []
    for target in toolchain.targets:
        floor = toolchain.libc.floor or target.row.gnu_floor
        suffix = ".{}.{}".format(*floor) if toolchain.libc.family is LibcFamily.GNU else ""
        triples.append(target.triple + suffix)
    return toolchain.zigbuild, "zigbuild", tuple(triples)


def _argv(build: CargoBuild, toolchain: Toolchain) -> tuple[str, ...]:
    program, subcommand, triples = invocation(toolchain)
    return (str(program), *build.with_targets(*triples).arguments(subcommand))


def _artifacts(units: Sequence[Unit], toolchain: Toolchain) -> tuple[Artifact, ...]:
    by_triple = {target.triple: target for target in toolchain.targets}
    found = []
    for unit in units:
        if unit.executable is None or not unit.is_binary:
            continue
        # cargo puts a target's programs below a folder of the target's name
        triple = next((part for part in reversed(unit.executable.parts) if part in by_triple), None)
        if triple is not None:
            platform = by_triple[triple].platform
            found.append(Artifact(unit.package, unit.target_name, platform, triple, unit.executable, unit.fresh))
    return tuple(found)
