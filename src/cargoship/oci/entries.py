"""The entries of an index, as it writes them, and the index of some of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from cargoship.oci.config import ConfigFile, decode_config
from cargoship.oci.content import (
    Content,
    IndexEntry,
    manifest_of,
    names_manifest,
    not_there,
    walk,
)
from cargoship.oci.descriptor import INDEX_TYPES, MANIFEST_TYPES, BytesBlob
from cargoship.oci.image import is_image
from cargoship.oci.index import normalized_platform
from cargoship.oci.manifest import descriptor_json, encode_json, index_document
from cargoship.oci.platform import UNKNOWN, Platform
from cargoship.oci.tree import choose_image

_ATTESTS_TO = "vnd.docker.reference.digest"
"""How BuildKit's attestations name their image (docs.docker.com, "Image attestation storage")."""


def runs_on(entry: IndexEntry) -> tuple[object, ...] | None:
    """What must not be there twice; None for what no platform runs, such as an attestation."""
    platform = entry.descriptor.platform
    if platform is None or platform.os == "unknown":
        return None
    return (normalized_platform(platform), (entry.raw.get("platform") or {}).get("os.version"))


def entries_of(content: Content, root: BytesBlob) -> Iterator[IndexEntry]:
    """What an index names, that of the indexes inside it in their place; an image is its own only entry.

    Where an index does not say a platform, the image itself does. Raises as `content` does, and ContentInvalid.
    """
    listing = walk(content, root)
    for missing in listing.missing:
        raise not_there(missing, root)
    if not listing.is_index:
        artifact_type = manifest_of(root).artifact_type
        said = _config_of(content, root)
        platform = None if said is None else said.platform
        descriptor = replace(root.descriptor, platform=platform, artifact_type=artifact_type)
        yield IndexEntry(descriptor, {**descriptor_json(descriptor), **_platform_json(said)})
        return
    for entry in listing.entries:
        child = entry.descriptor
        if child.platform is not None or not names_manifest(child):
            yield entry
            continue
        blob = listing.read(content, child)
        if blob is None:
            raise not_there(child, root)
        said = _config_of(content, blob) if blob.descriptor.media_type in MANIFEST_TYPES else None
        if said is None:
            yield entry
        else:
            yield IndexEntry(replace(child, platform=said.platform), {**entry.raw, **_platform_json(said)})


def _config_of(content: Content, blob: BytesBlob) -> ConfigFile | None:
    """What an image says of itself; None for what is no image, or does not say its platform."""
    manifest = manifest_of(blob)
    if not is_image(manifest):
        return None
    found = decode_config(content.config(manifest.config))
    return None if found.platform == UNKNOWN else found


def _platform_json(said: ConfigFile | None) -> dict[str, Any]:
    """The platform in an entry: with the version of Windows, by which it takes the image that its kernel can run."""
    if said is None:
        return {}
    platform = said.platform
    document: dict[str, Any] = {"os": platform.os, "architecture": platform.architecture}
    beside = {"variant": platform.variant, "os.version": said.os_version, "os.features": list(said.os_features)}
    return {"platform": document | {name: value for name, value in beside.items() if value}}


def narrowed(content: Content, root: BytesBlob, platforms: Sequence[Platform], *, what: str) -> BytesBlob:
    """What is left of an index with the images for some platforms alone, and the attestations that are theirs.

    One platform is its image's manifest, without an index around it. Several are an index that is as the other was
    otherwise, so that every digest but its own stays; the same index where nothing is left out. Raises PlatformUnknown
    with `what` as its name, ContentInvalid, and as `content` does.
    """
    images = [choose_image(content, root, platform, what=what) for platform in platforms]
    chosen = {image.descriptor.digest: image for image in images}
    if len(set(platforms)) == 1 or root.descriptor.media_type not in INDEX_TYPES:
        return images[0]
    names = {str(digest) for digest in chosen}
    entries = walk(content, root).entries
    kept = [
        dict(entry.raw)
        for entry in entries
        if entry.descriptor.digest in chosen or entry.descriptor.annotations.get(_ATTESTS_TO) in names
    ]
    document = index_document(root.data)
    if len(kept) == len(entries) == len(document["manifests"]):
        return root
    return BytesBlob.of(root.descriptor.media_type, encode_json({**document, "manifests": kept}))
