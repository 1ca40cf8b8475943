"""The whole way, on one page: from a Cargo project to a published image.

    settings, project --> plan --> toolchain --> artifacts --> verified --> layers --> image --> index --> published

Everything that can be refused is refused before the first compile. Each step is a module; this is where they meet.
"""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from cargoship.cargo.git import read_git_facts, read_since
from cargoship.cargo.project import Binary, Package, Project, load_project
from cargoship.clock import Clock
from cargoship.context import Context
from cargoship.debug_symbols import split_programs, symbols_of
from cargoship.errors import BinaryUnknown, CargoshipError, DaemonError, ManifestNotFound, ToolchainError
from cargoship.events import Level, Note, ignore
from cargoship.given_programs import given_programs
from cargoship.health_probe.make import with_probes
from cargoship.objections import check_rust_versions, check_units, examined_rust, newest_rust
from cargoship.oci.platform import Platform
from cargoship.plan import (
    Group,
    Plan,
    Selection,
    choose_epoch,
    choose_packages,
    make_plan,
    without_skipped,
)
from cargoship.plan.native import check_native
from cargoship.plan.profiles import check_profile
from cargoship.platforms import DEFAULT_PLATFORMS, LibcFamily
from cargoship.processors import RustTargets, check_processors
from cargoship.recording import Recording, recording_of
from cargoship.registry.connect import warm
from cargoship.resources import as_cargo_has_it, find_toolchain, foresee_sources, open_resources, wanted_by
from cargoship.settings.compound import PLATFORMS_OF_BASE
from cargoship.settings.model import Settings
from cargoship.settings.sources import load_flags, load_origins, load_settings
from cargoship.shipping import AssembledBuild, BuildResult, BuiltImage, assembled
from cargoship.toolchain.locate import Wanted

if TYPE_CHECKING:
    from cargoship.images.bills import find_bill
    from cargoship.images.copying import copy, inspect
    from cargoship.images.inspection import Inspection
    from cargoship.images.merging import merge
    from cargoship.images.signatures import SignatureReport, verify_signatures
    from cargoship.images.verification import Examination, inspect_programs, verify
    from cargoship.pins import PinnedBase, pin_base
    from cargoship.toolchain.diagnose import Diagnosis, Prerequisite

__all__ = [
    "BuildResult",
    "BuiltImage",
    "Context",
    "Diagnosis",
    "Examination",
    "Inspection",
    "PinnedBase",
    "SignatureReport",
    "build",
    "build_each",
    "build_planned",
    "by_workspace",
    "copy",
    "doctor",
    "find_bill",
    "foresee",
    "inspect",
    "inspect_programs",
    "merge",
    "pack",
    "pin_base",
    "plan",
    "verify",
    "verify_signatures",
]

_HOME = {
    "Diagnosis": "cargoship.toolchain.diagnose",
    "Examination": "cargoship.images.verification",
    "Inspection": "cargoship.images.inspection",
    "PinnedBase": "cargoship.pins",
    "SignatureReport": "cargoship.images.signatures",
    "copy": "cargoship.images.copying",
    "find_bill": "cargoship.images.bills",
    "inspect": "cargoship.images.copying",
    "inspect_programs": "cargoship.images.verification",
    "merge": "cargoship.images.merging",
    "pin_base": "cargoship.pins",
    "verify": "cargoship.images.verification",
    "verify_signatures": "cargoship.images.signatures",
}
"""Where the ways are that have nothing to do with a build: each is loaded when somebody goes it."""


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)


def plan(selection: Selection, context: Context) -> Plan:
    """Decide what would be done; raises ProjectError's family, SettingsInvalid, PlatformUnknown, UsageError."""
    made = _loaded_alone(_planned(selection, context), selection, context)
    check_native(made, context.env)
    check_profile(made, context.env)
    return made


def foresee(made: Plan, context: Context) -> None:
    """Refuse what building a plan would, before anything is made, and say what was not asked.

    Raises what finding files, bases and destinations raises: IncludeInvalid, PlatformUnknown, ContentInvalid,
    RegistryError's family, OutputError, DaemonError, CannotStart for what no program could start on, ToolMissing or
    StandardLibraryMissing where nothing here compiles for its platforms, UsageError for flags of other processors, and
    CompileFailed and ProjectError's family for what cargo objects to.
    """
    from cargoship.newer_rust import check_targets

    context = as_cargo_has_it(context, made.cargo.cwd)
    foresee_sources(made, context)
    wanted = wanted_by(made, context)
    found = check_targets(wanted, context)
    rust = newest_rust(wanted, context) if found is None else found.rust
    check_rust_versions(made, rust)
    if found is not None:
        check_processors(made, RustTargets.of(found), context, context.env)
    check_units(made, wanted, rust, context)
    if made.push:
        hosts = dict.fromkeys(reference.registry for image in made.images for reference in image.references)
        context.emit(Note(f"not asked: whether {', '.join(hosts)} takes a push; a build asks before it compiles"))
    if any(image.settings.debian is not None for image in made.images):
        text = "not asked: whether Debian has the packages, and whether they have the users; a build asks"
        context.emit(Note(f"{text} before it compiles"))


def _planned(selection: Selection, context: Context) -> Plan:
    with ThreadPoolExecutor(1) as beside:
        folder = selection.path if selection.path.is_dir() else selection.path.parent
        git_notes: list[Note] = []
        git = beside.submit(read_git_facts, context.runner, folder, env=context.env, tell=git_notes.append)
        cargo = Path(context.env.get("CARGO") or "cargo")
        project = load_project(context.runner, cargo, selection.path, env=context.env, offline=selection.is_offline)
        chosen = choose_packages(project, selection)
        settings, notes = load_settings(project, chosen, env=context.env, overrides=selection.overrides)
        packages = without_skipped(chosen, settings, selection)
        facts = git.result()
    epoch = choose_epoch(context.env, facts, settings[packages[0].name])
    try:
        if any(each.platforms == PLATFORMS_OF_BASE for each in settings.values()):
            from cargoship.images.base_platforms import with_platforms_of_bases

            roots = {each.name: each.root for each in project.packages}
            settings = with_platforms_of_bases(settings, roots, context, offline=selection.is_offline)
        keep = _changed(project, settings, packages[0], selection, context)
        return make_plan(
            project,
            packages,
            settings,
            selection,
            git=facts,
            epoch=epoch,
            notes=(*notes, *git_notes),
            keep=keep,
            origins=load_origins(project, packages, env=context.env, overrides=selection.overrides),
        )
    except CargoshipError:
        # such as a tag of a commit that git does not tell
        for note in git_notes:
            context.emit(note)
        raise


def _loaded_alone(made: Plan, selection: Selection, context: Context) -> Plan:
    """The plan for what an engine loads, where images go nowhere else: it takes one platform, and no other is compiled.

    An engine that does not answer, or runs another platform, is reported by its own check.
    """
    if not made.load or made.push or made.outputs or made.clusters or len(made.platforms) == 1:
        return made
    from cargoship.destinations.daemon import DaemonDestination

    asked = DaemonDestination((), context.runner, context.env, ignore, context.cache_dir)
    try:
        _, platform = asked.find()
    except DaemonError:
        return made
    if platform not in made.platforms:
        return made
    context.emit(Note(f"compiling for {platform} alone: the engine loads no other platform"))
    return _planned(replace(selection, overrides={**selection.overrides, "platforms": (str(platform),)}), context)


def _changed(
    project: Project, settings: Mapping[str, Settings], first: Package, selection: Selection, context: Context
) -> Callable[[Group], bool] | None:
    """Says which images may have changed, where that is asked."""
    if selection.changed_since is None:
        return None
    from cargoship.touched import Touched
    from cargoship.unitcache.keys.file_digests import FileDigests
    from cargoship.unitcache.stores.opening import open_stores

    since = read_since(context.runner, project.root, selection.changed_since, env=context.env)
    with open_stores(settings[first.name].caches, context) as store:
        index = store.load()
    build_dir = project.build_dir or project.target_dir
    contents = FileDigests(project.root, build_dir, context.env, project.target_dir)
    return Touched(since, project, settings, index, contents).image


def by_workspace(selection: Selection, context: Context) -> tuple[Selection, ...]:
    """A selection of folders from several workspaces as one of each, in their order; raises as `load_project` does."""
    cargo = Path(context.env.get("CARGO") or "cargo")
    found: dict[Path, list[Path]] = {}
    for path in (selection.path, *selection.also):
        project = load_project(context.runner, cargo, path, env=context.env, offline=selection.is_offline)
        found.setdefault(project.root, []).append(path)
    return tuple(replace(selection, path=first, also=tuple(also)) for first, *also in found.values())


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
    shop = held.enter_context(open_resources(made, wanted_by(made, context), context, compiles=True))
    sources = shop.sources()
    with clock.phase("toolchain"), shop.places.checking():
        shop.check_before([own for own in sources if not own.unfinished])
        env = shop.environment()
        # a build that was made before with everything as it is now needs no compiler
        recalled = shop.recalled(env)
        artifacts = recalled.artifacts
        recording.recalled = not recalled.missing
        if recalled.missing:
            from cargoship.build_needs import say_what_is_missing

            say_what_is_missing(shop.plan, shop.wanted, context, env)
        toolchain = shop.toolchain(recalled) if recalled.missing else None
        # the flags of what is recalled are the same, but not what is said of the machines that the image is for
        found = toolchain or shop.foreseen()
        if found is not None:
            check_rust_versions(shop.plan, found.rust)
            check_processors(shop.plan, RustTargets.of(found), context, env)
        sources, kept = with_probes(sources, shop.wanted, context, find=find_toolchain, bring=shop.bring)
        recalled = recalled.with_missing(lambda cached: cached.bringing(kept))
    if made.libc.family is LibcFamily.MUSL or not context.verify:
        # for a static program the compile alone can fail now: its base travels meanwhile
        shop.offer_bases(sources)
    if toolchain is not None:
        with clock.measured("compile"):
            artifacts = shop.compiled(toolchain, env, recalled)
    artifacts = shop.audited(split_programs(artifacts, made, context.emit))
    built = {(each.platform, each.package, each.bin): each.path for each in artifacts}
    crates = {(each.platform, each.package, each.bin): each.crates for each in artifacts if each.crates is not None}
    programs = [
        {at: {each.name: _built(built, at, each) for each in image.bins} for at in made.platforms}
        for image in made.images
    ]
    return assembled(shop, sources, programs, crates, clock, symbols_of(artifacts))


def pack(selection: Selection, binaries: Mapping[Platform, tuple[Path, ...]], context: Context) -> BuildResult:
    """The same images from programs that exist, by platform; raises as `build` does, but compiles nothing."""
    clock = Clock(context.emit)
    overrides = {**selection.overrides, "platforms": tuple(str(platform) for platform in binaries)}
    made = _decide(_planned, replace(selection, overrides=overrides), context, clock)
    with open_resources(made, wanted_by(made, context), context, compiles=False) as shop:
        with shop.places.checking():
            sources = shop.sources()
            programs = given_programs(made, binaries, context.emit)
            shop.check_before([own for own in sources if not own.unfinished])
            sources, _ = with_probes(sources, shop.wanted, context, find=find_toolchain)
        return assembled(shop, sources, programs, {}, clock).published()


def doctor(selection: Selection, context: Context, *, fix: bool) -> Diagnosis:
    """Look for everything that a build needs; with `fix`, run what mends it and look again."""
    from cargoship.link_check import check_linking
    from cargoship.toolchain.diagnose import mending

    found, _, _ = _looked(selection, context)
    if not fix:
        return found
    for command in mending(found):
        context.emit(Note(f"running {' '.join(command.argv)}"))
        done = context.runner.run(command)
        if done.code != 0:
            context.emit(Note(f"that failed: {done.error_text.strip()}", Level.WARNING))
    found, wanted, around = _looked(selection, context)
    if not found.ok:
        return found
    # adds, builds and links what the first build would
    check_linking(find_toolchain(wanted, around), around)
    return _looked(selection, context)[0]


def _looked(selection: Selection, context: Context) -> tuple[Diagnosis, Wanted, Context]:
    """What is there, what a build would want, and the context in which cargo would run."""
    from cargoship.absent_rust import naming_absent
    from cargoship.build_needs import examined_needs
    from cargoship.newer_rust import offering_newer
    from cargoship.toolchain.diagnose import Diagnosis, diagnose

    made, wanted, trouble = _wanted_of(selection, context)
    around = as_cargo_has_it(context, wanted.cwd)
    found = offering_newer(diagnose(wanted, runner=around.runner, env=around.env), around)
    found = naming_absent(found, trouble, wanted, around)
    needs = () if made is None else _old_rust(made, wanted, around) or examined_needs(made, wanted, around)
    return Diagnosis((*found.findings, *needs)), wanted, around


def _old_rust(made: Plan, wanted: Wanted, context: Context) -> tuple[Prerequisite, ...]:
    from cargoship.newer_rust import check_targets

    try:
        found = check_targets(wanted, context)
        return examined_rust(made, newest_rust(wanted, context) if found is None else found.rust)
    except ToolchainError:
        return ()  # what lacks has a finding of its own


def _decide(decide: Callable[[Selection, Context], Plan], selection: Selection, context: Context, clock: Clock) -> Plan:
    if selection.push or selection.push_by_digest:
        threading.Thread(target=warm, daemon=True).start()
    with clock.phase("metadata"):
        made = decide(selection, context)
    for note in made.notes:
        context.emit(note)
    return made


def _wanted_of(selection: Selection, context: Context) -> tuple[Plan | None, Wanted, ToolchainError | None]:
    """What a build would want; outside a project, or without a cargo to read it, what the options or defaults say.

    The last is what kept cargo from reading the project.
    """
    trouble = None
    try:
        made = _planned(selection, context)
        return made, wanted_by(made, context), None
    except ManifestNotFound:
        folder = context.cwd
    except ToolchainError as error:
        # cargo is that of the project's folder
        folder, trouble = selection.path if selection.path.is_dir() else selection.path.parent, error
    settings = load_flags(selection.overrides)
    wanted = Wanted(settings.platforms or DEFAULT_PLATFORMS, settings.libc, folder, context.cache_dir)
    return None, wanted, trouble


def _built(built: Mapping[tuple[Platform, str, str], Path], platform: Platform, binary: Binary) -> Path:
    path = built.get((platform, binary.package, binary.name))
    if path is None:
        raise BinaryUnknown(f"cargo built no program {binary.name} for {platform}", hint="see what -v says it built")
    return path
