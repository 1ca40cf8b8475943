"""The whole way, on one page: from a Cargo project to a published image.

    settings, project --> plan --> toolchain --> artifacts --> verified --> layers --> image --> index --> published

Everything that can be refused is refused before the first compile. Each step is a module; this is where they meet.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from msgspec.structs import replace

from cargoship.cargo.project import Binary
from cargoship.clock import Clock
from cargoship.context import Context
from cargoship.debug_symbols import split_programs, symbols_of
from cargoship.errors import BinaryUnknown
from cargoship.given_programs import given_programs
from cargoship.health_probe.make import with_probes
from cargoship.oci.platform import Platform
from cargoship.plan import Plan, Selection
from cargoship.planning import plan, plan_as_asked
from cargoship.platforms import LibcFamily
from cargoship.prerequisites.objections import check_rust_versions
from cargoship.prerequisites.processors import RustTargets, check_processors
from cargoship.recording import Recording, recording_of
from cargoship.registry.connect import warm
from cargoship.resources import open_resources
from cargoship.run_toolchain import find_toolchain
from cargoship.shipping import AssembledBuild, BuildResult, assembled


def build(selection: Selection, context: Context) -> BuildResult:
    """Compile, assemble, publish. Raises every error of this package; nothing is published unless all is well."""
    return build_each((selection,), context)[0]


def build_each(selections: Sequence[Selection], context: Context) -> tuple[BuildResult, ...]:
    """The same for several workspaces: nothing of any is published before the images of all exist."""
    began = time.monotonic()
    with ExitStack() as held:
        # what is recorded of a build is written when all that it was made with has been closed
        recordings = [held.enter_context(recording_of(context)) for _ in selections]
        made = [
            _assembled(each, recording, held, Clock(recording.context.emit, began))
            for each, recording in zip(selections, recordings, strict=True)
        ]
        for each, recording in zip(made, recordings, strict=True):
            recording.result = each.published()
        return tuple(recording.result for recording in recordings if recording.result is not None)


def _assembled(selection: Selection, recording: Recording, held: ExitStack, clock: Clock) -> AssembledBuild:
    """What a selection makes; what it is made with stays open as long as `held`."""
    recording.plan = _decide(plan, selection, recording.context, clock)
    return _assembled_by(recording.plan, recording, held, clock)


def build_planned(made: Plan, context: Context) -> BuildResult:
    """What `build` does once it has a plan, without a record; raises as it does."""
    with ExitStack() as held:
        return _assembled_by(made, Recording(context), held, Clock(context.emit)).published()


def _assembled_by(made: Plan, recording: Recording, held: ExitStack, clock: Clock) -> AssembledBuild:
    context = recording.context
    resources = held.enter_context(open_resources(made, context, compiles=True))
    compilation, wanted = resources.compilation, resources.toolchain.wanted
    sources = resources.sources()
    with clock.phase("toolchain"), resources.places.checking():
        resources.check_before([own for own in sources if not own.unfinished])
        env = compilation.environment()
        # a build that was made before with everything as it is now needs no compiler
        recalled = compilation.recalled(env)
        artifacts = recalled.artifacts
        recording.recalled = not recalled.missing
        if recalled.missing:
            from cargoship.prerequisites.build_needs import say_what_is_missing

            say_what_is_missing(made, wanted, context, env)
        toolchain = compilation.find_toolchain(recalled) if recalled.missing else None
        # the flags of what is recalled are the same, but not what is said of the machines that the image is for
        found = toolchain or resources.toolchain.foreseen
        if found is not None:
            check_rust_versions(made, found.rust)
            check_processors(made, RustTargets.of(found), context, env)
        sources, kept = with_probes(sources, wanted, context, find=find_toolchain, bring=compilation.bring)
        recalled = recalled.with_missing(lambda cached: cached.bringing(kept))
    if made.libc.family is LibcFamily.MUSL or not context.verify:
        # for a static program the compile alone can fail now: its base travels meanwhile
        resources.offer_bases(sources)
    if toolchain is not None:
        if resources.statements.names_compilers:
            resources.toolchain.ask_materials()
        with clock.measured("compile"):
            artifacts = compilation.compiled(toolchain, env, recalled)
    artifacts = compilation.audited(split_programs(artifacts, made, context.emit))
    built = {(each.platform, each.package, each.bin): each.path for each in artifacts}
    crates = {(each.platform, each.package, each.bin): each.crates for each in artifacts if each.crates is not None}
    programs = [
        {at: {each.name: _built(built, at, each) for each in image.bins} for at in made.platforms}
        for image in made.images
    ]
    return assembled(resources, sources, programs, crates, clock, symbols_of(artifacts))


def pack(selection: Selection, binaries: Mapping[Platform, tuple[Path, ...]], context: Context) -> BuildResult:
    """The same images from programs that exist, by platform; raises as `build` does, but compiles nothing."""
    clock = Clock(context.emit)
    overrides = {**selection.overrides, "platforms": tuple(str(platform) for platform in binaries)}
    made = _decide(plan_as_asked, replace(selection, overrides=overrides), context, clock)
    with open_resources(made, context, compiles=False) as resources:
        with resources.places.checking():
            sources = resources.sources()
            programs = given_programs(made, binaries, context.emit)
            resources.check_before([own for own in sources if not own.unfinished])
            sources, _ = with_probes(sources, resources.toolchain.wanted, context, find=find_toolchain)
        return assembled(resources, sources, programs, {}, clock).published()


def _decide(decide: Callable[[Selection, Context], Plan], selection: Selection, context: Context, clock: Clock) -> Plan:
    if selection.push or selection.push_by_digest:
        threading.Thread(target=warm, daemon=True).start()
    with clock.phase("metadata"):
        made = decide(selection, context)
    for note in made.notes:
        context.emit(note)
    return made


def _built(built: Mapping[tuple[Platform, str, str], Path], platform: Platform, binary: Binary) -> Path:
    path = built.get((platform, binary.package, binary.name))
    if path is None:
        raise BinaryUnknown(f"cargo built no program {binary.name} for {platform}", hint="see what -v says it built")
    return path
