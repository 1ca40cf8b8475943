"""Small real images for tests, each of them checked before it is handed out."""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from pathlib import Path

from cargoship.oci.compress import Codec, Compression
from cargoship.oci.config import ImageConfig
from cargoship.oci.image import Image, make_image
from cargoship.oci.index import Index, index_of
from cargoship.oci.layer import BlobStore, build_layer
from cargoship.oci.platform import Platform
from cargoship.oci.tar import Entry
from cargoship.oci.validate import validate

AMD64 = Platform("linux", "amd64")
ARM64 = Platform("linux", "arm64")
ARMV7 = Platform("linux", "arm", "v7")
CREATED = "2023-11-14T22:13:20Z"
EPOCH = 1_700_000_000
GZIP = Compression.of(Codec.GZIP)


def small_image(
    store: Path,
    platform: Platform = AMD64,
    *,
    entries: Sequence[Entry] | None = None,
    compression: Compression = GZIP,
    config: ImageConfig | None = None,
) -> Image:
    """An image of two layers: one the same for every platform, one of its own."""
    blobs = BlobStore(store)
    shared = [Entry.file("etc/motd", b"hello\n")]
    own = entries or [Entry.file("usr/bin/app", str(platform).encode() * 100, 0o755)]
    layers = [
        build_layer(part, store=blobs, compression=compression, epoch=EPOCH, created_by=name)
        for name, part in (("shared", shared), ("own", own))
    ]
    return make_image(
        platform=platform,
        config=config or ImageConfig(entrypoint=("/usr/bin/app",), user="65532:65532"),
        layers=layers,
        created=CREATED,
        annotations={"org.opencontainers.image.title": "app"},
    )


def small_index(
    store: Path, platforms: Sequence[Platform] = (AMD64, ARM64), *, compression: Compression = GZIP
) -> Index:
    """An index of such images."""
    images = [small_image(store, platform, compression=compression) for platform in platforms]
    index = index_of(images, annotations={"org.opencontainers.image.title": "app"})
    validate(index)
    return index


def files_below(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by its path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def unpack_tar(archive: Path, into: Path) -> None:
    """Unpack a tar that was written here; the Python of Debian 12 knows no filter, newer ones want one."""
    with tarfile.open(archive) as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", None)
        tar.extractall(into)  # noqa: S202 - of our own making
