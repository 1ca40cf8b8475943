"""One cargo invocation for every binary and every target, with its progress as events."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from cargoship.bom.crates import CrateGraph, ProgramCrates, decode
from cargoship.cargo.command import CargoBuild
from cargoship.cargo.config import cargo_home, configuration_files, read_table
from cargoship.cargo.progress import PROGRESS
from cargoship.cargo.target_flags import environment_for
from cargoship.clock import phase
from cargoship.context import Context
from cargoship.errors import CargoshipError, ContentInvalid
from cargoship.events import Emit, Level, Note, count
from cargoship.oci.platform import Platform
from cargoship.platforms import row
from cargoship.process import Command, Runner
from cargoship.reading import read_utf8
from cargoship.suggest import listed
from cargoship.toolchain.locate import Foreseen, Toolchain, Way
from cargoship.unitcache.builds import RECORD, BuildKey, build_key_of, build_request, program_name
from cargoship.unitcache.keys.compilers import compilers_of, foreseen_compilers
from cargoship.unitcache.keys.environment import find_environment
from cargoship.unitcache.keys.objectionable import talking
from cargoship.unitcache.libraries import Libraries, libraries_at
from cargoship.unitcache.session import BuildInputs, CacheSession, Missed, Workspace
from cargoship.version import __version__

if TYPE_CHECKING:
    from cargoship.cargo.messages import Artifact as Unit
    from cargoship.cargo.unit_graph import UnitGraph
    from cargoship.cargo.watch import Watched
    from cargoship.unitcache.keys.key import BuildEnvironment
    from cargoship.unitcache.running import RunningBuild
    from cargoship.unitcache.watching.library import Watcher

    _Describe = Callable[[Callable[[], UnitGraph]], CrateGraph | str]

_APART = ".cargoship"


class CompiledProgram(Struct, frozen=True):
    """A program that cargo has built for one platform."""

    package: str
    bin: str
    platform: Platform
    triple: str
    path: Path
    fresh: bool
    """cargo found it already there."""
    crates: ProgramCrates | None = None
    """What it is made of; None where cargo does not say."""
    symbols: Path | None = None
    """Its symbols, where they are apart from it."""


def folder_name_of(program: CompiledProgram) -> str:
    """A folder's name for programs of a platform: that of the target, and of the variant where it is one."""
    variant = row(program.platform).processor
    return program.triple if variant is None else f"{program.triple}-{variant}"


class Cached(Struct, frozen=True):
    """The unit cache for one build, and what is known of that build before its toolchain is complete."""

    session: CacheSession
    workspace: Workspace
    build_key: BuildKey | None = None
    missed: Missed | None = None
    libraries: Libraries = field(default_factory=dict)

    def bringing(self, folders: Iterable[Path]) -> Cached:
        """The same, with libraries that would have to be built in `folders`: in their places if the cache has them."""
        return replace(self, libraries={**self.libraries, **self.session.bring_libraries(folders)})

    def around(
        self,
        command: Command,
        toolchain: Toolchain,
        env: Mapping[str, str],
        cache_dir: Path,
        *,
        settled: bool,
        watcher: Watcher | None,
    ) -> AbstractContextManager[RunningBuild]:
        """See `CacheSession.around`."""
        from cargoship.toolchain.runtime import runtime_of

        return self.session.around(
            BuildInputs(
                command, env, self.workspace, compilers_of(toolchain, env),
                build_key=self.build_key, missed=self.missed, libraries=self.libraries,
                runtime=runtime_of(toolchain, env, cache_dir=cache_dir), watcher=watcher,
            ),
            settled=settled,
        )  # fmt: skip


class Recalled(Struct, frozen=True):
    """What of a plan's builds was made before with everything as it is now, and what is still to be compiled."""

    artifacts: tuple[CompiledProgram, ...] = ()
    missing: tuple[tuple[CargoBuild, Cached | None], ...] = ()
    """Each with what the unit cache knows of it now."""

    def with_missing(self, change: Callable[[Cached], Cached]) -> Recalled:
        """The same, with something else known of what is to be compiled."""
        changed = (
            (build, None if cached is None else change(cached)) for build, cached in self.missing
        )  # fmt: skip
        return replace(self, missing=tuple(changed))


def run_builds(
    builds: Sequence[tuple[CargoBuild, Cached | None]],
    toolchain: Toolchain,
    env: Mapping[str, str],
    context: Context,
    *,
    lock: Path,
    apart: bool,
) -> tuple[CompiledProgram, ...]:
    """Compile with as many invocations as it takes, one after the other; raises as `run_build` does, and OSError.

    Where there are others, the programs of each are set `apart`, for the next one may write others to their places.
    """
    found: list[CompiledProgram] = []
    for build, cached in builds:
        made = run_build(build, toolchain, env, context, lock=lock, cached=cached, settled=apart)
        found += (replace(each, path=_apart(each, build)) for each in made) if apart else made
    return tuple(found)


def _apart(made: CompiledProgram, build: CargoBuild) -> Path:
    """A second name for a program, in a folder of its package's own, and of its processor's."""
    folder = made.path.parent / _APART / (build.processor or "") / made.package
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / made.path.name
    place.unlink(missing_ok=True)
    try:
        place.hardlink_to(made.path)
    except OSError:
        shutil.copy2(made.path, place)
    return place


def run_build(
    build: CargoBuild,
    toolchain: Toolchain,
    env: Mapping[str, str],
    context: Context,
    *,
    lock: Path,
    cached: Cached | None = None,
    settled: bool = False,
) -> tuple[CompiledProgram, ...]:
    """Compile; raises CompileFailed or the error that cargo's words mean.

    cargo runs in the environment `env`; `lock` is the lock file. Compiled units come from a cache, and new ones begin
    to be kept there when cargo has ended; with `settled` they are kept when this returns. What cargo prints arrives as
    ToolOutput, unchanged; its JSON messages say which programs there are.
    """
    from cargoship.cargo.failure import failure_of
    from cargoship.toolchain.invocation import open_invocation
    from cargoship.unitcache.watching.tools import watcher_of

    runner, emit, cache_dir = context.runner, context.emit, context.cache_dir
    toolchain = toolchain.for_processor(build.processor)
    env = environment_for(build, env)
    of = "" if build.processor is None else f" for {build.processor}"
    with phase(emit, "compile", count(len(toolchain.targets), "target") + of) as say:
        if toolchain.way is Way.ZIGBUILD:
            emit(Note(f"linking through cargo-zigbuild: {toolchain.why_zigbuild}", Level.VERBOSE))
        with open_invocation(toolchain, env, cache_dir=cache_dir, emit=emit, root=lock.parent) as cargo:
            subcommand, *words = build.with_targets(*cargo.triples).arguments(cargo.subcommand)
            # cargo's progress bar is read, not shown: it alone says what compiles now, and how much there is in all
            tables = map(read_table, configuration_files(build.cwd, cargo_home(env)))
            told = talking(cargo.env, tables, PROGRESS, colour=context.colour)
            command = Command((str(cargo.program), subcommand, *told, *words), cwd=build.cwd, env=cargo.env)
            around = None
            if cached is not None:
                bring = cached.session.bring_watching
                watcher = watcher_of(toolchain, runner=runner, env=env, cache_dir=cache_dir, emit=emit, bring=bring)
                around = cached.around(command, toolchain, env, cache_dir, settled=settled, watcher=watcher)
            describe = partial(_crates, toolchain=toolchain, lock=lock)
            with nullcontext() if around is None else around as running:
                emit(Note(f"running {' '.join(command.argv)}", Level.DEBUG))
                done, crates = _compiled(command, running, describe, runner=runner, emit=emit)
                if running is not None:
                    running.keep(done, crates.encode() if isinstance(crates, CrateGraph) else None)
        if done.code != 0:
            raise failure_of(done.code, done.stderr)
        if isinstance(crates, str):
            emit(Note(f"what the programs are made of is not known: {crates}", Level.WARNING))
            crates = CrateGraph()
        say(done.summary)
    return _with_crates(_artifacts(done.units, toolchain), crates)


def _compiled(
    command: Command, running: RunningBuild | None, describe: _Describe, *, runner: Runner, emit: Emit
) -> tuple[Watched, CrateGraph | str]:
    """Run cargo, and find out what the programs are made of, or why that is not known."""
    from cargoship.cargo.unit_graph import ask_unit_graph
    from cargoship.cargo.watch import watch_cargo

    if running is None or running.restored is None:
        done = watch_cargo(runner, command, emit) if running is None else running.compile()
        # when cargo has ended: of two at a time one waits, and says so
        return done, describe(partial(ask_unit_graph, runner, command)) if done.code == 0 else ""
    graph = running.restored.graph
    with ThreadPoolExecutor(1) as beside:
        crates = beside.submit(describe, lambda: graph)
        return running.compile(), crates.result()


def _crates(graph: Callable[[], UnitGraph], *, toolchain: Toolchain, lock: Path) -> CrateGraph | str:
    """The crates of a build, or why they are not known."""
    from cargoship.bom.reduce import crates_of

    compilers = {
        "rustc": toolchain.rust.version.partition("\n")[0].removeprefix("rustc "),
        "zig": toolchain.zig.version,
    }
    try:
        units = graph()
        return crates_of(units, read_utf8(lock) if lock.exists() else "", compilers)
    except (CargoshipError, OSError, ValueError) as error:
        return str(error)


def _with_crates(programs: Iterable[CompiledProgram], graph: CrateGraph) -> tuple[CompiledProgram, ...]:
    return tuple(
        replace(each, crates=graph.program(program_name(each.triple, each.package, each.bin))) for each in programs
    )


def recall(
    builds: Sequence[CargoBuild],
    foreseen: Foreseen | None,
    cached: Cached,
    env: Mapping[str, str],
    context: Context,
    *,
    into: Path,
    project: str,
    programs: Mapping[str, Sequence[str]],
) -> Recalled:
    """The programs of builds that were made before with everything as it is now, put below `into`.

    `programs` has the wanted binaries of each package, `project` is what cargo says of the workspace. Without a
    toolchain that is `foreseen` nothing is recalled. Never fails: what is wrong will be said by what follows.
    """
    if foreseen is None:
        return Recalled(missing=tuple((build, cached) for build in builds))
    root, runner, emit = cached.workspace.root, context.runner, context.emit
    try:
        cached = replace(cached, libraries=libraries_at(foreseen.built.values()))
        command = Command(builds[0].arguments(), cwd=builds[0].cwd, env=env)
        around = {
            processor: find_environment(
                foreseen_compilers(foreseen.for_processor(processor), own), root, command, runner=runner, env=own
            )
            for processor, own in {build.processor: environment_for(build, env) for build in builds}.items()
        }
        questions = [
            _question(build, foreseen.for_processor(build.processor), around[build.processor], root, project)
            for build in builds
        ]
    except (CargoshipError, OSError, ValueError) as error:
        emit(Note(f"this build is not looked for in the unit cache: {error}", Level.VERBOSE))
        return Recalled(missing=tuple((build, cached) for build in builds))
    artifacts: list[CompiledProgram] = []
    missing: list[tuple[CargoBuild, Cached | None]] = []
    for number, (build, build_key) in enumerate(zip(builds, questions, strict=True)):
        made = _programs_of(build, foreseen.for_processor(build.processor), programs)
        found = _found(cached, build_key, environment_for(build, env), into / str(number), (*made, RECORD))
        if isinstance(found, Missed):
            missing.append((build, replace(cached, build_key=build_key, missed=found)))
            continue
        of = "" if len(builds) == 1 else f" of {listed(name for name in build.names if name in programs)}"
        of += "" if build.processor is None else f" for {build.processor}"
        come = f"{count(len(made), 'program')} of it {'comes' if len(made) == 1 else 'come'}"
        emit(Note(f"nothing{of} has changed since an earlier build: {come} from the unit cache"))
        artifacts += (
            CompiledProgram(
                package, name, platform, triple, found.paths[program], fresh=True, crates=found.crates.program(program)
            )
            for program, (triple, platform, package, name) in made.items()
        )
    return Recalled(tuple(artifacts), tuple(missing))


def _programs_of(
    build: CargoBuild, foreseen: Foreseen, programs: Mapping[str, Sequence[str]]
) -> dict[str, tuple[str, Platform, str, str]]:
    """The wanted programs of a build by their names in the cache: triple, platform, package and binary."""
    return {
        program_name(triple, package, name): (triple, entry.platform, package, name)
        for triple, entry in foreseen.pairs
        for package in build.names
        for name in programs.get(package, ())
    }


class _FoundBuild(Struct, frozen=True):
    """A build that came as a whole."""

    paths: Mapping[str, Path]
    crates: CrateGraph


def _found(
    cached: Cached, build_key: BuildKey, env: Mapping[str, str], into: Path, wanted: Sequence[str]
) -> _FoundBuild | Missed:
    found = cached.session.whole_build(build_key, cached.workspace, env, into=into, wanted=wanted)
    if isinstance(found, Missed):
        return found
    try:
        return _FoundBuild(found.paths, decode(found.record or b"", "the record of an earlier build"))
    except ContentInvalid as error:
        return Missed((error.message,))


def _question(build: CargoBuild, foreseen: Foreseen, around: BuildEnvironment, root: Path, project: str) -> BuildKey:
    """The key of a build as a whole; raises OSError."""
    plain = replace(build, jobs=None, offline=False, locked=False, frozen=False, target_dir=None)
    words = (f"cargoship {__version__}", str(foreseen.libc), *filter(None, [build.processor]), *plain.arguments())
    triples = (triple for triple, _ in foreseen.pairs)
    built = {triple: folder.name for triple, folder in foreseen.built.items()}
    return build_key_of(around, build_request(root, (*words, *triples), project), built=built)


def stream_plainly(runner: Runner, emit: Emit) -> Callable[[Command], int]:
    """A way to run cargo for something else than the user's build, showing progress and errors alike."""
    from cargoship.cargo.watch import watch_cargo

    def stream(command: Command) -> int:
        program, subcommand, *words = command.argv
        told = talking(command.env or {}, (), PROGRESS)
        return watch_cargo(runner, Command((program, subcommand, *told, *words), command.cwd, command.env), emit).code

    return stream


def _artifacts(units: Sequence[Unit], toolchain: Toolchain) -> tuple[CompiledProgram, ...]:
    by_triple = {target.triple: target for target in toolchain.targets}
    found = []
    for unit in units:
        if unit.executable is None or not unit.is_binary:
            continue
        # cargo puts a target's programs below a folder of the target's name
        triple = next((part for part in reversed(unit.executable.parts) if part in by_triple), None)
        if triple is not None:
            platform = by_triple[triple].platform
            found.append(CompiledProgram(unit.package, unit.target_name, platform, triple, unit.executable, unit.fresh))
    return tuple(found)
