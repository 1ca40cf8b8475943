"""Bills of materials that images have, no matter who made them.

Looked for in the order in which scanners do: what refers to the image (ours, Trivy's, oras'), then BuildKit's
attestations inside the index (https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from cargoship.bom.cyclonedx import MEDIA_TYPE as CYCLONEDX
from cargoship.bom.join import join_bills
from cargoship.bom.spdx import MEDIA_TYPE as SPDX
from cargoship.bom.spdx3 import is_spdx3
from cargoship.context import Context
from cargoship.decoding import Undecodable, decode_json
from cargoship.errors import ContentInvalid, NothingAttached
from cargoship.images.opening import open_image
from cargoship.oci.artifact import artifact_of
from cargoship.oci.content import walk
from cargoship.oci.descriptor import MANIFEST_TYPES, Blob, BytesBlob, Descriptor
from cargoship.oci.digest import Digest
from cargoship.oci.manifest import decode_index, decode_manifest
from cargoship.oci.platform import UNKNOWN
from cargoship.oci.referrer import Referrer
from cargoship.oci.target import ImageTarget
from cargoship.platforms import row
from cargoship.registry.copy import chosen_root
from cargoship.registry.source import ImageSource

DOCUMENT_BYTES_MAX = 64 << 20
"""A bill of the largest images has a few megabytes."""
FORMATS = {"cyclonedx": CYCLONEDX, "spdx": SPDX, "spdx-3": SPDX}
"""Media types by the names that people use; SPDX 2 and 3 share theirs."""
_PREDICATES = {"https://cyclonedx.org/bom": CYCLONEDX, "https://spdx.dev/Document": SPDX}
_IN_TOTO = "application/vnd.in-toto+json"
_PREDICATE_TYPE = "in-toto.io/predicate-type"
_REFERENCE_DIGEST = "vnd.docker.reference.digest"
_CREATED = "org.opencontainers.image.created"


class FoundBill(Struct, frozen=True):
    """A bill of materials of `subject`, as its maker wrote it."""

    subject: Digest
    media_type: str
    document: bytes


def find_bill(target: str, context: Context, *, platform: str | None, form: str | None) -> FoundBill:
    """The bill of an image, or of what it is for one platform; `form` is one of FORMATS.

    Raises NothingAttached, PlatformUnknown, ContentInvalid, UsageError, RegistryError's family.
    """
    wanted = list(FORMATS.values()) if form is None else [FORMATS[form]]
    with open_image(ImageTarget.parse(target, context.cwd), context) as source:
        root = chosen_root(source, [] if platform is None else [row(platform).platform])
        listed = (*_referring(source, root.descriptor.digest), *_inside(source, root, only=platform is not None))
        # of one kind the newest, whatever the order in which a registry lists; of several the one that most tools read
        newest = sorted(listed, key=lambda each: each.created, reverse=True)
        found = (each for kind in wanted for each in newest if each.media_type == kind)
        for each in found:
            document = each.document(source)
            if each.media_type != SPDX or form is None or is_spdx3(document) == (form == "spdx-3"):
                return FoundBill(each.subject, each.media_type, document)
    of = f" in the format {form}" if form else ""
    for_platform = f" for {platform}" if platform else ""
    raise NothingAttached(
        f"{target} has no bill of materials{of}{for_platform}",
        hint="cargoship build attaches one; other tools may have attached one for a platform: --platform"
        if platform is None
        else "cargoship build attaches one",
    )


def bills_of_index(root: BytesBlob, about: Sequence[Referrer]) -> tuple[Referrer, ...]:
    """The bills of an index that was merged, made of those that its images have; for formats that all of them have.

    Raises ContentInvalid for one that is larger than is read.
    """
    images = [entry for entry in decode_index(root.data, root.descriptor.media_type).manifests if _is_run(entry)]
    found = []
    for kind in FORMATS.values():
        by_image = {subject: one for one in reversed(about) if (subject := _bill_about(one, kind)) is not None}
        own = [by_image.get(entry.digest) for entry in images]
        documents = [_document(one) for one in own if one is not None]
        union = (
            join_bills(kind, documents, root.descriptor.digest) if documents and len(documents) == len(images) else None
        )
        if union is not None:
            created = max((one.descriptor.annotations.get(_CREATED, "") for one in own if one is not None), default="")
            said = {_CREATED: created} if created else {}
            found.append(Referrer(artifact_of(root.descriptor, kind, union, annotations=said)))
    return tuple(found)


def _is_run(entry: Descriptor) -> bool:
    return entry.platform is not None and entry.platform != UNKNOWN


def _bill_about(said: Referrer, kind: str) -> Digest | None:
    """Whose bill of this kind it is; None where it is something else."""
    root = said.tree.root
    if root.descriptor.media_type not in MANIFEST_TYPES or root.descriptor.artifact_type != kind:
        return None
    manifest = decode_manifest(root.data)
    is_one = len(manifest.layers) == 1 and manifest.layers[0].media_type == kind
    return manifest.subject.digest if is_one and manifest.subject is not None else None


def _document(said: Referrer) -> bytes:
    (layer,) = (blob for blob in said.tree.layers)
    return _content(layer)


class _ListedBill(Struct, frozen=True):
    """A bill that has not been read yet; `is_statement` says that it is what a statement of in-toto says.

    `created` is the time that its maker gave it (RFC 3339), or nothing.
    """

    subject: Digest
    media_type: str
    layer: Descriptor
    is_statement: bool = False
    created: str = ""

    def document(self, source: ImageSource) -> bytes:
        data = _read(source, self.layer)
        found = _predicate(data, self.subject) if self.is_statement else data
        try:
            # whoever reads what is printed is spared what no bill is like
            decode_json(found, dict[str, Any])
        except Undecodable as error:
            raise ContentInvalid(f"a bill of materials of {self.subject} is none: {error}") from error
        return found


def _referring(source: ImageSource, subject: Digest) -> Iterator[_ListedBill]:
    if source.about is None:
        return
    for manifest, tag in source.about(subject):
        if manifest.descriptor.media_type in MANIFEST_TYPES:
            said = decode_manifest(manifest.data)
            # the list under a registry's fallback tag is anybody's
            if tag is None and (said.subject is None or said.subject.digest != subject):
                raise ContentInvalid(f"{manifest.descriptor.digest} is listed as about {subject}, and is not")
            for layer in said.layers:
                yield _ListedBill(subject, layer.media_type, layer, created=said.annotations.get(_CREATED, ""))


def _inside(source: ImageSource, root: BytesBlob, *, only: bool) -> Iterator[_ListedBill]:
    """BuildKit's attestations: entries of the index that say of which other entry they speak."""
    for entry in walk(source.content, source.root).entries:
        about = entry.descriptor.annotations.get(_REFERENCE_DIGEST, "")
        if not about or (only and about != str(root.descriptor.digest)):
            continue
        manifest = source.content.find(entry.descriptor)
        if manifest is None or manifest.descriptor.media_type not in MANIFEST_TYPES:
            continue
        for layer in decode_manifest(manifest.data).layers:
            kind = _PREDICATES.get(layer.annotations.get(_PREDICATE_TYPE, ""))
            if layer.media_type == _IN_TOTO and kind is not None:
                yield _ListedBill(Digest.parse(about), kind, layer, is_statement=True)


def _predicate(statement: bytes, about: Digest) -> bytes:
    """What a statement of in-toto says of its subject; raises ContentInvalid where that is another one."""
    try:
        said = msgspec.json.decode(statement, type=dict[str, Any])
        subjects = [each["digest"]["sha256"] for each in said["subject"]]
        predicate = said["predicate"]
    except (msgspec.MsgspecError, KeyError, TypeError, UnicodeDecodeError, RecursionError) as error:
        raise ContentInvalid("an attestation is no statement of in-toto") from error
    if about.hex not in subjects:
        raise ContentInvalid(f"an attestation of {about} speaks of something else")
    return msgspec.json.encode(predicate)


def _read(source: ImageSource, layer: Descriptor) -> bytes:
    return _content(source.content.blob(layer))


def _content(blob: Blob) -> bytes:
    layer = blob.descriptor
    if layer.size_bytes > DOCUMENT_BYTES_MAX:
        raise ContentInvalid(f"a bill of materials has {layer.size_bytes} bytes; more than any has are not read")
    with blob.open() as stream:
        data = stream.read(layer.size_bytes + 1)
    if Digest.of(data, layer.digest.algorithm) != layer.digest:
        raise ContentInvalid(f"{layer.digest} has other contents than its digest says")
    return data
