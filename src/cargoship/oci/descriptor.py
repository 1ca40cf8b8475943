"""Descriptors, and blobs that can be opened (image-spec, descriptor.md)."""

from __future__ import annotations

import enum
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

from cargoship.oci.digest import SHA256, Algorithm, Digest
from cargoship.oci.platform import Platform


class MediaType(enum.StrEnum):
    """Media types that cargoship writes or reads (image-spec, media-types.md; Docker's schema 2)."""

    OCI_INDEX = "application/vnd.oci.image.index.v1+json"
    OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
    OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
    OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
    OCI_LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
    OCI_LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
    OCI_EMPTY = "application/vnd.oci.empty.v1+json"
    DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
    DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
    DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
    DOCKER_LAYER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"


INDEX_TYPES: frozenset[str] = frozenset({MediaType.OCI_INDEX, MediaType.DOCKER_LIST})
MANIFEST_TYPES: frozenset[str] = frozenset({MediaType.OCI_MANIFEST, MediaType.DOCKER_MANIFEST})


@dataclass(frozen=True)
class Descriptor:
    """What a blob or manifest is: type, digest, size; for a child of an index also its platform.

    `media_type` is text, for a registry may hold types that this program has never heard of.
    """

    media_type: str
    digest: Digest
    size_bytes: int
    platform: Platform | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str | None = None
    urls: tuple[str, ...] = field(default=(), compare=False)
    """Where else it is."""
    data: str | None = field(default=None, compare=False, repr=False)
    """The content itself, in base64, where it stands in the document."""
    platform_details: Mapping[str, str | Sequence[str]] = field(default_factory=dict, compare=False)
    """What else is said of the platform: `os.version`, `os.features`, `features`."""

    @property
    def is_its_makers(self) -> bool:
        """Whether it is a layer that its maker alone may give out, and somewhere else than here (image-spec, layer.md).

        One of which nobody says where its maker has it is in the registry, and nowhere else: skopeo takes it along too.
        """
        return ("nondistributable" in self.media_type or ".foreign." in self.media_type) and bool(self.urls)


class Blob(Protocol):
    """Content that is known by its descriptor and can be read any number of times."""

    @property
    def descriptor(self) -> Descriptor:
        """What it is."""
        ...

    def open(self) -> BinaryIO:
        """A new stream from the start; the caller closes it."""
        ...


@dataclass(frozen=True)
class BytesBlob:
    """A small blob in memory: a manifest, a config."""

    descriptor: Descriptor
    data: bytes = field(repr=False)

    @classmethod
    def of(cls, media_type: str, data: bytes, algorithm: Algorithm = SHA256) -> BytesBlob:
        """A blob of these bytes."""
        return cls(Descriptor(media_type, Digest.of(data, algorithm), len(data)), data)

    def open(self) -> BinaryIO:
        """See `Blob.open`."""
        return io.BytesIO(self.data)


@dataclass(frozen=True)
class FileBlob:
    """A blob in a file; one that `is_shared` belongs to other projects too, and nobody gets that very file."""

    descriptor: Descriptor
    path: Path
    is_shared: bool = False

    def open(self) -> BinaryIO:
        """See `Blob.open`; raises OSError."""
        return self.path.open("rb")


class CompleteImage(Protocol):
    """An image or index with all that belongs to it, as it is written somewhere: an `Index`, a `Tree`."""

    @property
    def descriptor(self) -> Descriptor:
        """What its root is."""
        ...

    def blobs(self) -> Iterable[Blob]:
        """Every layer and config, each digest once."""
        ...

    def manifests(self) -> Iterable[BytesBlob]:
        """Every manifest and index, each digest once, none before what it names."""
        ...
