"""What an image is made of besides its binaries: the project's files and the bases, found before the compile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cargoship.bases.base import Base, RemoteBase, resolve_base
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


def gather(image: ImagePlan, plan: Plan, *, remote: RemoteBase) -> Sources:
    """Find an image's files and its base for every platform; `remote` finds bases in registries.

    Raises IncludeInvalid, PlatformUnknown (a base that lacks a platform), ContentInvalid, RegistryError's family.
    """
    settings = image.settings
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
        for platform in plan.platforms
    }  # fmt: skip
    return Sources(image, files, bases, store, compression)
