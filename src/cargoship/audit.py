"""An audit of the caches of compiled units: everything is compiled again, and compared with what they would give.

The compilation is that of `cargoship build`, with a build directory and a store of units of its own, both empty. What
differs is compiled once more, in another folder: what the compiler itself does not make twice alike says nothing about
a cache. Nothing is written to a cache before all is compared; then what is wrong is forgotten.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from msgspec import Struct, structs

from cargoship.apart import AUDIT, compiled_apart, environment_apart, folder_apart
from cargoship.compile import CompiledProgram
from cargoship.context import Context
from cargoship.elf.parts import differing_parts
from cargoship.errors import UsageError
from cargoship.events import Event, Note, UnitsKept, UnitsRestored
from cargoship.plan import Plan
from cargoship.platforms import row
from cargoship.resources import open_resources
from cargoship.settings.cache import CacheOptions, StoreKind, StoreSpec
from cargoship.unitcache.audit import Compared, Held, compare, missed_inputs, unpack_program
from cargoship.unitcache.builds import BuildKey, find_build, program_name, records_of
from cargoship.unitcache.care.integrity import drop_entries
from cargoship.unitcache.keys.file_digests import FileDigests
from cargoship.unitcache.packs.index import BuildRecord, UnitEntry
from cargoship.unitcache.stores.directory import DirectoryStore
from cargoship.unitcache.stores.opening import open_stores


class State(enum.StrEnum):
    """What a difference means."""

    WRONG = "wrong"
    UNSTABLE = "not reproducible by itself"
    ELSEWHERE = "compiled in another folder"


class Discrepancy(Struct, frozen=True):
    """A unit, or a program of the build as a whole, that is not what was compiled again."""

    name: str
    state: State
    where: tuple[str, ...]
    """The files and parts that differ, such as `FILE: section .text`; the first is where to look."""
    missed: tuple[str, ...] = ()
    """What was seen to be read now, and was not known when it was kept."""
    entry: UnitEntry | None = None
    plan: BuildRecord | None = None


class Audited(Struct, frozen=True):
    """What an audit came to."""

    cache: str
    compiled: int
    """Units that were compiled again and can be kept."""
    units: int
    """Those of them that the caches would have given."""
    programs: int
    """Programs that the caches would have given for the build as a whole."""
    findings: tuple[Discrepancy, ...]
    dropped: bool = False
    """What is wrong is in none of the caches any more."""

    @property
    def wrong(self) -> tuple[Discrepancy, ...]:
        """What no clean build makes."""
        return tuple(each for each in self.findings if each.state is State.WRONG)


@dataclass(frozen=True)
class _Made:
    """A build that was compiled again."""

    held: Held
    programs: Mapping[str, Path]
    env: Mapping[str, str] = field(repr=False)
    questions: tuple[tuple[BuildKey, Mapping[str, str]], ...]
    """The key of each build as a whole, with the names that its programs have there, and here."""


def audit(made: Plan, context: Context) -> Audited:
    """Compile the plan's programs again and compare; forget what is wrong in caches that may be written.

    Raises UsageError without a cache, or while another audit of the project goes on, CacheUnavailable, and what a build
    raises.
    """
    if not made.cache.enabled:
        raise UsageError("there is no cache to audit", hint="leave out --no-cache, and cache = false")
    with folder_apart(made, AUDIT, "audit") as scratch, open_stores(made.cache, context) as store:
        context.emit(Note("compiling everything again, without a cache"))
        first = _compiled(made, context, scratch / "first")
        contents = FileDigests(made.root, made.build_dir, first.env, made.target_dir)
        cache = Held(store, store.load(), contents)
        units = compare(first.held, cache, scratch)
        programs, given = _programs(first, cache, scratch / "given")
        differing = [each for each in units if each.where]
        if programs or any(not each.elsewhere for each in differing):
            context.emit(Note("something differs: compiling once more, to see what the compiler makes twice alike"))
            second = _compiled(made, context, scratch / "second")
            again = compare(first.held, second.held, scratch)
            same = {each.made.key for each in again if not each.where}
            programs = [
                structs.replace(each, state=State.WRONG if _same(first, second, each.name) else State.UNSTABLE)
                for each in programs
            ]
        else:
            same = set()
        findings = (*(_found(each, stable=each.made.key in same) for each in differing), *programs)
        compiled = sum("mode" in entry.parts for entry in first.held.index.entries.values())
        done = Audited(store.name, compiled, len(units), given, findings)
        return structs.replace(done, dropped=drop_wrong(cache, done.wrong)) if done.wrong else done


def _compiled(made: Plan, context: Context, folder: Path) -> _Made:
    target, units = folder / "target", folder / "units"
    apart = structs.replace(
        compiled_apart(made, target),
        # what else is in an image is not compiled
        images=tuple(structs.replace(each, settings=replace(each.settings, include=())) for each in made.images),
        cache=CacheOptions(written=(StoreSpec(StoreKind.DIRECTORY, str(units), trusted=True),)),
    )

    def emit(event: Event) -> None:
        if not isinstance(event, UnitsKept | UnitsRestored):
            context.emit(event)

    quiet = replace(context, emit=emit)
    with open_resources(apart, quiet, compiles=True) as resources:
        resources.sources()
        compilation = resources.compilation
        env = environment_apart(made, target, compilation.environment())
        # standard libraries are what they are on this machine: units have their content in their keys
        recalled = compilation.recalled(env).with_missing(lambda cached: structs.replace(cached, libraries={}))
        artifacts = compilation.compiled(compilation.find_toolchain(recalled), env, recalled)
    asked = {(each.package, each.name) for image in made.images for each in image.bins}
    artifacts = tuple(each for each in artifacts if (each.package, each.bin) in asked)
    programs = {_shown(each): each.path for each in artifacts}
    store = DirectoryStore(units)
    held = Held(store, store.load(), FileDigests(made.root, target, env, target))
    questions = tuple(
        (
            cached.build_key,
            {
                program_name(each.triple, each.package, each.bin): _shown(each)
                for each in artifacts
                if each.package in build.names and row(each.platform).processor == build.processor
            },
        )
        for build, cached in recalled.missing
        if cached is not None and cached.build_key
    )
    return _Made(held, programs, env, questions)


def _shown(program: CompiledProgram) -> str:
    """A program's name, with the processor where it is for a variant: else both have one name."""
    name = program_name(program.triple, program.package, program.bin)
    processor = row(program.platform).processor
    return name if processor is None else f"{name} for {processor}"


def _programs(first: _Made, cache: Held, scratch: Path) -> tuple[list[Discrepancy], int]:
    """The programs of the build as a whole that are not those that were compiled, and how many were compared."""
    findings, count = [], 0
    for build_key, names in first.questions:
        found = find_build(cache.index, build_key, cache.contents, tuple(names))
        if found is None:
            continue
        now = next((plan.inputs for plan in records_of(first.held.index, build_key)), {})
        for name, entry in found.programs.items():
            program = unpack_program(cache, entry, scratch / str(count))
            if program is None:
                continue
            count += 1
            where = differing_parts(first.programs[names[name]].read_bytes(), program.read_bytes())
            if where:
                missed = missed_inputs(now, found.plan.inputs)
                findings.append(Discrepancy(names[name], State.WRONG, where, missed, entry, found.plan))
    return findings, count


def _same(first: _Made, second: _Made, name: str) -> bool:
    return name in second.programs and first.programs[name].read_bytes() == second.programs[name].read_bytes()


def _found(each: Compared, *, stable: bool) -> Discrepancy:
    state = State.ELSEWHERE if each.elsewhere else State.WRONG if stable else State.UNSTABLE
    return Discrepancy(each.made.name, state, each.where, each.missed, each.given)


def drop_wrong(cache: Held, wrong: Sequence[Discrepancy]) -> bool:
    """Forget it wherever it may be written; whether nothing of it is left."""
    frames = {each.entry.key: each.entry.frame for each in wrong if each.entry is not None}
    plans = {each.plan.key for each in wrong if each.plan is not None}

    def is_wrong(entry: UnitEntry) -> bool:
        # another pack may hold the same bytes
        return frames.get(entry.key) == entry.frame

    if cache.store.writable:
        drop_entries(cache.store, is_wrong, cache.index, plans=plans)
    left = cache.store.load()
    return not any(is_wrong(entry) for entry in left.entries.values()) and plans.isdisjoint(left.plans)
