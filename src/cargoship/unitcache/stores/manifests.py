"""A cache as an image manifest: the index is its config, the packs are its layers. Pure.

Registries keep whatever a manifest names, and remove what none names any more: so nothing else is needed there.
"""

from __future__ import annotations

from cargoship.errors import CacheUnavailable
from cargoship.oci.descriptor import MANIFEST_TYPES, BytesBlob, Descriptor, MediaType
from cargoship.oci.digest import Digest
from cargoship.oci.manifest import Manifest, decode_manifest, encode_manifest
from cargoship.unitcache.packs.index import UnitIndex
from cargoship.unitcache.packs.index_format import encode_unit_index

INDEX_TYPE = "application/vnd.cargoship.cache.index.v1+zstd"
PACK_TYPE = "application/vnd.cargoship.cache.pack.v1"
NO_PACK = BytesBlob.of(MediaType.OCI_EMPTY, b"{}")
"""The layer of a cache without packs: some registries refuse manifests without layers."""


def pack_descriptor(digest: Digest, size: int) -> Descriptor:
    """A pack as a layer."""
    return Descriptor(PACK_TYPE, digest, size)


def cache_manifest(index: UnitIndex) -> tuple[BytesBlob, BytesBlob]:
    """The manifest of a cache and its config; the same bytes for the same index."""
    config = BytesBlob.of(INDEX_TYPE, encode_unit_index(index))
    layers = tuple(pack_descriptor(digest, info.size) for digest, info in sorted(index.packs.items()))
    raw = encode_manifest(Manifest(MediaType.OCI_MANIFEST, config.descriptor, layers or (NO_PACK.descriptor,)))
    return BytesBlob.of(MediaType.OCI_MANIFEST, raw), config


def index_descriptor(manifest: BytesBlob, *, where: str) -> Descriptor:
    """Where the index of a cache is; raises CacheUnavailable for the manifest of anything else."""
    if manifest.descriptor.media_type in MANIFEST_TYPES:
        config = decode_manifest(manifest.data, manifest.descriptor.media_type).config
        if config.media_type == INDEX_TYPE:
            return config
    raise CacheUnavailable(f"{where} is no cache, but another image", hint="give the cache a tag of its own")
