"""What is said about a manifest and is in none of it: SBOMs, provenance, signatures, as values.

Wherever an image goes, these go with it in one form: manifests whose subject it is (image-spec, manifest.md,
"subject"), and for cosign before 3 manifests that a tag made of the subject's digest finds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from msgspec import Struct

from cargoship.oci.descriptor import Blob, BytesBlob, Descriptor, MediaType
from cargoship.oci.manifest import IndexManifest, encode_index
from cargoship.oci.tree import ManifestTree

REFERRERS = "dev.cargoship.referrers"
"""On the entry of an image in a layout: the digest of the list of what refers to it, an index as under the tag of the
distribution specification's fallback ("Referrers Tag Schema")."""
TAG = "org.opencontainers.image.ref.name"
"""In that list: the tag of what has no subject."""


class Referrer(Struct, frozen=True):
    """A manifest about another one, with all that it names.

    `tag` is the name by which it is found where it has no subject, such as cosign's `sha256-<hex>.sig`.
    """

    tree: ManifestTree
    tag: str | None = None

    @property
    def descriptor(self) -> Descriptor:
        """The manifest, as lists of referrers describe it."""
        found = self.tree.descriptor
        return found if self.tag is None else replace(found, annotations={**found.annotations, TAG: self.tag})


def list_of(about: Iterable[Referrer]) -> BytesBlob:
    """The list of referrers, as an index; their order does not matter."""
    ordered = sorted((each.descriptor for each in about), key=lambda each: (each.digest, each.annotations.get(TAG, "")))
    return BytesBlob.of(MediaType.OCI_INDEX, encode_index(IndexManifest(MediaType.OCI_INDEX, tuple(ordered))))


def blobs_of(about: Sequence[Referrer]) -> Iterator[Blob]:
    """Everything that has to be there for the referrers to be; a digest may come twice."""
    for each in about:
        yield from each.tree.blobs()
        yield from each.tree.manifests()
