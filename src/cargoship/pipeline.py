"""The whole way, on one page: from a Cargo project to a published image.

    settings, project --> plan --> toolchain --> artifacts --> verified --> layers --> image --> index --> published

Everything that can be refused is refused before the first compile. Each step is a module; this is where they meet.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from cargoship import assemble
from cargoship.cargo.git import read_git_facts
from cargoship.cargo.project import Binary, load_project
from cargoship.clock import Clock
from cargoship.context import Context
from cargoship.destinations import Places, Published, outputs_of
from cargoship.errors import BinaryUnknown, ManifestNotFound, ToolchainError, UsageError
from cargoship.events import LayerAssembled, Level, Note
from cargoship.examination import Examination, inspect_programs, verify
from cargoship.inspection import Inspection
from cargoship.merging import merge
from cargoship.oci.image import Image
from cargoship.oci.index import Index, index_of
from cargoship.oci.platform import Platform
from cargoship.pins import PinnedBase, pin_base
from cargoship.plan import ImagePlan, Output, Plan, Selection, choose_epoch, choose_packages, make_plan
from cargoship.platforms import LibcFamily
from cargoship.registry.connect import warm
from cargoship.settings.sources import load_flags, load_settings
from cargoship.sources import Sources
from cargoship.toolchain.diagnose import Diagnosis, diagnose
from cargoship.toolchain.locate import Wanted
from cargoship.transfers import copy, inspect
from cargoship.trial import link_trial
from cargoship.verification import Programs
from cargoship.workshop import Workshop, find_toolchain, open_workshop

__all__ = [
    "BuildResult",
    "BuiltImage",
    "Context",
    "Diagnosis",
    "Examination",
    "Inspection",
    "PinnedBase",
    "build",
    "copy",
    "doctor",
    "inspect",
    "inspect_programs",
    "merge",
    "pack",
    "pin_base",
    "plan",
    "verify",
]


@dataclass(frozen=True)
class BuiltImage:
    """An image that exists, and where."""

    name: str
    reference: str
    """repository@digest; the image's own name instead of a repository where it has none."""
    index: Index
    published: tuple[Published, ...]
    outputs: tuple[Output, ...]


@dataclass(frozen=True)
class BuildResult:
    """What a run made: its plan, its images, and what took how long (seconds by phase, and `total`)."""

    plan: Plan
    images: tuple[BuiltImage, ...]
    seconds: Mapping[str, float]


def plan(selection: Selection, context: Context) -> Plan:
    """Decide what would be done; raises ProjectError's family, SettingsInvalid, PlatformUnknown, UsageError."""
    with ThreadPoolExecutor(1) as beside:
        folder = selection.path if selection.path.is_dir() else selection.path.parent
        git = beside.submit(read_git_facts, context.runner, folder, env=context.env)
        cargo = Path(context.env.get("CARGO") or "cargo")
        offline = selection.offline or selection.frozen
        project = load_project(context.runner, cargo, selection.path, env=context.env, offline=offline)
        packages = choose_packages(project, selection)
        settings, notes = load_settings(project, packages, env=context.env, overrides=selection.overrides)
        facts = git.result()
    epoch = choose_epoch(context.env, facts)
    return make_plan(project, packages, settings, selection, git=facts, epoch=epoch, notes=notes)


def build(selection: Selection, context: Context) -> BuildResult:
    """Compile, assemble, publish. Raises every error of this package; nothing is published unless all is well."""
    clock = Clock(context.emit)
    made = _decide(selection, context, clock)
    with _workshop(made, selection, context, compiles=True) as shop:
        sources = shop.sources()
        with clock.phase("toolchain"), shop.places.checking():
            shop.check_before([own for own in sources if not own.unfinished])
            env = shop.environment()
            # a build that was made before with everything as it is now needs no compiler
            artifacts = shop.recalled(env)
            toolchain = None if artifacts else shop.toolchain()
        if made.libc.family is LibcFamily.MUSL or not context.verify:
            # for a static program the compile alone can fail now: its base travels meanwhile
            shop.offer_bases(sources)
        if toolchain is not None:
            with clock.measured("compile"):
                artifacts = shop.compiled(toolchain, env)
        built = {(each.platform, each.package, each.bin): each.path for each in artifacts}
        programs = [
            {at: {each.name: _built(built, at, each) for each in image.bins} for at in made.platforms}
            for image in made.images
        ]
        return _ship(shop, sources, programs, clock)


def pack(selection: Selection, binaries: Mapping[Platform, tuple[Path, ...]], context: Context) -> BuildResult:
    """The same images from programs that exist, by platform; raises as `build` does, but compiles nothing."""
    clock = Clock(context.emit)
    overrides = {**selection.overrides, "platforms": tuple(str(platform) for platform in binaries)}
    made = _decide(replace(selection, overrides=overrides), context, clock)
    with _workshop(made, selection, context, compiles=False) as shop:
        with shop.places.checking():
            sources = shop.sources()
            alone = len(made.images) == 1
            programs = [
                {at: _given(image, at, binaries[at], alone=alone) for at in made.platforms} for image in made.images
            ]
            shop.check_before([own for own in sources if not own.unfinished])
        return _ship(shop, sources, programs, clock)


def doctor(selection: Selection, context: Context, *, fix: bool) -> Diagnosis:
    """Look for everything that a build needs; with `fix`, run what mends it and look again."""
    wanted = _wanted_by(selection, context)
    look = partial(diagnose, wanted, runner=context.runner, env=context.env)
    found = look()
    if not fix:
        return found
    for finding in found.findings:
        if not finding.ok and finding.mend is not None:
            context.emit(Note(f"running {' '.join(finding.mend.argv)}"))
            done = context.runner.run(finding.mend)
            if done.code != 0:
                context.emit(Note(f"that failed: {done.error_text.strip()}", Level.WARNING))
    if look().ok:
        # adds, builds and links what the first build would
        link_trial(find_toolchain(wanted, context), context)
    return look()


def _decide(selection: Selection, context: Context, clock: Clock) -> Plan:
    if selection.push or selection.push_by_digest:
        threading.Thread(target=warm, daemon=True).start()
    with clock.phase("metadata"):
        made = plan(selection, context)
    for note in made.notes:
        context.emit(note)
    return made


def _workshop(
    made: Plan, selection: Selection, context: Context, *, compiles: bool
) -> contextlib.AbstractContextManager[Workshop]:
    insist = bool(selection.locked) or selection.frozen
    return open_workshop(made, _wanted(made, selection, context), context, compiles=compiles, insist=insist)


def _wanted(made: Plan, selection: Selection, context: Context) -> Wanted:
    offline = selection.offline or selection.frozen
    return Wanted(made.platforms, made.libc, made.cargo.cwd, context.cache_dir, offline=offline)


def _wanted_by(selection: Selection, context: Context) -> Wanted:
    """What a build would want; outside a project, or without a cargo to read it, what the options or defaults say."""
    try:
        return _wanted(plan(selection, context), selection, context)
    except (ManifestNotFound, ToolchainError):
        settings = load_flags(selection.overrides)
        return Wanted(settings.platforms, settings.libc, context.cwd, context.cache_dir)


def _built(built: Mapping[tuple[Platform, str, str], Path], platform: Platform, binary: Binary) -> Path:
    path = built.get((platform, binary.package, binary.name))
    if path is None:
        raise BinaryUnknown(f"cargo built no program {binary.name} for {platform}", hint="see what -v says it built")
    return path


def _given(image: ImagePlan, platform: Platform, paths: Sequence[Path], *, alone: bool) -> dict[str, Path]:
    """The files for an image's binaries, by their names; the only file is the only binary's, whatever its name."""
    names = [each.name for each in image.bins]
    if alone and len(names) == len(paths) == 1:
        return {names[0]: paths[0]}
    by_name = {path.name: path for path in paths}
    missing = [name for name in names if name not in by_name]
    if missing:
        raise UsageError(
            f"there is no --binary for {', '.join(missing)} on {platform}",
            hint=f"give files of these names: {', '.join(names)}",
        )
    return {name: by_name[name] for name in names}


def _ship(shop: Workshop, sources: Sequence[Sources], programs: Sequence[Programs], clock: Clock) -> BuildResult:
    """Verify, assemble and publish every image.

    Nothing of an image is sent before all are verified, and nothing gets a name before all of them exist.
    """
    made, places = shop.plan, shop.places
    whole = [each.finished(own) for each, own in zip(sources, programs, strict=True)]
    with clock.measured("verify"):
        shop.check_before([own for own, was in zip(whole, sources, strict=True) if was.unfinished])
        if shop.context.verify:
            shop.verifier.after(whole, programs)
    if any(own.image.settings.smoke for own in whole):
        with clock.phase("smoke"):
            shop.smoke.run(whole, programs)
    with clock.phase("assemble"):
        shop.offer_bases(whole)
        indexes = [_index(shop, each, own) for each, own in zip(whole, programs, strict=True)]
    with clock.phase("publish"):
        images = [_publish(image, index, made, places) for image, index in zip(made.images, indexes, strict=True)]
    sources[0].store.prune()
    return BuildResult(made, tuple(images), clock.seconds())


def _index(shop: Workshop, sources: Sources, programs: Programs) -> Index:
    made, context = shop.plan, shop.context
    annotations = {**sources.image.annotations, "dev.cargoship.compression": sources.compression.label}
    if not context.verify:
        annotations["dev.cargoship.verified"] = "false"

    def image_for(platform: Platform) -> Image:
        base = sources.bases[platform]
        below = shop.verifier.folders(sources, base)
        layers = []
        for layer in assemble.layers_of(sources, base, programs[platform], epoch=made.epoch, below=below):
            layers.append(layer)
            # travels while the next one is compressed
            shop.places.offer(sources.image, [layer.blob])
            blob = layer.descriptor
            context.emit(LayerAssembled(f"{platform} {layer.created_by}", str(blob.digest), blob.size_bytes))
        return assemble.image_of(sources.image, platform, base, layers, created=made.created, annotations=annotations)

    with ThreadPoolExecutor(min(4, len(made.platforms))) as workers:
        return index_of(list(workers.map(image_for, made.platforms)), annotations=annotations)


def _publish(image: ImagePlan, index: Index, made: Plan, places: Places) -> BuiltImage:
    published = places.publish(image, index)
    name = image.references[0].name if image.references else image.name
    return BuiltImage(image.name, f"{name}@{index.digest}", index, published, outputs_of(image, made))
