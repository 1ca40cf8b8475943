"""What an image gets when it is pushed, beside its SBOMs: provenance, and signatures of all of it.

With a key the same is signed in the same bytes, so that a repository that has them is asked for them alone. Provenance
differs from run to run: a repository gets one, for the image as it was made first.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from cargoship.attest.provenance import PREDICATE, Provenance
from cargoship.attest.statement import MEDIA_TYPE, PREDICATE_TYPE, Statement, Subject
from cargoship.bom.cyclonedx import MEDIA_TYPE as CYCLONEDX
from cargoship.bom.spdx import MEDIA_TYPE as SPDX
from cargoship.oci.artifact import artifact_of
from cargoship.oci.descriptor import BytesBlob, Descriptor
from cargoship.oci.reference import Reference
from cargoship.oci.referrer import Referrer
from cargoship.oci.tree import ManifestTree
from cargoship.registry.testimony import Present, TaggedLayers, Testimony
from cargoship.signing.bundle import BUNDLE_PREDICATE, BUNDLE_TYPE, CONTENT, SIGNED

if TYPE_CHECKING:
    from cargoship.signing.signer import Signer

BUNDLES = "bundle"
COSIGN_2 = "cosign-2"
SIGNER = "dev.cargoship.signer"
"""The annotation by which a witness knows what it has said before: a hash of the key or of the identity, or `none`."""
PREDICATES = {CYCLONEDX: "https://cyclonedx.org/bom", SPDX: "https://spdx.dev/Document"}
"""Of SBOMs in statements, by their media types."""
_CREATED = "org.opencontainers.image.created"
_ENVELOPE = "dsse-envelope"


class Signing(Struct, frozen=True):
    """Who signs, and how signatures are attached."""

    signer: Signer
    formats: tuple[str, ...] = (BUNDLES,)


class Matter(Struct, frozen=True):
    """An image or index that something is said of; what is None is not said."""

    subject: Descriptor
    provenance: Callable[[], Provenance] | None = None
    sboms: tuple[ManifestTree, ...] = ()
    """Documents that are attached to it, which are signed too."""


class ImageWitness(Struct, frozen=True):
    """Speaks of each of an image's `matters`: the index, and the images in it.

    `created` is what documents say of their time: the image's own, for the same document has the same bytes.
    """

    matters: tuple[Matter, ...]
    created: str
    signing: Signing | None = None

    def testify(self, repository: Reference, present: Present) -> Testimony:
        """See `Witness`; raises SigningFailed."""
        heard = [(matter, _Heard(present, matter.subject, self)) for matter in self.matters]
        return Testimony(
            tuple(Referrer(tree) for matter, there in heard for tree in self._trees(matter, repository, there)),
            tuple(one for matter, there in heard for one in self._tagged(matter, repository, there)),
        )

    def _trees(self, matter: Matter, repository: Reference, there: _Heard) -> Iterator[ManifestTree]:
        if self.signing is None:
            if matter.provenance is not None and not there.has_referrer(PREDICATE):
                said = _provenance(matter, repository)
                yield self._attached(matter, MEDIA_TYPE, said, {PREDICATE_TYPE: PREDICATE, SIGNER: "none"})
        elif BUNDLES in self.signing.formats:
            signer = self.signing.signer
            for kind, make in _statements(matter, repository, signer):
                # what is not the same each time is said once
                if (signer.key is None or kind == PREDICATE) and there.has_referrer(kind):
                    continue
                marks = {CONTENT: _ENVELOPE, BUNDLE_PREDICATE: kind, SIGNER: signer.name}
                yield self._attached(matter, BUNDLE_TYPE, signer.bundle(make()), marks)

    def _attached(
        self, matter: Matter, media_type: str, document: bytes, annotations: Mapping[str, str]
    ) -> ManifestTree:
        return artifact_of(matter.subject, media_type, document, annotations={_CREATED: self.created, **annotations})

    def _tagged(self, matter: Matter, repository: Reference, there: _Heard) -> Iterator[TaggedLayers]:
        from cargoship.signing.envelope import ENVELOPE_TYPE, encode_envelope, sealed
        from cargoship.signing.simple import SIGNATURE, SIMPLE_TYPE, simple_payload

        if self.signing is None or COSIGN_2 not in self.signing.formats or self.signing.signer.key is None:
            return
        key, name = self.signing.signer.key, self.signing.signer.name
        digest = matter.subject.digest
        payload = simple_payload(repository.name, digest)
        signature = base64.b64encode(key.sign(payload)).decode()
        yield TaggedLayers(digest, "sig", (_layer(SIMPLE_TYPE, payload, {SIGNATURE: signature}),))
        attested = tuple(
            _layer(
                ENVELOPE_TYPE,
                encode_envelope(sealed(make(), key)),
                {SIGNATURE: "", "predicateType": kind, SIGNER: name},
            )
            for kind, make in _statements(matter, repository, self.signing.signer)
            if kind != SIGNED and not (kind == PREDICATE and there.has_tagged(kind))
        )
        if attested:
            yield TaggedLayers(digest, "att", attested)


class _Heard:
    """What a repository has already of what a witness says, asked for when it matters."""

    def __init__(self, present: Present, subject: Descriptor, witness: ImageWitness) -> None:
        self._present = present
        self._subject = subject.digest
        self._signer = witness.signing.signer.name if witness.signing else "none"
        self._known: dict[str, Sequence[Descriptor]] = {}

    def has_referrer(self, predicate: str) -> bool:
        """Whether this was said, by the same signer."""
        if "" not in self._known:
            self._known[""] = self._present.referrers(self._subject)
        return any(
            predicate in {each.annotations.get(BUNDLE_PREDICATE), each.annotations.get(PREDICATE_TYPE)}
            and each.annotations.get(SIGNER) == self._signer
            for each in self._known[""]
        )

    def has_tagged(self, predicate: str) -> bool:
        """The same, under cosign's tag."""
        if "att" not in self._known:
            self._known["att"] = self._present.tagged(self._subject, "att")
        return any(
            each.annotations.get("predicateType") == predicate and each.annotations.get(SIGNER) == self._signer
            for each in self._known["att"]
        )


def _statements(matter: Matter, repository: Reference, signer: Signer) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """What is signed: by its predicate's type, and what makes it."""
    # as cosign writes it; Sigstore's own library wants a name
    subject = Subject.of(matter.subject.digest, "" if signer.key is not None else repository.name)
    yield SIGNED, Statement((subject,), SIGNED, {}).encode
    for sbom in matter.sboms:
        for layer in sbom.layers:
            kind = PREDICATES.get(layer.descriptor.media_type)
            if kind is not None and isinstance(layer, BytesBlob):
                named = Subject.of(matter.subject.digest, repository.name)
                yield kind, Statement((named,), kind, msgspec.json.decode(layer.data)).encode
    if matter.provenance is not None:
        yield PREDICATE, lambda: _provenance(matter, repository)


def _provenance(matter: Matter, repository: Reference) -> bytes:
    if matter.provenance is None:  # pragma: no cover - asked before
        return b""
    return matter.provenance().statement(Subject.of(matter.subject.digest, repository.name)).encode()


def _layer(media_type: str, data: bytes, annotations: Mapping[str, str]) -> BytesBlob:
    blob = BytesBlob.of(media_type, data)
    return replace(blob, descriptor=replace(blob.descriptor, annotations=annotations))
