"""Archives for `docker load`, `podman load` and skopeo: one tar that is an image layout and Docker's format at once.

The blobs are there once; `index.json` (image-spec) and `manifest.json` (Docker's image spec v1.2) point at the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cargoship.errors import UsageError
from cargoship.oci.config import CONFIG_BYTES_MAX, decode_config
from cargoship.oci.descriptor import MANIFEST_TYPES, Blob, CompleteImage, MediaType
from cargoship.oci.digest import Digest
from cargoship.oci.files import atomic_file
from cargoship.oci.image import is_image
from cargoship.oci.index import nearest
from cargoship.oci.layout import LAYOUT_FILE, beside, name_entries
from cargoship.oci.manifest import IndexManifest, Manifest, decode_manifest, encode_index, encode_json
from cargoship.oci.platform import UNKNOWN, Platform
from cargoship.oci.reference import Reference
from cargoship.oci.referrer import Referrer, blobs_of
from cargoship.oci.tar import LayerEntry, write_tar


def write_archive(
    path: Path,
    index: CompleteImage,
    *,
    names: Sequence[Reference],
    native: Platform,
    docker: bool = True,
    about: Sequence[Referrer] = (),
    as_entries: bool = False,
) -> None:
    """Write the archive, whole or not at all. What is said `about` the image is in it as in a layout.

    With `docker`, an engine without the containerd image store loads the image for `native` (the first one when there
    is none for it), under the names. Such engines cannot read zstd, which raises UsageError. Without `docker` the
    archive is an image layout alone. Raises OutputError, ContentInvalid.
    """
    descriptor, further, lists = beside(index.descriptor, about, as_entries=as_entries)
    named = name_entries(descriptor, names, existing=further)
    documents = {
        "oci-layout": LAYOUT_FILE,
        "index.json": encode_index(IndexManifest(MediaType.OCI_INDEX, named)),
    }
    if docker:
        documents["manifest.json"] = docker_manifest(index, native, names)
    entries = [LayerEntry.file(name, data) for name, data in documents.items()]
    entries += [
        LayerEntry.file(_blob_path(blob.descriptor.digest), blob)
        for blob in _distinct(index, (*blobs_of(about), *lists))
    ]
    with atomic_file(path) as out:
        write_tar(entries, out, epoch=0)


def _distinct(index: CompleteImage, more: Sequence[Blob]) -> list[Blob]:
    blobs: dict[Digest, Blob] = {}
    for blob in (*index.blobs(), *index.manifests(), *more):
        blobs.setdefault(blob.descriptor.digest, blob)
    return list(blobs.values())


def _images(index: CompleteImage) -> list[tuple[Manifest, Platform]]:
    """The images in it, with what they are for."""
    blobs = {blob.descriptor.digest: blob for blob in index.blobs()}
    found = []
    for blob in index.manifests():
        manifest = decode_manifest(blob.data) if blob.descriptor.media_type in MANIFEST_TYPES else None
        if manifest is None or not is_image(manifest) or manifest.config.size_bytes > CONFIG_BYTES_MAX:
            continue
        with blobs[manifest.config.digest].open() as stream:
            platform = decode_config(stream.read(CONFIG_BYTES_MAX)).platform
        if platform != UNKNOWN or blob.descriptor.digest == index.descriptor.digest:
            found.append((manifest, platform))
    return found


def is_for_docker(index: CompleteImage) -> bool:
    """Whether Docker's own format can hold the images: it has no zstd."""
    layers = (layer for manifest, _ in _images(index) for layer in manifest.layers)
    return not any(layer.media_type.endswith("zstd") for layer in layers)


def docker_manifest(index: CompleteImage, native: Platform, names: Sequence[Reference]) -> bytes:
    """Docker's `manifest.json`: the image for `native`, or the first; raises UsageError for zstd layers."""
    images = _images(index)
    if not images:
        raise UsageError("there is no image for a container engine in this index")
    manifest, _ = images[nearest([platform for _, platform in images], native) or 0]
    if not is_for_docker(index):
        raise UsageError(
            "Docker's archive format cannot hold layers that are compressed with zstd",
            hint="use gzip compression, or write an OCI archive",
        )
    there = {blob.descriptor.digest for blob in index.blobs()}
    for layer in manifest.layers:
        if layer.digest not in there:
            # engines read every layer from the file, and fetch none
            raise UsageError(
                f"the image has a layer of the type {layer.media_type}, which is not handed on, and a Docker archive "
                f"has to have all: {layer.digest}",
                hint="write an image layout or an OCI archive, or choose another platform with --platform",
            )
    tags = [name.with_tag(name.tag or "latest").familiar for name in names]
    document = {
        "Config": _blob_path(manifest.config.digest),
        "RepoTags": list(dict.fromkeys(tags)),
        "Layers": [_blob_path(layer.digest) for layer in manifest.layers],
    }
    return encode_json([document])


def _blob_path(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.hex}"
