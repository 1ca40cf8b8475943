"""Small real images for tests, each of them checked before it is handed out."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from cargoship.images.files import open_archive
from cargoship.oci.compress import Codec, Compression
from cargoship.oci.config import ImageConfig
from cargoship.oci.decompress import open_reader
from cargoship.oci.descriptor import BytesBlob, MediaType
from cargoship.oci.digest import Algorithm, Digest
from cargoship.oci.image import Image, make_image
from cargoship.oci.index import Index, index_of
from cargoship.oci.layer import BlobStore, Layer, build_layer
from cargoship.oci.layout_reader import read_index
from cargoship.oci.manifest import IndexManifest, encode_index, encode_manifest
from cargoship.oci.platform import Platform
from cargoship.oci.tar import LayerEntry
from support.validate import validate

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
    entries: Sequence[LayerEntry] | None = None,
    compression: Compression = GZIP,
    config: ImageConfig | None = None,
    mark: str = "",
) -> Image:
    """An image of two layers: one the same for every platform, one of its own.

    `mark` makes it another image: an engine has only one of two that are the same, and what one test does to it
    happens to the other's too.
    """
    blobs = BlobStore(store)
    shared = [LayerEntry.file("etc/motd", b"hello\n")]
    own = entries or [LayerEntry.file("usr/bin/app", str(platform).encode() * 100 + mark.encode(), 0o755)]
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
    store: Path,
    platforms: Sequence[Platform] = (AMD64, ARM64),
    *,
    compression: Compression = GZIP,
    mark: str = "",
) -> Index:
    """An index of such images."""
    images = [small_image(store, platform, compression=compression, mark=mark) for platform in platforms]
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


def in_sha512(index: Index, *, manifests: Algorithm = "sha512") -> Index:
    """The same images with everything named by sha512; `manifests` says it of manifests and of what layers hold."""
    images = [_image_in_sha512(image, manifests) for image in index.children]
    raw = encode_index(IndexManifest(MediaType.OCI_INDEX, tuple(image.descriptor for image in images)))
    found = Index(raw, tuple(images), algorithm=manifests)
    validate(found)
    return found


def _image_in_sha512(image: Image, manifests: Algorithm) -> Image:
    layers = [_layer_in_sha512(layer, manifests) for layer in image.layers]
    config = json.loads(image.raw_config)
    config["rootfs"]["diff_ids"] = [str(layer.diff_id) for layer in layers]
    raw_config = json.dumps(config).encode()
    manifest = replace(
        image.manifest,
        config=BytesBlob.of(image.manifest.config.media_type, raw_config, "sha512").descriptor,
        layers=tuple(layer.descriptor for layer in layers),
    )
    return Image(encode_manifest(manifest), raw_config, tuple(layers), manifests)


def _layer_in_sha512(layer: Layer, content: Algorithm) -> Layer:
    with layer.blob.open() as stream:
        blob = BytesBlob.of(layer.descriptor.media_type, stream.read(), "sha512")
    with blob.open() as raw, open_reader(raw) as tar:
        return Layer(blob, Digest.of_stream(tar, content)[0], layer.created_by)


def read_archive(path: Path, *, select: Digest | str | None = None) -> Index:
    """The index that `select` names in an archive, with every check that commands make."""
    return read_index(open_archive(path), select)
