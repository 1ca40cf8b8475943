"""What is attached to an image, no matter who attached it: each document with its form, and how it is read.

Referrers (ours, oras', cosign 3's, GitHub's), cosign 2's tags, and BuildKit's attestations inside the index. All of it
is anybody's: sizes are bounded, digests are checked, and nothing is believed of what annotations say.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TypeVar

from msgspec import Struct

from cargoship.attest.provenance import PREDICATE, Provenance, provenance_of
from cargoship.attest.statement import MEDIA_TYPE, PREDICATE_TYPE, Heading, Statement, decode_statement, split_statement
from cargoship.context import Context
from cargoship.errors import ContentInvalid, NothingAttached
from cargoship.images.opening import open_image, platform_in_image
from cargoship.oci.content import walk
from cargoship.oci.descriptor import INDEX_TYPES, MANIFEST_TYPES, Descriptor
from cargoship.oci.digest import Digest
from cargoship.oci.manifest import decode_manifest
from cargoship.oci.target import ImageTarget
from cargoship.registry.copy import chosen_root
from cargoship.registry.source import ImageSource
from cargoship.signing.bundle import BUNDLE_PREDICATE, BUNDLE_TYPES, read_bundle
from cargoship.signing.envelope import ENVELOPE_BYTES_MAX, ENVELOPE_TYPE, read_envelope
from cargoship.signing.simple import SIMPLE_TYPE

S = TypeVar("S", Heading, Statement)
_CREATED = "org.opencontainers.image.created"
_REFERENCE_DIGEST = "vnd.docker.reference.digest"
_LAYERS_MAX = 200
"""Of one manifest: cosign 2 puts every signature of an image into one."""
_MANIFESTS_MAX = 1000
"""About one image; a team that signs again each night gets there in three years."""
_PROVENANCE_BYTES_MAX = 10 << 20
"""Where a build has a thousand materials it is some hundred kilobytes; all of it becomes objects."""
_BYTES_MAX = 512 << 20
"""Of all documents about one image, as their descriptors say."""


class DocumentForm(enum.Enum):
    """What a document is."""

    BUNDLE = "bundle"
    """A statement with its signature, as Sigstore has it."""
    ENVELOPE = "envelope"
    """A statement with its signatures (DSSE)."""
    SIMPLE = "signature"
    """A signature of cosign's before version 3; it is in the annotations."""
    STATEMENT = "statement"
    """A statement that nobody has signed."""
    OTHER = "document"


_FORMS = {
    **dict.fromkeys(BUNDLE_TYPES, DocumentForm.BUNDLE),
    ENVELOPE_TYPE: DocumentForm.ENVELOPE,
    SIMPLE_TYPE: DocumentForm.SIMPLE,
    MEDIA_TYPE: DocumentForm.STATEMENT,
}


class AttachedDocument(Struct, frozen=True):
    """A document that is attached to `subject`, and not read yet."""

    subject: Digest
    manifest: Digest
    """The one that has it."""
    tag: str | None
    """By which that is found; None: by its subject."""
    form: DocumentForm
    layer: Descriptor
    said: str = ""
    """The type of its predicate, or of the document, as its annotations have it."""
    created: str = ""
    """The time that its maker gave it (RFC 3339), or nothing."""
    refers_to: Digest | None = None
    """What the manifest says that it is about, if anything."""

    @property
    def moment(self) -> float:
        """When it was made, in seconds since 1970; what has no time is before all."""
        try:
            at = datetime.fromisoformat(self.created)
            return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            return float("-inf")

    def read(self, source: ImageSource) -> bytes:
        """Its bytes; raises ContentInvalid, RegistryError's family."""
        if self.layer.size_bytes > ENVELOPE_BYTES_MAX:
            raise ContentInvalid(f"an attached document has {self.layer.size_bytes} bytes; more than any has")
        with source.content.blob(self.layer).open() as stream:
            data = stream.read(self.layer.size_bytes + 1)
        if Digest.of(data, self.layer.digest.algorithm) != self.layer.digest:
            raise ContentInvalid(f"{self.layer.digest} has other contents than its digest says")
        return data

    def statement(self, source: ImageSource) -> Statement | None:
        """The statement in it, about this very subject; None where there is none. Raises as `read` does."""
        payload = self._payload(source)
        return None if payload is None else self._about_it(decode_statement(payload))

    def predicate(self, source: ImageSource) -> tuple[str, bytes] | None:
        """Of the statement in it, what kind of thing it says, and that as it is written there; as `statement`."""
        payload = self._payload(source)
        if payload is None:
            return None
        heading, predicate = split_statement(payload)
        return self._about_it(heading).predicate_type, predicate

    def _payload(self, source: ImageSource) -> bytes | None:
        match self.form:
            case DocumentForm.STATEMENT:
                return self.read(source)
            case DocumentForm.ENVELOPE:
                return read_envelope(self.read(source)).payload
            case DocumentForm.BUNDLE:
                return read_bundle(self.read(source)).envelope.payload
            case _:
                return None

    def _about_it(self, said: S) -> S:
        if not said.speaks_of(self.subject):
            raise ContentInvalid(f"an attestation of {self.subject} speaks of something else")
        return said


def attached_documents(source: ImageSource, subject: Digest) -> Iterator[AttachedDocument]:
    """Everything that is attached to a manifest; raises as the source does, and ContentInvalid."""
    if source.about is None:
        return
    size_bytes = 0
    for number, (manifest, tag) in enumerate(source.about(subject)):
        if number >= _MANIFESTS_MAX:
            raise ContentInvalid(f"more is attached to {subject} than is read: over {_MANIFESTS_MAX} manifests")
        if manifest.descriptor.media_type not in MANIFEST_TYPES:
            continue
        read = decode_manifest(manifest.data, manifest.descriptor.media_type)
        if len(read.layers) > _LAYERS_MAX:
            raise ContentInvalid(f"{manifest.descriptor.digest} has {len(read.layers)} documents about {subject}")
        for layer in read.layers:
            size_bytes += layer.size_bytes if layer.media_type in _FORMS else 0
            if size_bytes > _BYTES_MAX:
                raise ContentInvalid(f"more is attached to {subject} than is read: over {_BYTES_MAX >> 20} MiB")
            form = _FORMS.get(layer.media_type, DocumentForm.OTHER)
            annotations = {**read.annotations, **layer.annotations}
            said = (
                annotations.get(BUNDLE_PREDICATE) or annotations.get(PREDICATE_TYPE) or annotations.get("predicateType")
            )
            yield AttachedDocument(
                subject, manifest.descriptor.digest, tag, form, layer, said or layer.media_type,
                annotations.get(_CREATED, ""), None if read.subject is None else read.subject.digest,
            )  # fmt: skip


def inner_documents(source: ImageSource) -> Iterator[AttachedDocument]:
    """BuildKit's attestations: entries of the index that say of which other entry they speak; raises as the source."""
    if source.root.descriptor.media_type not in INDEX_TYPES:
        return
    entries = walk(source.content, source.root).entries
    attestations = [each for each in entries if each.descriptor.annotations.get(_REFERENCE_DIGEST)]
    if len(attestations) > _MANIFESTS_MAX:
        raise ContentInvalid(f"{source.said} has {len(attestations)} attestations in its index; more than is read")
    inside = {str(each.descriptor.digest) for each in entries} - {str(each.descriptor.digest) for each in attestations}
    for entry in attestations:
        about = entry.descriptor.annotations[_REFERENCE_DIGEST]
        if about not in inside:
            raise ContentInvalid(f"{entry.descriptor.digest} speaks of an image that {source.said} does not have")
        manifest = source.content.find(entry.descriptor)
        if manifest is None or manifest.descriptor.media_type not in MANIFEST_TYPES:
            continue
        for layer in decode_manifest(manifest.data).layers[:_LAYERS_MAX]:
            said = layer.annotations.get(PREDICATE_TYPE, "")
            form = _FORMS.get(layer.media_type, DocumentForm.OTHER)
            yield AttachedDocument(
                Digest.parse(about), manifest.descriptor.digest, None, form, layer, said or layer.media_type
            )


class FoundProvenance(Struct, frozen=True):
    """Where an image comes from, as somebody has said it; nobody has checked a signature of it."""

    subject: Digest
    provenance: Provenance


def find_provenance(target: str, context: Context, *, platform: str | None = None) -> FoundProvenance:
    """The provenance (SLSA, version 1) of an image, or of what it is for one platform: the newest that is attached.

    Of several of one moment that with the least digest, in whatever order a registry lists them.

    Raises NothingAttached, PlatformUnknown, ContentInvalid, UsageError, RegistryError's family.
    """
    with open_image(ImageTarget.parse(target, context.cwd), context) as source:
        root = chosen_root(source, [] if platform is None else [platform_in_image(platform)]).descriptor.digest
        inside = (each for each in inner_documents(source) if platform is None or each.subject == root)
        attached = sorted(attached_documents(source, root), key=lambda each: (-each.moment, each.layer.digest))
        for each in (*attached, *inside):
            if each.layer.size_bytes > _PROVENANCE_BYTES_MAX or each.form is DocumentForm.OTHER:
                continue
            # what says that it is something else is not fetched; what says nothing may be it
            if each.said not in {PREDICATE, each.layer.media_type}:
                continue
            said = each.statement(source)
            if said is not None and said.predicate_type == PREDICATE:
                return FoundProvenance(each.subject, provenance_of(said))
    where = f" for {platform}" if platform else ""
    raise NothingAttached(
        f"nobody says where {target} comes from{where}", hint="cargoship build --push attaches provenance"
    )
