"""A document about an image, as a manifest of its own (image-spec, manifest.md, "Guidelines for Artifact Usage")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from cargoship.oci.descriptor import Blob, BytesBlob, Descriptor, MediaType
from cargoship.oci.manifest import Manifest, encode_manifest
from cargoship.oci.tree import ManifestTree

_EMPTY = BytesBlob.of(MediaType.OCI_EMPTY, b"{}")


def artifact_of(
    subject: Descriptor, media_type: str, document: bytes, *, annotations: Mapping[str, str]
) -> ManifestTree:
    """The manifest that says of `subject` what is in `document`; its kind is that of the document."""
    return made_of(subject, media_type, [BytesBlob.of(media_type, document)], annotations=annotations)


def made_of(subject: Descriptor, kind: str, layers: Sequence[Blob], *, annotations: Mapping[str, str]) -> ManifestTree:
    """The manifest of this kind that says of `subject` what is in `layers`."""
    manifest = Manifest(
        MediaType.OCI_MANIFEST,
        _EMPTY.descriptor,
        tuple(layer.descriptor for layer in layers),
        annotations,
        # what it is, and not where it stands in an index
        subject=Descriptor(subject.media_type, subject.digest, subject.size_bytes),
        artifact_type=kind,
    )
    root = BytesBlob.of(MediaType.OCI_MANIFEST, encode_manifest(manifest))
    described = replace(root.descriptor, artifact_type=kind, annotations=annotations)
    return ManifestTree(replace(root, descriptor=described), (), tuple(layers), (_EMPTY,))
