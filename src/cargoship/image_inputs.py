"""What an image is made of besides its binaries: the project's files and the bases, found before the compile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cargoship.bases.base import Base, RemoteBase, resolve_base
from cargoship.bases.debian import DebianBases
from cargoship.errors import IncludeInvalid
from cargoship.oci.compress import Compression
from cargoship.oci.layer import BlobStore
from cargoship.oci.platform import Platform
from cargoship.plan import BIN_DIR, ImagePlan, Plan
from cargoship.settings.include import IncludedFile, resolve_includes


@dataclass(frozen=True)
class Sources:
    """Found, and known to be there."""

    image: ImagePlan
    files: tuple[IncludedFile, ...]
    bases: Mapping[Platform, Base]
    store: BlobStore
    """Where layers are kept, below cargo's target folder."""
    compression: Compression

    @property
    def unfinished(self) -> bool:
        """Whether bases are still being made."""
        return any(base.unfinished is not None for base in self.bases.values())

    def finished(self, programs: Mapping[Platform, Mapping[str, Path]]) -> Sources:
        """With all bases made, which may depend on the programs; raises what went wrong in making them."""
        return replace(self, bases={at: base.finished(programs[at]) for at, base in self.bases.items()})


def gather(image: ImagePlan, plan: Plan, *, remote: RemoteBase, debian: DebianBases) -> Sources:
    """Find an image's files and its base for every platform.

    `remote` finds bases in registries; `debian` makes those of packages, which are not finished yet. Raises
    IncludeInvalid, PlatformUnknown (a base that lacks a platform), ContentInvalid, RegistryError's family, and what
    `DebianBases.find` raises.
    """
    settings = image.settings
    spec = settings.debian
    store = BlobStore(plan.target_dir / "cargoship" / "blobs")
    compression = Compression.parse(settings.compression)
    files = resolve_includes(settings.include, image.package.root, plan.root, target_dir=plan.target_dir)
    taken = {f"{BIN_DIR}/{binary.name}" for binary in image.bins}
    for file in files:
        if file.path in taken:
            raise IncludeInvalid(f"include: {file.source} would take the place of the binary {file.path}")
    bases = {
        platform: resolve_base(
            settings.base, platform,
            root=image.package.root, store=store, compression=compression, epoch=plan.epoch, remote=remote,
        )
        if spec is None
        else debian.find(
            spec, platform,
            packages=settings.packages, build_packages=settings.build_packages,
            root=plan.root, compression=compression,
        )
        for platform in plan.platforms
    }  # fmt: skip
    return Sources(image, files, bases, store, compression)
