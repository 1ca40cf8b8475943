"""Bases for images that exist: by the name that a user gives, or that an image has for its own."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Self

from cargoship.bases.base import Base, resolve_base
from cargoship.bases.distributions import open_package_base
from cargoship.bases.package_base import PackageBase
from cargoship.bases.remote import RemoteBases
from cargoship.context import Context
from cargoship.errors import NotRebasable, UsageError
from cargoship.events import Level, Note
from cargoship.oci.compress import Compression
from cargoship.oci.image import Image
from cargoship.oci.layer import BlobStore
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.settings.base import BaseSpec, distribution_of, parse_base_spec
from cargoship.settings.model import Settings
from cargoship.settings.values import parse_debian_package

_COMPRESSION = "dev.cargoship.compression"


class NewBases:
    """Finds bases for one run, a context; `remote` those in registries, `folder` is for what is made on the way."""

    def __init__(self, context: Context, remote: RemoteBases, folder: Path) -> None:
        self._context = context
        self._remote = remote
        self._folder = folder
        self._store = BlobStore(folder / "blobs")
        self._opened = contextlib.ExitStack()
        self._packages: PackageBase | None = None

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close what was opened."""
        self._opened.close()

    def named(self, platform: Platform, reference: Reference) -> Base:
        """A base in a registry; raises as `RemoteBases.find` does."""
        return self._remote.find(reference, platform)

    def find(self, spec: BaseSpec, image: Image, said: str, *, packages: Sequence[str] = ()) -> Base:
        """A base for an image's platform, made as the image's own layers are; `said` is what the image is called.

        `packages` are those of a base of packages, of any platform and release. Raises NotRebasable for an image that
        does not say how it was made, and as `resolve_base` and `PackageBase.find` do.
        """
        label = image.manifest.annotations.get(_COMPRESSION, "gzip")
        try:
            epoch = int(datetime.fromisoformat(image.config_file.created or "").timestamp())
        except (ValueError, OverflowError) as error:
            raise NotRebasable(f"{said} is not as cargoship makes images: it does not say when it was made") from error
        try:
            # codec and level, and the library with its version
            compression = Compression.parse(label.partition(" ")[0].replace("-", ":"))
            asked = tuple(parse_debian_package(text) for text in packages)
        except (ValueError, UsageError) as error:
            raise NotRebasable(f"{said} is not as cargoship makes images: {error}") from error
        if distribution_of(spec) is None:
            base = resolve_base(
                spec, image.platform,
                root=self._context.cwd, store=self._store, compression=compression, epoch=epoch,
                remote=self._remote.find,
            )  # fmt: skip
            if base.left_out is not None:
                self._context.emit(Note(base.left_out, Level.WARNING))
            return base
        settings = Settings(base=str(spec), packages=asked)
        mirror = self._context.env.get("CARGOSHIP_DEBIAN_MIRROR")
        settings = settings if mirror is None else replace(settings, debian_mirror=mirror)
        if self._packages is None:
            self._packages = self._opened.enter_context(open_package_base(settings, self._context))
        # packages as they are now: there is no lock file in a folder of this run
        unfinished = self._packages.find(settings, image.platform, root=self._folder, compression=compression)
        return unfinished.finished({})


def named_base_spec(text: str) -> BaseSpec:
    """The base that a text names; raises UsageError."""
    try:
        return parse_base_spec(text)
    except ValueError as error:
        raise UsageError(str(error)) from error
