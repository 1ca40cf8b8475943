"""The entries of an index, as it writes them, and the index of some of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from cargoship.oci.content import (
    Content,
    IndexEntry,
    manifest_of,
    names_manifest,
    not_there,
    platform_of,
    walk,
)
from cargoship.oci.descriptor import INDEX_TYPES, MANIFEST_TYPES, BytesBlob
from cargoship.oci.index import normalized_platform
from cargoship.oci.manifest import descriptor_json, encode_json, index_document
from cargoship.oci.platform import Platform
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
        descriptor = replace(root.descriptor, platform=platform_of(content, root), artifact_type=artifact_type)
        yield IndexEntry(descriptor, descriptor_json(descriptor))
        return
    for entry in listing.entries:
        child = entry.descriptor
        if child.platform is not None or not names_manifest(child):
            yield entry
            continue
        blob = listing.read(content, child)
        if blob is None:
            raise not_there(child, root)
        platform = platform_of(content, blob) if blob.descriptor.media_type in MANIFEST_TYPES else None
        if platform is None:
            yield entry
        else:
            found = replace(child, platform=platform)
            yield IndexEntry(found, {**entry.raw, "platform": descriptor_json(found)["platform"]})


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
