"""SBOMs that images have, no matter who made them.

Looked for in the order in which scanners do: what refers to the image (ours, Trivy's, oras', ko's), then what is in
attestations about it (cosign's, Syft's, GitHub's), then BuildKit's attestations inside the index
(https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct

from cargoship.attest.statement import split_statement
from cargoship.bom.cyclonedx import MEDIA_TYPE as CYCLONEDX
from cargoship.bom.join import join_sboms
from cargoship.bom.spdx import MEDIA_TYPE as SPDX
from cargoship.bom.spdx3 import is_spdx3
from cargoship.context import Context
from cargoship.decoding import Undecodable, check_json, decode_json
from cargoship.errors import ContentInvalid, NothingAttached
from cargoship.images.opening import open_image, platform_in_image
from cargoship.images.statements import AttachedDocument, DocumentForm, attached_documents
from cargoship.oci.artifact import artifact_of
from cargoship.oci.content import walk
from cargoship.oci.descriptor import MANIFEST_TYPES, Blob, BytesBlob, Descriptor
from cargoship.oci.digest import Digest
from cargoship.oci.manifest import decode_index, decode_manifest
from cargoship.oci.platform import UNKNOWN
from cargoship.oci.referrer import Referrer
from cargoship.oci.target import ImageTarget
from cargoship.registry.copy import chosen_root
from cargoship.registry.source import ImageSource

DOCUMENT_BYTES_MAX = 64 << 20
"""An SBOM of the largest images has a few megabytes."""
FORMATS = {"cyclonedx": CYCLONEDX, "spdx": SPDX, "spdx-3": SPDX}
"""Media types by the names that people use; SPDX 2 and 3 share theirs."""
_MEDIA_TYPES = {CYCLONEDX: CYCLONEDX, SPDX: SPDX, "text/spdx+json": SPDX}
"""The last is ko's, and cosign's `attach sbom`."""
PREDICATES = {
    "https://cyclonedx.org/bom": CYCLONEDX,
    # cosign's before 2
    "https://cyclonedx.org/schema": CYCLONEDX,
    "https://spdx.dev/Document": SPDX,
    # GitHub's actions/attest-sbom
    "https://spdx.dev/Document/v2.3": SPDX,
    "https://spdx.dev/Document/v2.2": SPDX,
}
"""Types of statements that have an SBOM for their predicate, with its media type."""
_IN_TOTO = "application/vnd.in-toto+json"
_PREDICATE_TYPE = "in-toto.io/predicate-type"
_REFERENCE_DIGEST = "vnd.docker.reference.digest"
_SAME_MOMENT_MAX = 64
_CREATED = "org.opencontainers.image.created"


class FoundSbom(Struct, frozen=True):
    """An SBOM of `subject`, as its maker wrote it."""

    subject: Digest
    media_type: str
    document: bytes


def find_sbom(target: str, context: Context, *, platform: str | None, form: str | None) -> FoundSbom:
    """The SBOM of an image, or of what it is for one platform; `form` is one of FORMATS.

    Raises NothingAttached, PlatformUnknown, ContentInvalid, UsageError, RegistryError's family.
    """
    with open_image(ImageTarget.parse(target, context.cwd), context) as source:
        root = chosen_root(source, [] if platform is None else [platform_in_image(platform)])
        listed = (*_referring(source, root.descriptor.digest), *_inside(source, root, only=platform is not None))
        # of several kinds the one that most tools read
        for kind in FORMATS if form is None else (form,):
            found = _newest(listed, kind, source)
            if found is not None:
                return found
    of = f" in the format {form}" if form else ""
    for_platform = f" for {platform}" if platform else ""
    raise NothingAttached(
        f"{target} has no SBOM{of}{for_platform}",
        hint="cargoship build attaches one; other tools may have attached one for a platform: --platform"
        if platform is None
        else "cargoship build attaches one",
    )


def _newest(listed: Sequence[_ListedSbom], form: str, source: ImageSource) -> FoundSbom | None:
    """The newest SBOM of a kind, in whatever order a registry lists them; None where there is none.

    Of several of one moment that in the latest version of the format, and of those the one with the least digest.
    """
    own = sorted((each for each in listed if each.media_type == FORMATS[form]), key=_ranked)
    for _, group in itertools.groupby(own, key=_ranked):
        same = list(group)
        if len(same) > _SAME_MOMENT_MAX:
            raise ContentInvalid(f"{source.said} has {len(same)} SBOMs of one moment; more than is read")
        found = ((each, each.document(source)) for each in same)
        right = ((each, data) for each, data in found if form == "cyclonedx" or is_spdx3(data) == (form == "spdx-3"))
        ranked = (((*_version(data), each.layer.digest), each, data) for each, data in right)
        best = min(ranked, key=lambda one: one[0], default=None)
        if best is not None:
            return FoundSbom(best[1].subject, best[1].media_type, best[2])
    return None


def _ranked(each: _ListedSbom) -> tuple[float, bool]:
    """The newest first, and a document before a statement that repeats it, signed."""
    return -each.moment, each.is_statement


class _Version(Struct):
    cyclonedx: msgspec.Raw = msgspec.field(name="specVersion", default=msgspec.Raw())
    spdx: msgspec.Raw = msgspec.field(name="spdxVersion", default=msgspec.Raw())


def _version(document: bytes) -> tuple[int, int]:
    """The version of an SBOM's format, negated: the latest comes first. SPDX 3 does not say it where it is known."""
    said = decode_json(document, _Version)
    for each in (bytes(said.cyclonedx), bytes(said.spdx)):
        found = re.match(rb'"?(?:SPDX-)?(\d{1,3})\.(\d{1,3})', each)
        if found:
            return -int(found[1]), -int(found[2])
    return 0, 0


def sboms_of_index(root: BytesBlob, about: Sequence[Referrer]) -> tuple[Referrer, ...]:
    """The SBOMs of an index that was merged, made of those that its images have; for formats that all of them have.

    Raises ContentInvalid for one that is larger than is read.
    """
    images = [entry for entry in decode_index(root.data, root.descriptor.media_type).manifests if _is_run(entry)]
    found = []
    for kind in FORMATS.values():
        by_image = {subject: one for one in reversed(about) if (subject := _sbom_about(one, kind)) is not None}
        own = [by_image.get(entry.digest) for entry in images]
        documents = [_document(one) for one in own if one is not None]
        union = (
            join_sboms(kind, documents, root.descriptor.digest) if documents and len(documents) == len(images) else None
        )
        if union is not None:
            created = max((one.descriptor.annotations.get(_CREATED, "") for one in own if one is not None), default="")
            said = {_CREATED: created} if created else {}
            found.append(Referrer(artifact_of(root.descriptor, kind, union, annotations=said)))
    return tuple(found)


def _is_run(entry: Descriptor) -> bool:
    return entry.platform is not None and entry.platform != UNKNOWN


def _sbom_about(said: Referrer, kind: str) -> Digest | None:
    """Whose SBOM of this kind it is; None where it is something else."""
    root = said.tree.root
    if root.descriptor.media_type not in MANIFEST_TYPES or root.descriptor.artifact_type != kind:
        return None
    manifest = decode_manifest(root.data)
    is_one = len(manifest.layers) == 1 and manifest.layers[0].media_type == kind
    return manifest.subject.digest if is_one and manifest.subject is not None else None


def _document(said: Referrer) -> bytes:
    (layer,) = (blob for blob in said.tree.layers)
    return _content(layer)


class _ListedSbom(Struct, frozen=True):
    """An SBOM that has not been read yet; `is_statement` says that it is what a statement of in-toto says.

    `attached` is a statement in an envelope. `moment` is when its maker says that it was made, in seconds since 1970.
    """

    subject: Digest
    media_type: str
    layer: Descriptor
    is_statement: bool = False
    moment: float = float("-inf")
    attached: AttachedDocument | None = None

    def document(self, source: ImageSource) -> bytes:
        found = self._said(source) if self.is_statement else _read(source, self.layer)
        try:
            # whoever reads what is printed is spared what no SBOM is like
            check_json(found)
        except Undecodable as error:
            raise ContentInvalid(f"an SBOM of {self.subject} is none: {error}") from error
        return found

    def _said(self, source: ImageSource) -> bytes:
        """What a statement of in-toto says of its subject, as it is written there."""
        own = self.attached
        said = _predicate(_read(source, self.layer), self.subject) if own is None else own.predicate(source)
        if said is None or PREDICATES.get(said[0]) != self.media_type:
            raise ContentInvalid(f"an attestation of {self.subject} says otherwise than its annotations what it is")
        return _unwrapped(said[1])


def _referring(source: ImageSource, subject: Digest) -> Iterator[_ListedSbom]:
    for each in attached_documents(source, subject):
        is_statement = each.form not in {DocumentForm.OTHER, DocumentForm.SIMPLE}
        if is_statement:
            kind = PREDICATES.get(each.said)
        else:
            kind = _MEDIA_TYPES.get(each.layer.media_type.partition(";")[0].strip())
        if kind is None:
            continue
        # the list under a registry's fallback tag is anybody's
        if each.tag is None and each.refers_to != subject:
            raise ContentInvalid(f"{each.manifest} is listed as about {subject}, and is not")
        yield _ListedSbom(subject, kind, each.layer, is_statement, each.moment, each)


class _Wrapping(Struct, forbid_unknown_fields=True):
    inner: msgspec.Raw = msgspec.field(name="Data", default=msgspec.Raw(b"null"))
    moment: msgspec.Raw = msgspec.field(name="Timestamp", default=msgspec.Raw(b"null"))


def _unwrapped(predicate: bytes) -> bytes:
    """What cosign before 2 put around an SBOM: `{"Data": ..., "Timestamp": ...}`, the SBOM as it is or as a text."""
    try:
        inner = bytes(decode_json(predicate, _Wrapping).inner)
        if inner.startswith(b'"'):
            inner = decode_json(inner, str).encode()
    except Undecodable:
        return predicate
    return inner if inner.lstrip().startswith(b"{") else predicate


def _inside(source: ImageSource, root: BytesBlob, *, only: bool) -> Iterator[_ListedSbom]:
    """BuildKit's attestations: entries of the index that say of which other entry they speak."""
    for entry in walk(source.content, source.root).entries:
        about = entry.descriptor.annotations.get(_REFERENCE_DIGEST, "")
        if not about or (only and about != str(root.descriptor.digest)):
            continue
        manifest = source.content.find(entry.descriptor)
        if manifest is None or manifest.descriptor.media_type not in MANIFEST_TYPES:
            continue
        for layer in decode_manifest(manifest.data).layers:
            kind = PREDICATES.get(layer.annotations.get(_PREDICATE_TYPE, ""))
            if layer.media_type == _IN_TOTO and kind is not None:
                yield _ListedSbom(Digest.parse(about), kind, layer, is_statement=True)


def _predicate(statement: bytes, about: Digest) -> tuple[str, bytes]:
    """What kind of thing a statement of in-toto says of its subject, and that; raises ContentInvalid for another's."""
    heading, predicate = split_statement(statement)
    if not heading.speaks_of(about):
        raise ContentInvalid(f"an attestation of {about} speaks of something else")
    return heading.predicate_type, predicate


def _read(source: ImageSource, layer: Descriptor) -> bytes:
    return _content(source.content.blob(layer))


def _content(blob: Blob) -> bytes:
    layer = blob.descriptor
    if layer.size_bytes > DOCUMENT_BYTES_MAX:
        raise ContentInvalid(f"an SBOM has {layer.size_bytes} bytes; more than any has are not read")
    with blob.open() as stream:
        data = stream.read(layer.size_bytes + 1)
    if Digest.of(data, layer.digest.algorithm) != layer.digest:
        raise ContentInvalid(f"{layer.digest} has other contents than its digest says")
    return data
