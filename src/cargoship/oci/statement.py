"""What is said of an image inside its index, in BuildKit's form: statements of in-toto, in a manifest for each image.

https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md and
https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec
from msgspec import Struct

from cargoship.oci.artifact import artifact_of, made_of
from cargoship.oci.descriptor import BytesBlob, Descriptor, MediaType
from cargoship.oci.image import Image
from cargoship.oci.index import Index
from cargoship.oci.layer import Layer
from cargoship.oci.manifest import IndexManifest, encode_index
from cargoship.oci.platform import UNKNOWN
from cargoship.oci.tree import ManifestTree

IN_TOTO = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "in-toto.io/predicate-type"
ATTESTS_TO = "vnd.docker.reference.digest"
ATTESTATION_KIND = "vnd.docker.reference.type"
_ATTESTATION = "application/vnd.docker.attestation.manifest.v1+json"


class Document(Struct, frozen=True):
    """Something that is said about a manifest, before it is written anywhere.

    `data` is JSON: the predicate of `predicate_type`. Beside an image it is a document of `media_type`, or a statement
    where nobody knows the predicate by a media type.
    """

    subject: Descriptor
    predicate_type: str
    data: bytes
    media_type: str | None = None

    def statement(self, name: str) -> bytes:
        """The statement of in-toto that says it; `name` is what the image is called."""
        subject = {"name": name, "digest": {self.subject.digest.algorithm: self.subject.digest.hex}}
        document = {
            "_type": STATEMENT,
            "subject": [subject],
            "predicateType": self.predicate_type,
            "predicate": msgspec.Raw(self.data),
        }
        return msgspec.json.encode(document)

    def artifact(self, name: str, annotations: Mapping[str, str]) -> ManifestTree:
        """The manifest that says it of its subject."""
        if self.media_type is not None:
            return artifact_of(self.subject, self.media_type, self.data, annotations=annotations)
        said = {**annotations, PREDICATE_TYPE: self.predicate_type}
        return artifact_of(self.subject, IN_TOTO, self.statement(name), annotations=said)


def with_statements(index: Index, documents: Sequence[Document], name: str) -> Index:
    """The index with what is said of its images in it: after the images one manifest for each of which something is.

    Documents about other manifests are left out. The images stay what they are; the index's digest is another one.
    """
    entries = list(index.manifest.manifests)
    made = []
    for image in index.children:
        own = [each for each in documents if each.subject.digest == image.digest]
        if not own:
            continue
        attestation = _attestation(image.descriptor, own, name)
        made.append(attestation)
        about = {ATTESTS_TO: str(image.digest), ATTESTATION_KIND: "attestation-manifest"}
        entries.append(replace(attestation.manifest_blob.descriptor, platform=UNKNOWN, annotations=about))
    raw = encode_index(IndexManifest(MediaType.OCI_INDEX, tuple(entries), index.manifest.annotations))
    return Index(raw, (*index.children, *made), index.nested, index.algorithm)


def _attestation(subject: Descriptor, documents: Sequence[Document], name: str) -> Image:
    layers = []
    for each in documents:
        blob = BytesBlob.of(IN_TOTO, each.statement(name))
        described = replace(blob.descriptor, annotations={PREDICATE_TYPE: each.predicate_type})
        layers.append(replace(blob, descriptor=described))
    tree = made_of(subject, _ATTESTATION, layers, annotations={})
    (config,) = tree.configs
    with config.open() as stream:
        return Image(tree.root.data, stream.read(), tuple(Layer(each, each.descriptor.digest) for each in layers))
