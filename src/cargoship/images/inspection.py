"""What an image is, wherever it lies: its index, platforms, layers, configuration and sizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from cargoship.errors import ContentInvalid, RegistryError
from cargoship.oci.config import ConfigFile
from cargoship.oci.descriptor import INDEX_TYPES, Descriptor
from cargoship.oci.digest import Digest
from cargoship.oci.image import Image
from cargoship.oci.manifest import Manifest, decode_index
from cargoship.oci.statement import ATTESTATION_KIND, ATTESTS_TO, PREDICATE_TYPE
from cargoship.registry.pull import read_images
from cargoship.registry.referrers import as_listed
from cargoship.registry.source import ImageSource

_ASKED_MAX = 16
"""Of how many images it is asked what is said about them."""


class InspectedImage(Struct, frozen=True):
    """One image of an index."""

    descriptor: Descriptor
    manifest: Manifest
    config: ConfigFile

    @property
    def size_bytes(self) -> int:
        """What a pull transfers."""
        layers = sum(layer.size_bytes for layer in self.manifest.layers)
        return self.descriptor.size_bytes + self.manifest.config.size_bytes + layers


class AttachedManifest(Struct, frozen=True):
    """Something that is said about an image, by its kind; what it says is not looked at."""

    subject: Digest
    descriptor: Descriptor
    tag: str | None = None
    """How it is found, where not by its subject."""
    predicate_types: tuple[str, ...] = ()
    """What an attestation of BuildKit's says, which lies in the index beside what it is about."""

    @property
    def kind(self) -> str:
        """Its artifact type; for what cosign finds by a tag the end of that, for an attestation what it says."""
        said = ", ".join(self.predicate_types) or self.descriptor.artifact_type
        return said or (self.tag or "").rpartition(".")[2] or self.descriptor.media_type


class Inspection(Struct, frozen=True):
    """What was found at `target`; `annotations` are those of the index, or of the one image that it is.

    `missing` is what the index names and is not there, `others` what it names and is no manifest.
    """

    target: str
    root: Descriptor
    annotations: dict[str, str]
    images: tuple[InspectedImage, ...]
    missing: tuple[Descriptor, ...] = ()
    others: tuple[Descriptor, ...] = ()
    attached: tuple[AttachedManifest, ...] = ()
    """What refers to it and to its images, or attests to them in the index: SBOMs, provenance, signatures."""
    unknown: str = ""
    """Why nobody knows what is attached: the registry does not tell, or the image came from a mirror and the registry
    does not answer."""


def inspection_of(target: str, source: ImageSource) -> Inspection:
    """Look at an image without its layers; raises ContentInvalid, and what reading the source raises."""
    found = read_images(source.content, source.root, source.each)
    images = [(each.descriptor, Image(each.manifest.data, each.config.data, layers=())) for each in found.images]
    root = source.root.descriptor
    if root.media_type in INDEX_TYPES:
        annotations = dict(decode_index(source.root.data, root.media_type).annotations)
    else:
        annotations = dict(images[0][1].manifest.annotations) if images else {}
    attesting = [said for each, image in images if (said := _attesting(each, image.manifest)) is not None]
    attests = {each.descriptor.digest for each in attesting}
    inspected = tuple(
        InspectedImage(each, image.manifest, image.config_file) for each, image in images if each.digest not in attests
    )
    attached: tuple[AttachedManifest, ...] = ()
    unknown = ""
    try:
        attached = tuple(_attached(source, [root.digest, *(each.descriptor.digest for each in inspected[:_ASKED_MAX])]))
    except RegistryError as error:
        unknown = error.message
    attached = (*attesting, *attached)
    return Inspection(target, root, annotations, inspected, found.missing, found.others, attached, unknown)


def _attesting(entry: Descriptor, manifest: Manifest) -> AttachedManifest | None:
    """An entry of an index as what it says of another one; None for one that is an image by itself."""
    if ATTESTATION_KIND not in entry.annotations:
        return None
    try:
        subject = Digest.parse(entry.annotations.get(ATTESTS_TO, ""))
    except ContentInvalid:
        return None
    said = (layer.annotations.get(PREDICATE_TYPE, "") for layer in manifest.layers)
    return AttachedManifest(subject, entry, None, tuple(dict.fromkeys(filter(None, said))))


def _attached(source: ImageSource, subjects: Sequence[Digest]) -> Iterator[AttachedManifest]:
    """What is said about these themselves; in an order that is always the same."""

    def of(subject: Digest) -> list[AttachedManifest]:
        about = () if source.about is None else source.about(subject)
        return [AttachedManifest(subject, as_listed(blob).descriptor, tag) for blob, tag in about]

    distinct = list(dict.fromkeys(subjects))
    found = [one for own in source.each(of, distinct) for one in own]
    order = {subject: place for place, subject in enumerate(distinct)}
    yield from sorted(found, key=lambda each: (order[each.subject], each.kind, each.descriptor.digest))
