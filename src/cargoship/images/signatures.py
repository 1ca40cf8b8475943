"""Whether an image is signed by whom it should be, with all that is attached to it.

What counts is a signature by the wanted key or identity over a statement of this very digest. All else is reported and
counts as nothing: signatures of others, of other images, for other repositories, documents that nobody has signed.
"""

from __future__ import annotations

import base64
import binascii
import enum
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from cargoship.attest.provenance import PREDICATE
from cargoship.attest.statement import decode_heading
from cargoship.context import Context
from cargoship.errors import ContentInvalid, UsageError
from cargoship.images.opening import open_image
from cargoship.images.sboms import PREDICATES
from cargoship.images.statements import AttachedDocument, DocumentForm, attached_documents
from cargoship.oci.digest import Digest
from cargoship.oci.platform import Platform
from cargoship.oci.target import ImageTarget
from cargoship.registry.pull import read_images
from cargoship.registry.source import ImageSource
from cargoship.signing.bundle import SIGNED, read_bundle
from cargoship.signing.envelope import read_envelope
from cargoship.signing.keys import PublicKey
from cargoship.signing.services import named_services
from cargoship.signing.signer import open_public
from cargoship.signing.simple import PAYLOAD_BYTES_MAX, SIGNATURE, read_simple

SIGNATURE_OF_IMAGE = "signature"
REQUIRED = {"provenance": frozenset({PREDICATE}), "sbom": frozenset(PREDICATES)}
"""Attestations that can be asked for, by the types of their predicates."""


class Verdict(enum.Enum):
    """What a document is worth."""

    VALID = "signed"
    OTHER = "signed by somebody else"
    INVALID = "refused"
    UNSIGNED = "not signed"


class Trust(Struct, frozen=True):
    """Whose signatures count: a key's, or those of an identity that an issuer vouches for."""

    key: PublicKey | None = None
    identity: str = ""
    issuer: str = ""
    services: Path | None = None
    """A file with others than Sigstore's public services."""

    @classmethod
    def of(cls, context: Context, *, key: str | None, identity: str | None, issuer: str | None) -> Trust:
        """From options; raises UsageError for both, or for half of an identity, and SigningFailed."""
        if key is not None and (identity or issuer):
            raise UsageError("--key and --identity exclude each other", hint="verify twice if both are wanted")
        if key is not None:
            return cls(open_public(key, env=context.env, cwd=context.cwd))
        if not identity or not issuer:
            raise UsageError(
                "an identity counts with its issuer alone",
                hint="--identity https://github.com/ME/APP/.github/workflows/FILE@REF "
                "--issuer https://token.actions.githubusercontent.com",
            )
        return cls(None, identity, issuer, named_services(context.env, context.cwd))


class JudgedDocument(Struct, frozen=True):
    """A document, what it says that it is (`signature`, or a type), and what it is worth."""

    manifest: Digest
    what: str
    verdict: Verdict
    why: str = ""


class SignedSubject(Struct, frozen=True):
    """The index, or the image of a platform, with what is attached to it. `platform` None: what was named itself."""

    platform: Platform | None
    digest: Digest
    documents: tuple[JudgedDocument, ...]

    @property
    def is_signed(self) -> bool:
        """Whether its own signature counts."""
        return self.has({SIGNATURE_OF_IMAGE})

    def has(self, kinds: set[str] | frozenset[str]) -> bool:
        """Whether there is a document of one of these kinds that is signed."""
        return any(each.verdict is Verdict.VALID and each.what in kinds for each in self.documents)


class SignatureReport(Struct, frozen=True):
    """What was named first, then the images in it."""

    target: str
    subjects: tuple[SignedSubject, ...]
    missing: tuple[str, ...] = ()
    """What was required and has no signature that counts."""

    @property
    def ok(self) -> bool:
        """Whether what was named is signed itself, and has what was required.

        The images in an index are in its digest: they need no signature of their own. The other way round they do not
        help: those who sign images have not said which belong together.
        """
        return self.subjects[0].is_signed and not self.missing


def verify_signatures(
    target: str,
    context: Context,
    *,
    key: str | None = None,
    identity: str | None = None,
    issuer: str | None = None,
    required: Sequence[str] = (),
) -> SignatureReport:
    """Judge what is attached to an image, by a public `key` or by an `identity` that `issuer` vouches for.

    `required` are attestations that have to be there, too: see REQUIRED. Raises UsageError, ContentInvalid,
    SigningFailed, RegistryError's family.
    """
    trust = Trust.of(context, key=key, identity=identity, issuer=issuer)
    unknown = [name for name in required if name not in REQUIRED]
    if unknown:
        raise UsageError(f"{unknown[0]!r} cannot be required", hint=f"it may be {' or '.join(REQUIRED)}")
    with open_image(ImageTarget.parse(target, context.cwd), context) as source:
        judge = _Judge(source, trust)
        root = source.root.descriptor.digest
        subjects = [judge.subject(None, root)]
        subjects += [
            judge.subject(image.descriptor.platform, image.descriptor.digest)
            for image in read_images(source.content, source.root, source.each).images
            if image.descriptor.digest != root
        ]
    missing = tuple(name for name in required if not subjects[0].has(REQUIRED[name]))
    return SignatureReport(target, tuple(subjects), missing)


class _Judge(Struct, frozen=True):
    source: ImageSource
    trust: Trust

    def subject(self, platform: Platform | None, digest: Digest) -> SignedSubject:
        return SignedSubject(platform, digest, tuple(self._documents(digest)))

    def _documents(self, digest: Digest) -> Iterator[JudgedDocument]:
        for each in attached_documents(self.source, digest):
            try:
                verdict, what, why = self._judged(each)
            except ContentInvalid as error:
                verdict, what, why = Verdict.INVALID, each.said, error.message
            yield JudgedDocument(each.manifest, what, verdict, why)

    def _judged(self, document: AttachedDocument) -> tuple[Verdict, str, str]:
        match document.form:
            case DocumentForm.BUNDLE:
                bundle = read_bundle(document.read(self.source))
                verdict, why = self._of_bundle(bundle.data, has_certificate=bundle.has_certificate)
                return self._of_statement(document, bundle.envelope.payload, verdict, why)
            case DocumentForm.ENVELOPE:
                envelope = read_envelope(document.read(self.source))
                if self.trust.key is None:
                    return Verdict.OTHER, document.said, "identities are known from bundles alone"
                verdict = Verdict.VALID if envelope.signed_by(self.trust.key) else Verdict.OTHER
                return self._of_statement(document, envelope.payload, verdict, "")
            case DocumentForm.SIMPLE:
                return self._of_simple(document)
            case _:
                return Verdict.UNSIGNED, document.said, ""

    def _of_bundle(self, data: bytes, *, has_certificate: bool) -> tuple[Verdict, str]:
        key = self.trust.key
        if key is not None:
            if has_certificate:
                return Verdict.OTHER, "by an identity, and not by a key"
            return (Verdict.VALID if read_bundle(data).envelope.signed_by(key) else Verdict.OTHER), ""
        if not has_certificate:
            return Verdict.OTHER, "by a key, and not by an identity"
        from cargoship.signing.identity import refusal_of  # noqa: PLC0415 - heavy, and an extra

        why = refusal_of(data, self.trust.identity, self.trust.issuer, self.trust.services)
        return (Verdict.VALID, "") if why is None else (Verdict.INVALID, why)

    def _of_statement(
        self, document: AttachedDocument, payload: bytes, verdict: Verdict, why: str
    ) -> tuple[Verdict, str, str]:
        statement = decode_heading(payload)
        what = SIGNATURE_OF_IMAGE if statement.predicate_type == SIGNED else statement.predicate_type
        if not statement.speaks_of(document.subject):
            return Verdict.INVALID, what, "it is of another image"
        return verdict, what, why

    def _of_simple(self, document: AttachedDocument) -> tuple[Verdict, str, str]:
        what = SIGNATURE_OF_IMAGE
        if self.trust.key is None:
            return Verdict.OTHER, what, "identities are known from bundles alone"
        if document.layer.size_bytes > PAYLOAD_BYTES_MAX:
            raise ContentInvalid("it is larger than any signature")
        payload = document.read(self.source)
        try:
            signature = base64.b64decode(document.layer.annotations.get(SIGNATURE, ""), validate=True)
        except (binascii.Error, ValueError) as error:
            raise ContentInvalid("its signature is no base64") from error
        if not self.trust.key.verifies(signature, payload):
            return Verdict.OTHER, what, ""
        said = read_simple(payload)
        if said.digest != document.subject:
            return Verdict.INVALID, what, "it is of another image"
        if self.source.reference is not None and not said.is_of(self.source.reference):
            return Verdict.INVALID, what, f"it is for {said.repository[:200]}"
        return Verdict.VALID, what, ""
