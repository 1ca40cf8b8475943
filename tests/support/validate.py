"""A full check of an index, independent of how it was made: every blob is read, every claim is compared."""

from __future__ import annotations

from cargoship.errors import ContentInvalid
from cargoship.oci.config import decode_config
from cargoship.oci.decompress import open_reader
from cargoship.oci.descriptor import INDEX_TYPES, Descriptor
from cargoship.oci.digest import Digest
from cargoship.oci.image import Image, is_image
from cargoship.oci.index import Index
from cargoship.oci.layer import Layer
from cargoship.oci.manifest import decode_index, decode_manifest


def validate(index: Index) -> None:
    """Check that everything in the index is what it is said to be; raises ContentInvalid that says what is not.

    Digests, sizes and media types of index, manifests, configs and layers; the digests of the uncompressed layers;
    platforms; the number of layers in manifest, config and history. Layers are read in pieces.
    """
    _equal("digest of the index", Digest.of(index.raw, index.algorithm), index.digest)
    listed = decode_index(index.raw).manifests
    images = [entry for entry in listed if entry.media_type not in INDEX_TYPES]
    indexes = [entry for entry in listed if entry.media_type in INDEX_TYPES]
    _equal("number of images in the index", len(index.children), len(images))
    _equal("number of indexes in the index", len(index.nested), len(indexes))
    for image, entry in zip(index.children, images, strict=True):
        _check_bytes("manifest", image.raw_manifest, entry)
        _check_image(image, entry)
    for nested, entry in zip(index.nested, indexes, strict=True):
        _check_bytes("index", nested.raw, entry)
        validate(nested)


def _check_image(image: Image, entry: Descriptor) -> None:
    manifest = decode_manifest(image.raw_manifest, entry.media_type)
    _check_bytes("config", image.raw_config, manifest.config)
    _equal("number of layers", len(image.layers), len(manifest.layers))
    for layer, descriptor in zip(image.layers, manifest.layers, strict=True):
        found = layer.descriptor
        _equal("layer's digest", found.digest, descriptor.digest)
        _equal("layer's size", found.size_bytes, descriptor.size_bytes)
        _equal("layer's media type", found.media_type, descriptor.media_type)
        _check_blob(layer)
    if not is_image(manifest):
        return
    config = decode_config(image.raw_config)
    _equal("number of layers in the config", len(config.diff_ids), len(image.layers))
    if config.history:
        _equal("number of layers in the history", len(config.history), len(image.layers))
    for layer, diff_id in zip(image.layers, config.diff_ids, strict=True):
        _equal("layer's diff_id", layer.diff_id, diff_id)
        _check_diff_id(layer)
    if entry.platform is not None:
        # a config may leave out the variant that the index names, and the other way round
        _equal("operating system", entry.platform.os, config.platform.os)
        _equal("architecture", entry.platform.architecture, config.platform.architecture)
        if entry.platform.variant and config.platform.variant:
            _equal("variant", entry.platform.variant, config.platform.variant)


def _check_bytes(what: str, data: bytes, descriptor: Descriptor) -> None:
    _equal(f"{what}'s size", len(data), descriptor.size_bytes)
    _equal(f"{what}'s digest", Digest.of(data, descriptor.digest.algorithm), descriptor.digest)


def _check_blob(layer: Layer) -> None:
    with layer.blob.open() as stream:
        digest, size_bytes = Digest.of_stream(stream, layer.descriptor.digest.algorithm)
    _equal("size of a layer's content", size_bytes, layer.descriptor.size_bytes)
    _equal("digest of a layer's content", digest, layer.descriptor.digest)


def _check_diff_id(layer: Layer) -> None:
    with layer.blob.open() as raw, open_reader(raw) as tar:
        digest, _ = Digest.of_stream(tar, layer.diff_id.algorithm)
    _equal("digest of a layer's uncompressed content", digest, layer.diff_id)


def _equal(what: str, found: object, promised: object) -> None:
    if found != promised:
        raise ContentInvalid(f"{what}: {found} was found, {promised} was promised")
