"""The whole way, on one page: from a Cargo project to a published image.

    settings, project --> plan --> toolchain --> artifacts --> verified --> layers --> image --> index --> published

Everything that can be refused is refused before the first compile. Each step is a module; this is where they meet.
"""

from __future__ import annotations

import platform as machine
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import platformdirs

from cargoship import assemble, compile  # noqa: A004 - the step's own name
from cargoship.bases.base import Base, resolve_base
from cargoship.cargo.git import read_git_facts
from cargoship.cargo.project import Binary, load_project
from cargoship.destinations import (
    ArchiveDestination,
    DaemonDestination,
    Destination,
    LayoutDestination,
    Published,
    registry_destinations,
)
from cargoship.elf.facts import read_elf
from cargoship.elf.verify import verify
from cargoship.errors import BinaryUnknown, UsageError
from cargoship.events import Emit, LayerAssembled, Level, Note, PhaseEnded, PhaseStarted, ignore
from cargoship.inspection import Inspection, inspect_path, inspect_remote
from cargoship.oci.compress import Compression
from cargoship.oci.index import Index, index_of
from cargoship.oci.layer import BlobStore, Layer
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.plan import ImagePlan, Output, OutputKind, Plan, Selection, choose_epoch, choose_packages, make_plan
from cargoship.platforms import row
from cargoship.process import Runner
from cargoship.registry.client import Access
from cargoship.registry.connect import connect, warm
from cargoship.registry.pull import fetch_index
from cargoship.settings.include import IncludedFile, resolve_includes
from cargoship.settings.sources import load_settings
from cargoship.toolchain.diagnose import Diagnosis, diagnose
from cargoship.toolchain.locate import Toolchain, Wanted, locate

__all__ = [
    "BuildResult",
    "BuiltImage",
    "Context",
    "Diagnosis",
    "Inspection",
    "build",
    "doctor",
    "inspect",
    "pack",
    "plan",
]


@dataclass(frozen=True)
class Context:
    """What a run may use of the world."""

    env: Mapping[str, str] = field(repr=False)
    cwd: Path
    runner: Runner
    emit: Emit = ignore
    verify: bool = True
    """Whether programs that cannot start on their base are refused."""

    @property
    def cache_dir(self) -> Path:
        """CARGOSHIP_CACHE_DIR, else the user's cache folder."""
        named = self.env.get("CARGOSHIP_CACHE_DIR")
        return self.cwd / named if named else platformdirs.user_cache_path("cargoship")


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


@dataclass(frozen=True)
class _Sources:
    """What an image is made of besides binaries: found, and known to be there."""

    image: ImagePlan
    files: tuple[IncludedFile, ...]
    bases: Mapping[Platform, Base]


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
    clock = _Clock(context.emit)
    if selection.push:
        threading.Thread(target=warm, daemon=True).start()
    with clock.phase("metadata"):
        made = plan(selection, context)
    _tell(made, context)
    sources = [_sources(image, made) for image in made.images]
    with clock.phase("toolchain"):
        toolchain = _toolchain(made, selection, context)
    with clock.measured("compile"):
        artifacts = compile.run(
            made.cargo, toolchain,
            runner=context.runner, env=context.env, cache_dir=context.cache_dir, emit=context.emit,
        )  # fmt: skip
    built = {(each.platform, each.package, each.bin): each.path for each in artifacts}
    binaries = {
        (platform, image.name): {each.name: _program(built, platform, each) for each in image.bins}
        for platform in made.platforms
        for image in made.images
    }
    return _ship(made, sources, binaries, context, clock)


def pack(selection: Selection, binaries: Mapping[Platform, tuple[Path, ...]], context: Context) -> BuildResult:
    """The same images from programs that exist, by platform; raises as `build` does, but compiles nothing."""
    clock = _Clock(context.emit)
    if selection.push:
        threading.Thread(target=warm, daemon=True).start()
    with clock.phase("metadata"):
        overrides = {**selection.overrides, "platforms": tuple(str(platform) for platform in binaries)}
        made = plan(replace(selection, overrides=overrides), context)
    _tell(made, context)
    sources = [_sources(image, made) for image in made.images]
    given = {
        (platform, image.name): _given(image, platform, paths, len(made.images))
        for platform, paths in binaries.items()
        for image in made.images
    }
    return _ship(made, sources, given, context, clock)


def inspect(target: str, context: Context) -> Inspection:
    """Look at an image: a layout's folder, an archive's file, or a reference in a registry."""
    path = context.cwd / target.removeprefix("oci:").removeprefix("oci-archive:").removeprefix("docker-archive:")
    if path.exists():
        return inspect_path(path)
    reference = Reference.parse(target)
    with connect(
        reference.registry, env=context.env, runner=context.runner, emit=context.emit, access=Access.PULL
    ) as client:
        return inspect_remote(target, fetch_index(client, reference))


def doctor(selection: Selection, context: Context, *, fix: bool) -> Diagnosis:
    """Look for everything that a build needs; with `fix`, run what mends it and look again."""
    made = plan(selection, context)
    wanted = _wanted(made, selection, context)
    found = diagnose(wanted, runner=context.runner, env=context.env)
    if not fix:
        return found
    for finding in found.findings:
        if not finding.ok and finding.mend is not None:
            context.emit(Note(f"running {' '.join(finding.mend.argv)}"))
            done = context.runner.run(finding.mend)
            if done.code != 0:
                context.emit(Note(f"that failed: {done.error_text.strip()}", Level.WARNING))
    if all(finding.ok for finding in diagnose(wanted, runner=context.runner, env=context.env).findings):
        _toolchain(made, selection, context)
    return diagnose(wanted, runner=context.runner, env=context.env)


def _tell(made: Plan, context: Context) -> None:
    for note in made.notes:
        context.emit(note)


def _wanted(made: Plan, selection: Selection, context: Context) -> Wanted:
    return Wanted(
        made.platforms, made.libc, made.cargo.cwd, context.cache_dir, offline=selection.offline or selection.frozen
    )


def _toolchain(made: Plan, selection: Selection, context: Context) -> Toolchain:
    return locate(
        _wanted(made, selection, context),
        runner=context.runner, stream=compile.stream_plainly(context.runner, context.emit),
        env=context.env, emit=context.emit,
    )  # fmt: skip


def _assembly(made: Plan, image: ImagePlan) -> assemble.Assembly:
    store = BlobStore(made.target_dir / "cargoship" / "blobs")
    return assemble.Assembly(store, Compression.parse(image.settings.compression), made.epoch)


def _sources(image: ImagePlan, made: Plan) -> _Sources:
    """Find what goes into an image besides its binaries, so that what is not there is said before the compile."""
    files = resolve_includes(
        image.settings.include, image.package.root, made.root, target_dir=made.target_dir
    )
    how = _assembly(made, image)
    bases = {
        platform: resolve_base(
            image.settings.base, platform,
            root=image.package.root, store=how.store, compression=how.compression, epoch=how.epoch,
        )
        for platform in made.platforms
    }  # fmt: skip
    return _Sources(image, files, bases)


def _program(built: Mapping[tuple[Platform, str, str], Path], platform: Platform, binary: Binary) -> Path:
    path = built.get((platform, binary.package, binary.name))
    if path is None:
        raise BinaryUnknown(f"cargo built no program {binary.name} for {platform}", hint="see what -v says it built")
    return path


def _given(image: ImagePlan, platform: Platform, paths: Sequence[Path], images: int) -> dict[str, Path]:
    """The files for an image's binaries, by their names; a single file is the single binary's, whatever its name."""
    names = [each.name for each in image.bins]
    if len(names) == len(paths) == images == 1:
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
    sources: Sequence[_Sources],
    binaries: Mapping[tuple[Platform, str], Mapping[str, Path]],
    context: Context,
    clock: _Clock,
) -> BuildResult:
    """Verify, assemble and publish every image; nothing is published before all of them exist."""
    with clock.phase("assemble"):
        indexes = [_index(each, made, binaries, context) for each in sources]
    with clock.phase("publish"):
        images = tuple(
            _publish(each.image, index, made, context) for each, index in zip(sources, indexes, strict=True)
        )
    return BuildResult(made, images, clock.seconds())


def _index(
    sources: _Sources, made: Plan, binaries: Mapping[tuple[Platform, str], Mapping[str, Path]], context: Context
) -> Index:
    image = sources.image
    how = _assembly(made, image)
    annotations = {**image.annotations, "dev.cargoship.compression": how.compression.label}
    if not context.verify:
        annotations["dev.cargoship.verified"] = "false"

    def one(platform: Platform) -> tuple[Platform, tuple[Layer, ...]]:
        programs = binaries[platform, image.name]
        base = sources.bases[platform]
        if context.verify:
            for path in programs.values():
                verify(
                    read_elf(path), path,
                    platform=platform, has_loader=base.has_loader, base=base.spec, libc=made.libc,
                )  # fmt: skip
        return platform, assemble.layers_of(image, programs, sources.files, how)

    with ThreadPoolExecutor(min(4, len(made.platforms))) as workers:
        layers = list(workers.map(one, made.platforms))
    for platform, own in layers:
        for layer in own:
            context.emit(_assembled(f"{image.name} {platform}", layer))
    return index_of(
        [
            assemble.image_of(
                image, platform, sources.bases[platform], own, created=made.created, annotations=annotations
            )
            for platform, own in layers
        ],
        annotations=annotations,
    )


def _assembled(name: str, layer: Layer) -> LayerAssembled:
    return LayerAssembled(f"{name}: {layer.created_by}", str(layer.descriptor.digest), layer.descriptor.size_bytes)


def _publish(image: ImagePlan, index: Index, made: Plan, context: Context) -> BuiltImage:
    outputs = tuple(output.for_image(image.name) for output in made.outputs)
    if not (outputs or made.push or made.load):
        outputs = (Output(OutputKind.OCI, made.target_dir / "cargoship" / image.name),)
    published = [
        done for destination in _destinations(image, outputs, made, context) if (done := destination.publish(index))
    ]
    name = image.references[0].name if image.references else image.name
    return BuiltImage(image.name, f"{name}@{index.digest}", index, tuple(published), outputs)


def _destinations(image: ImagePlan, outputs: Sequence[Output], made: Plan, context: Context) -> Iterator[Destination]:
    names = image.references
    native = _native_platform()
    for output in outputs:
        match output.kind:
            case OutputKind.OCI:
                yield LayoutDestination(output.path, names, context.emit)
            case OutputKind.OCI_ARCHIVE:
                yield ArchiveDestination(output.path, names, native, context.emit, docker=False)
            case OutputKind.DOCKER_ARCHIVE:
                yield ArchiveDestination(output.path, names, native, context.emit)
    if made.load:
        local = names or (Reference.parse(f"localhost/{image.name}:latest"),)
        scratch = made.target_dir / "cargoship"
        yield DaemonDestination(local, context.runner, context.env, context.emit, scratch)
    if made.push:
        yield from registry_destinations(names, env=context.env, runner=context.runner, emit=context.emit)


def _native_platform() -> Platform:
    """The platform that a container engine on this machine runs: Linux, on this processor."""
    return row(machine.machine()).platform


class _Clock:
    """Measures phases, and tells of them."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._started = time.monotonic()
        self._seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure a phase and emit its events."""
        self._emit(PhaseStarted(name))
        with self.measured(name):
            yield
        self._emit(PhaseEnded(name, self._seconds[name]))

    @contextmanager
    def measured(self, name: str) -> Iterator[None]:
        """Measure a phase that emits its own events."""
        started = time.monotonic()
        yield
        self._seconds[name] = time.monotonic() - started

    def seconds(self) -> dict[str, float]:
        """Seconds by phase, and in total until now."""
        return {**self._seconds, "total": time.monotonic() - self._started}
