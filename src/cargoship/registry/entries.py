"""The entries of an index, as it writes them, and the index of some of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cargoship.errors import ContentInvalid
from cargoship.oci.descriptor import INDEX_TYPES, BytesBlob, Descriptor
from cargoship.oci.index import normal
from cargoship.oci.manifest import decode_index, decode_json, decode_manifest, descriptor_json, encode_json
from cargoship.oci.platform import Platform
from cargoship.registry.tree import Content, choose_image, platform_of, read_child

_DEPTH_MAX = 4
_ATTESTS_TO = "vnd.docker.reference.digest"
"""How BuildKit's attestations name their image (docs.docker.com, "Image attestation storage")."""


@dataclass(frozen=True)
class Entry:
    """One manifest of an index: `raw` is what the index says of it, in full."""

    descriptor: Descriptor
    raw: Mapping[str, Any]

    @property
    def runs_on(self) -> tuple[object, ...] | None:
        """What must not be there twice; None for what no platform runs, such as an attestation."""
        platform = self.descriptor.platform
        if platform is None or platform.os == "unknown":
            return None
        return (normal(platform), (self.raw.get("platform") or {}).get("os.version"))


def entries_of(content: Content, blob: BytesBlob, depth: int = 0) -> Iterator[Entry]:
    """What an index names, that of the indexes inside it in their place; an image is its own only entry.

    Raises as `content` does, and ContentInvalid.
    """
    if blob.descriptor.media_type not in INDEX_TYPES:
        descriptor = replace(
            blob.descriptor,
            platform=platform_of(content, blob),
            artifact_type=decode_manifest(blob.data, blob.descriptor.media_type).artifact_type,
        )
        yield Entry(descriptor, descriptor_json(descriptor))
        return
    if depth > _DEPTH_MAX:
        raise ContentInvalid(f"{blob.descriptor.digest} is an index inside too many others")
    children = decode_index(blob.data, blob.descriptor.media_type).manifests
    raws = decode_json(blob.data, dict[str, Any], "index")["manifests"]
    for child, raw in zip(children, raws, strict=True):
        if child.media_type in INDEX_TYPES:
            yield from entries_of(content, read_child(content, child), depth + 1)
        elif child.platform is None:
            platform = platform_of(content, read_child(content, child))
            told = (
                {} if platform is None else {"platform": descriptor_json(replace(child, platform=platform))["platform"]}
            )
            yield Entry(replace(child, platform=platform), {**raw, **told})
        else:
            yield Entry(child, raw)


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
    entries = tuple(entries_of(content, root))
    kept = [
        dict(entry.raw)
        for entry in entries
        if entry.descriptor.digest in chosen or entry.descriptor.annotations.get(_ATTESTS_TO) in names
    ]
    document = decode_json(root.data, dict[str, Any], "index")
    if len(kept) == len(entries) == len(document["manifests"]):
        return root
    return BytesBlob.of(root.descriptor.media_type, encode_json({**document, "manifests": kept}))
