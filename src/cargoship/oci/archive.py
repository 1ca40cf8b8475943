"""Archives for `docker load`, `podman load` and skopeo: one tar that is an image layout and Docker's format at once.

The blobs are there once; `index.json` (image-spec) and `manifest.json` (Docker's image spec v1.2) point at the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cargoship.errors import UsageError
from cargoship.oci.descriptor import Blob, MediaType
from cargoship.oci.digest import Digest
from cargoship.oci.files import atomic_file
from cargoship.oci.image import Image
from cargoship.oci.index import Index, nearest
from cargoship.oci.layout import LAYOUT_FILE, name_entries
from cargoship.oci.manifest import IndexManifest, encode_index, encode_json
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.oci.tar import Entry, write_tar


def write_archive(
    path: Path, index: Index, *, names: Sequence[Reference], native: Platform, docker: bool = True
) -> None:
    """Write the archive, whole or not at all.

    With `docker`, an engine without the containerd image store loads the image for `native` (the first one when there
    is none for it), under the names. Such engines cannot read zstd, which raises UsageError. Without `docker` the
    archive is an image layout alone. Raises OutputError, ContentInvalid.
    """
    documents = {
        "oci-layout": LAYOUT_FILE,
        "index.json": encode_index(IndexManifest(MediaType.OCI_INDEX, name_entries(index.descriptor, names))),
    }
    if docker:
        documents["manifest.json"] = docker_manifest(index, native, names)
    entries = [Entry.file(name, data) for name, data in documents.items()]
    entries += [Entry.file(_blob_path(blob.descriptor.digest), blob) for blob in _distinct(index)]
    with atomic_file(path) as out:
        write_tar(entries, out, epoch=0)


def _distinct(index: Index) -> list[Blob]:
    blobs: dict[Digest, Blob] = {}
    for blob in (*index.blobs(), *index.manifests()):
        blobs.setdefault(blob.descriptor.digest, blob)
    return list(blobs.values())


def _native_image(index: Index, native: Platform) -> Image:
    images = [image for image in index.images() if image.platform.os != "unknown"]
    if not images:
        raise UsageError("there is no image for a container engine in this index")
    position = nearest([image.platform for image in images], native)
    return images[position or 0]


def is_for_docker(index: Index) -> bool:
    """Whether Docker's own format can hold the images: it has no zstd."""
    layers = (layer for image in index.images() for layer in image.layers)
    return all(layer.descriptor.media_type != MediaType.OCI_LAYER_ZSTD for layer in layers)


def docker_manifest(index: Index, native: Platform, names: Sequence[Reference]) -> bytes:
    """Docker's `manifest.json`: the image for `native`, or the first; raises UsageError for zstd layers."""
    image = _native_image(index, native)
    if not is_for_docker(index):
        raise UsageError(
            "Docker's archive format cannot hold layers that are compressed with zstd",
            hint="use gzip compression, or write an OCI archive",
        )
    tags = [name.with_tag(name.tag or "latest").familiar for name in names]
    document = {
        "Config": _blob_path(image.config_blob.descriptor.digest),
        "RepoTags": list(dict.fromkeys(tags)),
        "Layers": [_blob_path(layer.descriptor.digest) for layer in image.layers],
    }
    return encode_json([document])


def _blob_path(digest: Digest) -> str:
    return f"blobs/sha256/{digest.hex}"
