"""What an image is made of besides its binaries: the project's files and the bases, found before the compile."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from cargoship.bases.base import Base, RemoteBase, resolve_base
from cargoship.bases.package_base import PackageBase
from cargoship.errors import IncludeInvalid
from cargoship.events import Emit, Level, Note
from cargoship.image_layers import asks_by_probe
from cargoship.oci.compress import Compression
from cargoship.oci.config import ImageConfig
from cargoship.oci.layer import BlobStore
from cargoship.oci.platform import Platform
from cargoship.plan import BIN_DIR, ImagePlan, Plan
from cargoship.platforms import row
from cargoship.settings.base import BuiltInBase, distribution_of
from cargoship.settings.health import PROBE
from cargoship.settings.include import IncludedFile, resolve_includes


class ImageInputs(Struct, frozen=True):
    """Found, and known to be there."""

    image: ImagePlan
    files: tuple[IncludedFile, ...]
    bases: Mapping[Platform, Base]
    store: BlobStore
    """Where layers are kept, below cargo's target folder."""
    kept: BlobStore
    """Where this machine keeps layers of what is the same in any target folder."""
    compression: Compression
    probes: Mapping[Platform, Path] = field(default_factory=dict)
    """What a health check asks by, made for each platform."""

    def with_file(self, file: IncludedFile) -> ImageInputs:
        """With one file more; raises IncludeInvalid where another one is in its place."""
        if any(each.path == file.path for each in self.files):
            raise IncludeInvalid(f"include: {file.path} is there already", hint="let include-licenses or include go")
        return replace(self, files=(*self.files, file))

    @property
    def unfinished(self) -> bool:
        """Whether bases are still being made."""
        return any(base.unfinished is not None for base in self.bases.values())

    def finished(self, programs: Mapping[Platform, Mapping[str, Path]]) -> ImageInputs:
        """With all bases made, which may depend on the programs; raises what went wrong in making them."""
        return replace(self, bases={at: base.finished(programs[at]) for at, base in self.bases.items()})


def gather_inputs(
    image: ImagePlan, plan: Plan, *, remote: RemoteBase, packages: PackageBase | None, kept: BlobStore, emit: Emit
) -> ImageInputs:
    """Find an image's files and its base for every platform; says what of a base an image will be without.

    `remote` finds bases in registries; `packages` makes those of packages, which are not finished yet (None: there are
    none of these); `kept` is where the built-in base is made, once on a machine, for its files lie with cargoship.
    Raises IncludeInvalid, PlatformUnknown (a base that lacks a platform), ContentInvalid, RegistryError's family, and
    what `PackageBase.find` raises.
    """
    settings = image.settings
    store = BlobStore(plan.target_dir / "cargoship" / ".blobs")
    compression = Compression.of(settings.compression)
    files = _files(image, plan)
    if packages is None or distribution_of(settings.base_spec) is None:
        bases = _bases(image, plan, kept, compression, remote, emit)
    else:
        bases = {
            platform: _nothing()
            if row(platform).is_wasm
            else packages.find(settings, platform, root=plan.root, compression=compression)
            for platform in plan.platforms
        }
    return ImageInputs(image, files, bases, store, kept, compression)


def foresee_inputs(
    image: ImagePlan, plan: Plan, *, remote: RemoteBase, store: BlobStore, emit: Emit
) -> ImageInputs | None:
    """What `gather_inputs` finds, with what is made on the way in `store`; None for a base of packages.

    Such a base is not asked for, but files are looked at in any case. Raises as `gather_inputs` does.
    """
    if distribution_of(image.settings.base_spec) is not None:
        _files(image, plan)
        return None
    compression = Compression.of(image.settings.compression)
    bases = _bases(image, plan, store, compression, remote, emit)
    return ImageInputs(image, _files(image, plan), bases, store, store, compression)


def _bases(
    image: ImagePlan, plan: Plan, store: BlobStore, compression: Compression, remote: RemoteBase, emit: Emit
) -> dict[Platform, Base]:
    def resolved(platform: Platform) -> Base:
        return resolve_base(
            image.settings.base_spec, platform,
            root=image.package.root, store=store, compression=compression, epoch=plan.epoch, remote=remote,
        )  # fmt: skip

    linux = [platform for platform in plan.platforms if not row(platform).is_wasm]
    if image.settings.base_spec is BuiltInBase.STATIC:
        # the same for all of them, and its hundreds of files are looked at once
        bases = dict.fromkeys(linux, resolved(linux[0])) if linux else {}
    else:
        bases = {platform: resolved(platform) for platform in linux}
    # the same of all platforms, as a rule
    for text in dict.fromkeys(base.left_out for base in bases.values()):
        if text is not None:
            emit(Note(text, Level.WARNING))
    return {platform: bases.get(platform) or _nothing() for platform in plan.platforms}


def _nothing() -> Base:
    """The base of WebAssembly, whatever the settings say: those are systems of files for programs of Linux."""
    return Base(str(BuiltInBase.SCRATCH), None, None, (), ImageConfig(), has_loader=False)


def _files(image: ImagePlan, plan: Plan) -> tuple[IncludedFile, ...]:
    files = resolve_includes(image.settings.include, image.package.root, plan.root, target_dir=plan.target_dir)
    taken = {f"{BIN_DIR}/{binary.name}" for binary in image.bins}
    if asks_by_probe(image):
        if PROBE in taken:
            raise IncludeInvalid(f"the binary {PROBE} is in the place of the health check's probe", hint="rename it")
        taken.add(PROBE)
    for file in files:
        if file.path in taken:
            raise IncludeInvalid(f"include: {file.source} would take the place of the binary {file.path}")
    return files
