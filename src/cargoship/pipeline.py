"""The whole way, on one page: from a Cargo project to a published image.

    settings, project --> plan --> toolchain --> artifacts --> verified --> layers --> image --> index --> published

Everything that can be refused is refused before the first compile. Each step is a module; this is where they meet.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from cargoship import assemble, compile  # noqa: A004 - the step's own name
from cargoship.bases.debian import DebianBases
from cargoship.bases.remote import RemoteBases
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
from cargoship.oci.layer import Layer
from cargoship.oci.platform import Platform
from cargoship.pins import PinnedBase, pin_base
from cargoship.plan import ImagePlan, Output, Plan, Selection, choose_epoch, choose_packages, make_plan
from cargoship.platforms import LibcFamily, row
from cargoship.registry.connect import warm
from cargoship.rootfs.book import LayerBook
from cargoship.settings.sources import load_flags, load_settings
from cargoship.smoke import Smoke
from cargoship.sources import Sources, gather
from cargoship.toolchain.allocator import SYSTEM, choice_environment, mimalloc_environment
from cargoship.toolchain.diagnose import Diagnosis, diagnose
from cargoship.toolchain.libraries import library_environment
from cargoship.toolchain.locate import Toolchain, Wanted, locate
from cargoship.transfers import copy, inspect
from cargoship.unitcache.opening import open_stores
from cargoship.unitcache.session import Units, Workspace, settled
from cargoship.verification import Programs, Verifier

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
    with (
        _units(made, context) as units,
        tempfile.TemporaryDirectory(prefix="cargoship-") as recalled,
        _remote_bases(made, context) as remote,
        _debian_bases(made, selection, context) as debian,
        _places(made, context) as places,
    ):
        sources = _sources(made, remote, debian)
        verifier = _verifier(made, context)
        with clock.phase("toolchain"), places.checking():
            if context.verify:
                verifier.before([own for own in sources if not own.unfinished])
            sysroots = {row(platform).gnu: sysroot for platform, sysroot in debian.sysroots().items()}
            env = library_environment(sysroots, context.env, cache_dir=context.cache_dir)
            env = {**env, **choice_environment(made.allocator)}
            wanted = _wanted(made, selection, context)
            artifacts = _recalled(made, wanted, units, Path(recalled), env, context)
            if units is not None and not artifacts:
                units.bring_libraries()
            toolchain = None if artifacts else _toolchain(wanted, context)
            if toolchain is not None and made.allocator != SYSTEM:
                env = {**env, **_allocator(toolchain, wanted, context)}
        if made.libc.family is LibcFamily.MUSL or not context.verify:
            # for a static program the compile alone can fail now: its base travels meanwhile
            _offer_bases(sources, places)
        if toolchain is not None:
            with clock.measured("compile"):
                artifacts = compile.run(
                    made.cargo, toolchain,
                    runner=context.runner, env=env, cache_dir=context.cache_dir, emit=context.emit, units=units,
                )  # fmt: skip
        built = {(each.platform, each.package, each.bin): each.path for each in artifacts}
        programs = [
            {at: {each.name: _built(built, at, each) for each in image.bins} for at in made.platforms}
            for image in made.images
        ]
        return _ship(made, sources, programs, places, verifier, context, clock)


def pack(selection: Selection, binaries: Mapping[Platform, tuple[Path, ...]], context: Context) -> BuildResult:
    """The same images from programs that exist, by platform; raises as `build` does, but compiles nothing."""
    clock = Clock(context.emit)
    overrides = {**selection.overrides, "platforms": tuple(str(platform) for platform in binaries)}
    made = _decide(replace(selection, overrides=overrides), context, clock)
    with (
        _remote_bases(made, context) as remote,
        _debian_bases(made, selection, context) as debian,
        _places(made, context) as places,
    ):
        verifier = _verifier(made, context)
        with places.checking():
            sources = _sources(made, remote, debian)
            alone = len(made.images) == 1
            programs = [
                {at: _given(image, at, binaries[at], alone=alone) for at in made.platforms} for image in made.images
            ]
            if context.verify:
                verifier.before([own for own in sources if not own.unfinished])
        return _ship(made, sources, programs, places, verifier, context, clock)


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
        _toolchain(wanted, context)  # adds or builds what the first build would
    return look()


def _decide(selection: Selection, context: Context, clock: Clock) -> Plan:
    if selection.push or selection.push_by_digest:
        threading.Thread(target=warm, daemon=True).start()
    with clock.phase("metadata"):
        made = plan(selection, context)
    for note in made.notes:
        context.emit(note)
    return made


def _remote_bases(made: Plan, context: Context) -> RemoteBases:
    offline = made.cargo.offline or made.cargo.frozen
    cache = context.cache_dir / "bases"
    return RemoteBases(open_client=context.connect, cache=cache, offline=offline, emit=context.emit)


def _debian_bases(made: Plan, selection: Selection, context: Context) -> DebianBases:
    """Bases of Debian packages; with --locked or --frozen only those that cargoship.lock has."""
    return DebianBases(
        places=context.debian_places(made.images[0].settings.debian_mirror),
        open_transport=context.open_transport,
        cache=context.cache_dir / "debian",
        offline=made.cargo.offline or made.cargo.frozen,
        insist=bool(selection.locked) or selection.frozen,
        emit=context.emit,
    )


def _sources(made: Plan, remote: RemoteBases, debian: DebianBases) -> list[Sources]:
    found = [gather(each, made, remote=remote.find, debian=debian) for each in made.images]
    debian.ready()
    return found


def _places(made: Plan, context: Context) -> Places:
    return Places(made, runner=context.runner, env=context.env, emit=context.emit, known=context.known)


def _offer_bases(sources: Sequence[Sources], places: Places) -> None:
    """Bases are known before anything is compiled: registries get them meanwhile."""
    for own in sources:
        places.offer(own.image, (layer.blob for base in own.bases.values() for layer in base.layers))
        for base in own.bases.values():
            if base.unfinished is not None:
                base.unfinished.when_made(partial(_offer_layer, own, places))


def _offer_layer(own: Sources, places: Places, layer: Layer) -> None:
    places.offer(own.image, [layer.blob])


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


@contextlib.contextmanager
def _units(made: Plan, context: Context) -> Iterator[Units | None]:
    """The cache around this build; None where it is turned off."""
    if not made.cache.enabled:
        yield None
        return
    where = Workspace(made.root, made.build_dir, made.root / "Cargo.lock")
    with open_stores(made.cache, context) as store:
        units = Units(store, where, context.runner, store.scratch, context.emit)
        units.load()
        with settled(units):
            yield units


def _recalled(
    made: Plan, wanted: Wanted, units: Units | None, into: Path, env: Mapping[str, str], context: Context
) -> tuple[compile.Artifact, ...]:
    """What this very build made before."""
    if units is None:
        return ()
    programs = sorted({(each.package, each.name) for image in made.images for each in image.bins})
    return compile.recall(
        made.cargo, wanted, units, into,
        project=made.project, programs=programs, runner=context.runner, env=env, emit=context.emit,
    )  # fmt: skip


def _toolchain(wanted: Wanted, context: Context) -> Toolchain:
    stream = compile.stream_plainly(context.runner, context.emit)
    return locate(wanted, runner=context.runner, stream=stream, env=context.env, emit=context.emit)


def _allocator(toolchain: Toolchain, wanted: Wanted, context: Context) -> dict[str, str]:
    return mimalloc_environment(
        wanted.pairs, rust=toolchain.rust, zig=toolchain.zig, runner=context.runner, env=context.env, cwd=wanted.cwd,
        cache_dir=wanted.cache_dir, offline=wanted.offline, emit=context.emit,
    )  # fmt: skip


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


def _ship(
    made: Plan,
    sources: Sequence[Sources],
    programs: Sequence[Programs],
    places: Places,
    verifier: Verifier,
    context: Context,
    clock: Clock,
) -> BuildResult:
    """Verify, assemble and publish every image.

    Nothing of an image is sent before all are verified, and nothing gets a name before all of them exist.
    """
    whole = [each.finished(own) for each, own in zip(sources, programs, strict=True)]
    with clock.measured("verify"):
        if context.verify:
            verifier.before([own for own, was in zip(whole, sources, strict=True) if was.unfinished])
            verifier.after(whole, programs)
    if any(own.image.settings.smoke for own in whole):
        with clock.phase("smoke"):
            _smoke(made, context).run(whole, programs)
    with clock.phase("assemble"):
        _offer_bases(whole, places)
        indexes = [
            _index(each, made, own, places, verifier, context) for each, own in zip(whole, programs, strict=True)
        ]
    with clock.phase("publish"):
        images = [_publish(image, index, made, places) for image, index in zip(made.images, indexes, strict=True)]
    sources[0].store.prune()
    return BuildResult(made, tuple(images), clock.seconds())


def _verifier(made: Plan, context: Context) -> Verifier:
    return Verifier(made, LayerBook(context.cache_dir / "layers"), context.emit)


def _smoke(made: Plan, context: Context) -> Smoke:
    return Smoke(made, LayerBook(context.cache_dir / "layers"), context.runner, context.env, context.emit)


def _index(
    sources: Sources, made: Plan, programs: Programs, places: Places, verifier: Verifier, context: Context
) -> Index:
    annotations = {**sources.image.annotations, "dev.cargoship.compression": sources.compression.label}
    if not context.verify:
        annotations["dev.cargoship.verified"] = "false"

    def image_for(platform: Platform) -> Image:
        base = sources.bases[platform]
        below = verifier.folders(sources, base)
        layers = []
        for layer in assemble.layers_of(sources, base, programs[platform], epoch=made.epoch, below=below):
            layers.append(layer)
            # travels while the next one is compressed
            places.offer(sources.image, [layer.blob])
            blob = layer.descriptor
            context.emit(LayerAssembled(f"{platform} {layer.created_by}", str(blob.digest), blob.size_bytes))
        return assemble.image_of(sources.image, platform, base, layers, created=made.created, annotations=annotations)

    with ThreadPoolExecutor(min(4, len(made.platforms))) as workers:
        return index_of(list(workers.map(image_for, made.platforms)), annotations=annotations)


def _publish(image: ImagePlan, index: Index, made: Plan, places: Places) -> BuiltImage:
    published = places.publish(image, index)
    name = image.references[0].name if image.references else image.name
    return BuiltImage(image.name, f"{name}@{index.digest}", index, published, outputs_of(image, made))
