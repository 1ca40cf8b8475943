"""Images as BuildKit makes them: each with a manifest that attests to it and runs nowhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from cargoship.oci.descriptor import BytesBlob, Descriptor
from cargoship.oci.digest import Digest
from cargoship.oci.image import Image
from cargoship.oci.index import Index
from cargoship.oci.layer import Layer
from cargoship.oci.manifest import encode_json
from cargoship.oci.platform import Platform
from support.images import small_image

ATTESTATION = "vnd.docker.reference.type"


def attestation(image: Image) -> Image:
    """A statement about an image (docs.docker.com, "Image attestation storage")."""
    statement = BytesBlob.of("application/vnd.in-toto+json", json.dumps({"subject": str(image.digest)}).encode())
    config = BytesBlob.of(
        "application/vnd.oci.image.config.v1+json",
        encode_json(
            {
                "architecture": "unknown",
                "os": "unknown",
                "config": {},
                "rootfs": {"type": "layers", "diff_ids": [str(statement.descriptor.digest)]},
            }
        ),
    )
    manifest = encode_json(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": _json(config.descriptor),
            "layers": [_json(statement.descriptor)],
        }
    )
    return Image(manifest, config.data, (Layer(statement, statement.descriptor.digest),))


def attested_index(store: Path, platforms: Sequence[Platform], *, annotations: dict[str, str] | None = None) -> Index:
    """An index of small images, each with its attestation and with a field that cargoship does not know."""
    images = [small_image(store, platform) for platform in platforms]
    entries = []
    for image in images:
        platform = {"os": image.platform.os, "architecture": image.platform.architecture, "os.features": ["x"]}
        entries.append({**_json(image.manifest_blob.descriptor), "platform": platform})
    for image in images:
        about = {ATTESTATION: "attestation-manifest", "vnd.docker.reference.digest": str(image.digest)}
        entries.append(
            {
                **_json(attestation(image).manifest_blob.descriptor),
                "platform": {"os": "unknown", "architecture": "unknown"},
                "annotations": about,
            }
        )
    document: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": entries,
    }
    if annotations:
        document["annotations"] = annotations
    return Index(encode_json(document), (*images, *(attestation(image) for image in images)))


def nested_index(inner: Index) -> Index:
    """An index of an index."""
    document = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [_json(inner.descriptor)],
    }
    return Index(encode_json(document), (), (inner,))


def _json(descriptor: Descriptor) -> dict[str, object]:
    return {"mediaType": descriptor.media_type, "digest": str(descriptor.digest), "size": descriptor.size_bytes}


def digests_of(index: Index) -> set[Digest]:
    """Every manifest and blob."""
    return {blob.descriptor.digest for blob in (*index.manifests(), *index.blobs())}
