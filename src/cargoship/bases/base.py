"""From the name of a base to its layers and config for one platform."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Protocol, assert_never

from msgspec import Struct, structs

from cargoship.bases.static import static_config, static_entries
from cargoship.debian.suites import DebianSpec
from cargoship.errors import ContentInvalid, UsageError
from cargoship.oci.compress import Compression
from cargoship.oci.config import ConfigFile, ImageConfig, is_time
from cargoship.oci.descriptor import Blob, Descriptor, MediaType
from cargoship.oci.digest import Digest
from cargoship.oci.image import is_image
from cargoship.oci.layer import BlobStore, Layer, build_layer
from cargoship.oci.layout import read_image
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.oci.tar import EntryKind, LayerEntry
from cargoship.oci.target import split_selection
from cargoship.printable import printable
from cargoship.settings.base import BaseSpec, BuiltInBase, LayoutBase, RegistryBase

# The same bytes under the names that an OCI manifest has for them.
_OCI_NAMES: dict[str, MediaType] = {
    MediaType.DOCKER_LAYER_GZIP: MediaType.OCI_LAYER_GZIP,
    "application/vnd.docker.image.rootfs.diff.tar": MediaType.OCI_LAYER,
    "application/vnd.docker.image.rootfs.diff.tar.zstd": MediaType.OCI_LAYER_ZSTD,
}
_LAYER_TYPES: frozenset[str] = frozenset({MediaType.OCI_LAYER, MediaType.OCI_LAYER_GZIP, MediaType.OCI_LAYER_ZSTD})

_SHOWN_MAX = 80
"""Characters of a step: it may be anything."""
_SHOWN_STEPS = 3

_WHY_NOT = {
    "nondistributable": "its maker alone gives it out, and an image on it could not be pushed: choose another base",
    ".foreign.": "its maker alone gives it out, and an image on it could not be pushed: choose another base",
    "encrypted": "it is encrypted: decrypt the base, as skopeo copy --decryption-key does",
}


@dataclass(frozen=True)
class Base:
    """What an image stands on.

    `spec` is what the user called it. `name` and `digest` are what the annotations org.opencontainers.image.base.*
    say, where there is something to say. `has_loader` tells whether it has a dynamic loader (None: not known).
    """

    spec: str
    name: str | None
    digest: Digest | None
    layers: tuple[Layer, ...]
    config: ImageConfig
    has_loader: bool | None
    steps: tuple[Mapping[str, Any], ...] = ()
    """Its history as its own config has it, where that tells of all layers."""
    folders: tuple[LayerEntry, ...] = ()
    """Folders of it, where they are known: for `build_layer(below=...)`."""
    owner: Callable[[str], str | None] | None = field(default=None, compare=False, repr=False)
    """Names the package that has a shared library, and could be added to this base; None: it has no packages."""
    packages: tuple[DistributedPackage, ...] = ()
    """The packages of a distribution that it is made of, where it was made of some here."""
    unfinished: Unfinished | None = field(default=None, compare=False, repr=False)
    """Set where the layers are still being made; then `layers` and `folders` are empty."""
    triggers: tuple[str, ...] = ()
    """Steps of a Dockerfile that Docker runs when an image is built on this one (ONBUILD)."""
    at_hand: bool = field(default=False, compare=False)
    """Whether its layers can be read without fetching them."""

    @property
    def left_out(self) -> str | None:
        """What an image on it will be without, as a sentence; None: nothing."""
        if not self.triggers:
            return None
        steps = "; ".join(printable(text[:_SHOWN_MAX]) for text in self.triggers[:_SHOWN_STEPS])
        return f"the base {self.spec} has steps for images on it, which are not run (ONBUILD): {steps}"

    def speaks_of(self, folder: str) -> bool:
        """Whether its config or the steps of its history name a folder (absolute), or something in it.

        What was put there by a Dockerfile, or is started there, is known so without the layers.
        """
        run = self.config
        health = "" if run.healthcheck is None else str(run.healthcheck)
        said = (*run.entrypoint, *run.cmd, *run.volumes, *run.env.values(), run.working_dir or "", health)
        steps = (str(step.get("created_by", "")) for step in self.steps)
        named = re.compile(rf"(?<![\w.-]){re.escape(folder)}(?![\w.-])")
        return any(named.search(text) for text in (*said, *steps))

    def finished(self, programs: Mapping[str, Path]) -> Base:
        """The base with its layers, which may depend on the programs; raises what went wrong in making them."""
        return self if self.unfinished is None else self.unfinished.finish(programs)


class DistributedPackage(Protocol):
    """What there is to know of any distribution's package; that of Debian is `DebianPackage`."""

    @property
    def name(self) -> str:
        """As its distribution calls it."""
        ...

    @property
    def version(self) -> str:
        """In the form of its distribution."""
        ...

    @property
    def architecture(self) -> str:
        """In the words of its distribution."""
        ...

    @property
    def digest(self) -> Digest:
        """Of its file."""
        ...


class Unfinished(Protocol):
    """A base that is still being made, beside the compile."""

    def when_made(self, then: Callable[[Layer], None]) -> None:
        """Have layers passed on as soon as they are there; some may come only with `finish`."""
        ...

    def finish(self, programs: Mapping[str, Path]) -> Base:
        """Wait for it; `programs` are what will stand on it, by name."""
        ...


RemoteBase = Callable[[Reference, Platform], Base]
"""Finds a base in a registry; see `RemoteBases`."""


def resolve_base(
    spec: BaseSpec,
    platform: Platform,
    *,
    root: Path,
    store: BlobStore,
    compression: Compression,
    epoch: int,
    remote: RemoteBase,
) -> Base:
    """The base for a platform, if it is not made of packages.

    A layout's relative folder starts at `root`. `compression` and `epoch` (seconds) are for the layers that are made
    here. Raises UsageError where there is no such layout, PlatformUnknown for an image that is not for the platform,
    ContentInvalid for a damaged layout, and what `remote` raises.
    """
    match spec:
        case BuiltInBase.STATIC:
            entries = static_entries()
            layer = build_layer(
                entries, store=store, compression=compression, epoch=epoch, created_by="cargoship: static base"
            )
            folders = tuple(entry for entry in entries if entry.kind is EntryKind.DIRECTORY)
            return Base(str(spec), None, None, (layer,), static_config(), has_loader=False, folders=folders)
        case BuiltInBase.SCRATCH:
            return Base(str(spec), None, None, (), ImageConfig(), has_loader=False)
        case LayoutBase():
            return _from_layout(spec, platform, root)
        case RegistryBase():
            return replace(remote(spec.reference, platform), spec=str(spec))
        case DebianSpec():
            raise UsageError(f"{spec} is made of packages: it is no image that can be taken as it is")
        case _:
            assert_never(spec)


def _from_layout(spec: LayoutBase, platform: Platform, root: Path) -> Base:
    folder, select = split_selection(spec.target, root)
    if not (folder / "oci-layout").exists():
        raise UsageError(f"base {spec}: there is no image layout in {folder}")
    image = read_image(folder, select=select, platform=platform)
    if not is_image(image.manifest):
        raise ContentInvalid(
            f"the base {spec} is not an image, but something else that is kept like one",
            hint="name the image itself: oci:FOLDER:TAG or oci:FOLDER@DIGEST",
        )
    layers = tuple(
        structs.replace(layer, blob=_Renamed(oci_layer(layer.descriptor, str(spec)), layer.blob))
        for layer in image.layers
    )
    steps = steps_of(image.config_file, len(layers), str(spec))
    return Base(
        str(spec), None, image.digest, layers, image.config, has_loader=None, steps=steps,
        triggers=image.config_file.triggers, at_hand=True,
    )  # fmt: skip


def steps_of(config: ConfigFile, layers: int, base: str) -> tuple[Mapping[str, Any], ...]:
    """The history of a base, with its times and the steps that made no layer; empty where it is not that of `layers`.

    Scanners tell by it which layers are the base's (image-spec, config.md, "history"). Raises ContentInvalid for times
    that are none: Docker, Buildx and podman take no such base, and no engine would load what stands on it.
    """
    times = (step["created"] for step in config.steps if "created" in step)
    wrong = next((time for time in times if not is_time(time)), None)
    if wrong is not None:
        raise ContentInvalid(
            f"the base {base} has {wrong!r} for a time in its history, which no engine can read",
            hint="choose another base, or write its times as RFC 3339",
        )
    return config.steps if len(config.history) == layers else ()


class _Renamed(Struct, frozen=True):
    """A blob under another media type."""

    descriptor: Descriptor
    blob: Blob

    def open(self) -> BinaryIO:
        return self.blob.open()


def oci_layer(descriptor: Descriptor, base: str) -> Descriptor:
    """A layer of `base` by the name that an OCI manifest has for its type; raises ContentInvalid for what has none."""
    media_type = _OCI_NAMES.get(descriptor.media_type, descriptor.media_type)
    if media_type not in _LAYER_TYPES:
        hint = next((text for word, text in _WHY_NOT.items() if word in media_type), "choose a base that is an image")
        raise ContentInvalid(
            f"the base {base} has a layer of the type {printable(media_type)}, which no image can be put onto",
            hint=hint,
        )
    return replace(descriptor, media_type=media_type)
