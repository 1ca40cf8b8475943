"""Who has signed an image: what cargoship and cosign write counts, and nothing that is of another image or signer."""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from msgspec import structs

from cargoship.attest.provenance import BUILD, MERGE, PREDICATE, BuildRun, Provenance
from cargoship.attest.statement import Statement, Subject
from cargoship.bom.cyclonedx import MEDIA_TYPE as CYCLONEDX
from cargoship.cli.results.signed import signatures_document, signatures_text
from cargoship.context import Context
from cargoship.errors import SigningFailed, UsageError
from cargoship.events import ignore
from cargoship.images.merging import merge
from cargoship.images.signatures import SignatureReport, Verdict, verify_signatures
from cargoship.images.statements import find_provenance
from cargoship.oci.artifact import artifact_of
from cargoship.oci.descriptor import BytesBlob
from cargoship.oci.digest import Digest
from cargoship.oci.index import Index
from cargoship.oci.reference import Reference
from cargoship.oci.referrer import Referrer
from cargoship.process import SystemRunner
from cargoship.registry import testimony
from cargoship.registry.client import RegistryClient
from cargoship.registry.push import PushOptions, push_index
from cargoship.registry.testimony import Present, TaggedLayers, Witness
from cargoship.signing import identity
from cargoship.signing.bundle import BUNDLE_TYPE, SIGNED, key_bundle
from cargoship.signing.keys import PrivateKey
from cargoship.signing.signer import KeySigner
from cargoship.signing.simple import SIGNATURE, SIMPLE_TYPE, simple_payload
from cargoship.statements.witnesses import BUNDLES, COSIGN_2, ImageWitness, Matter, Signing
from cargoship.testing import InMemoryRegistry
from support.images import AMD64, ARM64, small_index
from support.public_keys import pem_of
from support.pushing import REPOSITORY, client_of

CREATED = "1970-01-01T00:00:00Z"
SIGNATURE_LINE = "signature"


@pytest.fixture
def registry() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        yield running


class Workshop:
    """An index in a registry, a key, and what is said of the one with the other."""

    def __init__(self, client: RegistryClient, folder: Path) -> None:
        self.client = client
        self.folder = folder
        self.index: Index = small_index(folder / "store", [AMD64, ARM64])
        self.key = PrivateKey(ec.generate_private_key(ec.SECP256R1()))
        (folder / "cosign.pub").write_text(pem_of(self.key.public))

    @property
    def matters(self) -> tuple[Matter, ...]:
        said = Provenance(BUILD, {}, {}, (), BuildRun())
        sbom = artifact_of(self.index.descriptor, CYCLONEDX, b'{"bomFormat":"CycloneDX"}', annotations={})
        images = tuple(Matter(each.descriptor, lambda: said) for each in self.index.images())
        return (*images, Matter(self.index.descriptor, lambda: said, (sbom,)))

    def witness(self, *formats: str, matters: tuple[Matter, ...] | None = None) -> ImageWitness:
        signing = Signing(KeySigner(self.key), formats or (BUNDLES,))
        return ImageWitness(self.matters if matters is None else matters, CREATED, signing)

    def push(self, witness: Witness | None = None, *about: Referrer, repository: str = REPOSITORY) -> None:
        reference = Reference.parse(f"{self.client.registry}/{repository}")
        push_index(
            self.client, self.index, reference=reference, tags=["1"],
            options=PushOptions(ignore), about=about, witness=witness,
        )  # fmt: skip

    def bundle(self, statement: Statement, **changed: object) -> Referrer:
        document = json.loads(key_bundle(statement.encode(), self.key)) | changed
        return self.document(json.dumps(document).encode())

    def document(self, data: bytes, kind: str = BUNDLE_TYPE) -> Referrer:
        return Referrer(artifact_of(self.index.descriptor, kind, data, annotations={}))

    def verify(self, **asked: Any) -> SignatureReport:  # noqa: ANN401 - as the command gives them
        asked = asked or {"key": "cosign.pub"}
        context = Context({"HOME": str(self.folder)}, self.folder, SystemRunner())
        return verify_signatures(f"{self.client.registry}/{REPOSITORY}:1", context, **asked)


@pytest.fixture
def work(registry: InMemoryRegistry, tmp_path: Path) -> Iterator[Workshop]:
    with client_of(registry.host) as client:
        yield Workshop(client, tmp_path)


def found(report: SignatureReport) -> set[tuple[str, Verdict]]:
    return {(each.what, each.verdict) for each in report.subjects[0].documents}


def signed(digest: Digest) -> Statement:
    return Statement((Subject.of(digest),), SIGNED, {})


@pytest.mark.parametrize("form", [BUNDLES, COSIGN_2])
def test_what_is_signed_is_stated_of_each_image_and_attestation(work: Workshop, form: str) -> None:
    work.push(work.witness(form))
    report = work.verify(key="cosign.pub", required=["provenance", "sbom"])
    assert report.ok
    assert found(report) == {
        (SIGNATURE_LINE, Verdict.VALID),
        ("https://cyclonedx.org/bom", Verdict.VALID),
        (PREDICATE, Verdict.VALID),
    }
    assert [each.is_signed for each in report.subjects] == [True, True, True]
    assert [each.platform for each in report.subjects] == [None, AMD64, ARM64]


def test_what_nobody_has_signed_is_not_signed(work: Workshop) -> None:
    work.push(ImageWitness(work.matters, CREATED), Referrer(work.matters[-1].sboms[0]))
    report = work.verify()
    assert not report.ok
    assert found(report) == {(PREDICATE, Verdict.UNSIGNED), (CYCLONEDX, Verdict.UNSIGNED)}


def test_another_key_does_not_count(work: Workshop) -> None:
    work.push(work.witness(BUNDLES, COSIGN_2))
    (work.folder / "cosign.pub").write_text(pem_of(PrivateKey(ec.generate_private_key(ec.SECP256R1())).public))
    report = work.verify()
    assert not report.ok
    assert {verdict for _, verdict in found(report)} == {Verdict.OTHER}


def test_signed_images_do_not_make_a_signed_index(work: Workshop) -> None:
    work.push(work.witness(matters=work.matters[:-1]))
    report = work.verify()
    assert [each.is_signed for each in report.subjects] == [False, True, True]
    assert not report.ok


def test_an_attestation_that_is_required_has_to_be_signed(work: Workshop) -> None:
    alone = Matter(work.index.descriptor)
    work.push(work.witness(matters=(alone,)), Referrer(work.matters[-1].sboms[0]))
    assert work.verify().ok
    report = work.verify(key="cosign.pub", required=["sbom", "provenance"])
    assert (report.ok, report.missing) == (False, ("sbom", "provenance"))


@pytest.mark.parametrize(
    ("predicate", "missing"),
    [
        ("https://spdx.dev/Document/v2.3", ()),  # GitHub's actions/attest-sbom
        ("https://cyclonedx.org/schema", ()),  # cosign's before 2
        ("https://openvex.dev/ns", ("sbom",)),
    ],
)
def test_an_sbom_that_others_have_attested_is_one(work: Workshop, predicate: str, missing: tuple[str, ...]) -> None:
    """`cargoship sbom` printed it, and `verify --require sbom` said that there was none."""
    digest = work.index.descriptor.digest
    work.push(None, work.bundle(signed(digest)), work.bundle(Statement((Subject.of(digest),), predicate, {})))
    report = work.verify(key="cosign.pub", required=["sbom"])
    assert (report.ok, report.missing) == (not missing, missing)


def test_a_signature_of_another_image_is_refused(work: Workshop) -> None:
    other = Digest.of(b"another image")
    work.push(None, work.bundle(signed(other)))
    report = work.verify()
    assert (report.ok, found(report)) == (False, {(SIGNATURE_LINE, Verdict.INVALID)})


class OlderSignature:
    """A witness who has signed something else, under cosign's tag for this image."""

    def __init__(self, work: Workshop, payload: bytes) -> None:
        self._work, self._payload = work, payload

    def testify(self, repository: Reference, present: Present) -> testimony.Testimony:
        del repository, present
        blob = BytesBlob.of(SIMPLE_TYPE, self._payload)
        signature = base64.b64encode(self._work.key.sign(self._payload)).decode()
        blob = replace(blob, descriptor=replace(blob.descriptor, annotations={SIGNATURE: signature}))
        return testimony.Testimony((), (TaggedLayers(self._work.index.digest, "sig", (blob,)),))


@pytest.mark.parametrize("case", ["digest", "repository", "form", "right"])
def test_an_older_signature_counts_for_its_image_in_its_repository(work: Workshop, case: str) -> None:
    repository = f"{work.client.registry}/{REPOSITORY}" + ("-other" if case == "repository" else "")
    payload = simple_payload(repository, Digest.of(b"other") if case == "digest" else work.index.digest)
    if case == "form":
        payload = payload.replace(b"cosign container image signature", b"something else")
    work.push(OlderSignature(work, payload))
    report = work.verify()
    assert report.ok is (case == "right")
    assert [each.verdict for each in report.subjects[0].documents] == [
        Verdict.VALID if case == "right" else Verdict.INVALID
    ]


@pytest.mark.parametrize("case", ["payload", "two signatures", "no statement", "no bundle", "nested", "type", "empty"])
def test_what_was_tampered_with_does_not_count(work: Workshop, case: str) -> None:
    document = json.loads(key_bundle(signed(work.index.digest).encode(), work.key))
    envelope = document["dsseEnvelope"]
    match case:
        case "payload":
            said = signed(work.index.digest)
            envelope["payload"] = base64.b64encode(structs.replace(said, predicate={"more": 1}).encode()).decode()
        case "two signatures":
            envelope["signatures"] *= 2
        case "no statement":
            envelope["payload"] = base64.b64encode(b"[]").decode()
        case "type":
            envelope["payloadType"] = "text/plain"
        case "empty":
            envelope["signatures"] = []
        case "no bundle":
            document = {"mediaType": "application/json"}
        case _:
            pass
    data = b'{"a":' * 100_000 if case == "nested" else json.dumps(document).encode()
    work.push(None, work.document(data))
    report = work.verify()
    assert not report.ok
    assert not [each for each in report.subjects[0].documents if each.verdict is Verdict.VALID]


def test_a_certificate_that_nobody_vouches_for_is_refused(work: Workshop) -> None:
    name = x509.Name([])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(work.key.public.key)
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(minutes=10))
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier("https://me")]), critical=True)
        .sign(work.key.key, hashes.SHA256())  # type: ignore[arg-type, unused-ignore]
    )
    certificate = {"rawBytes": base64.b64encode(made.public_bytes(Encoding.DER)).decode()}
    work.push(None, work.bundle(signed(work.index.digest), verificationMaterial={"certificate": certificate}))
    report = work.verify(identity="https://me", issuer="https://issuer")
    assert (report.ok, found(report)) == (False, {(SIGNATURE_LINE, Verdict.INVALID)})
    # a key does not vouch for a certificate either
    assert found(work.verify()) == {(SIGNATURE_LINE, Verdict.OTHER)}


@pytest.mark.parametrize("same", [False, True])
def test_what_is_judged_is_what_was_checked(work: Workshop, monkeypatch: pytest.MonkeyPatch, *, same: bool) -> None:
    """The library reads a bundle by rules of its own: whatever it finds signed, that and nothing else counts."""
    said = signed(work.index.digest).encode()
    checked = ("application/vnd.in-toto+json", said if same else signed(work.index.children[0].digest).encode())
    bundle = key_bundle(said, work.key)
    library = SimpleNamespace(verify_dsse=lambda *_: checked)
    monkeypatch.setattr(identity, "_verifier", lambda _: library)
    monkeypatch.setattr("sigstore.models.Bundle.from_json", lambda data: data)
    assert identity.refusal_of(bundle, "https://me", "https://issuer") == (
        None if same else "what is signed is not what it says"
    )


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"key": "cosign.pub", "identity": "x", "issuer": "y"}, UsageError),
        ({"identity": "x"}, UsageError),
        ({"key": "missing.pub"}, SigningFailed),
        ({"key": "cosign.pub", "required": ["vex"]}, UsageError),
    ],
)
def test_half_of_a_question_is_refused(work: Workshop, asked: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        work.verify(**asked)


def test_what_strangers_attach_reaches_no_terminal_as_it_is(work: Workshop) -> None:
    from cargoship.cli.paint import Paint  # noqa: PLC0415

    said = Statement((Subject.of(work.index.digest),), "https://x/\x1b[2J", {})
    work.push(None, work.bundle(said))
    report = work.verify()
    assert "\x1b" not in signatures_text(report, Paint(enabled=False))
    assert json.loads(json.dumps(signatures_document(report)))["ok"] is False


@pytest.mark.parametrize("sign", [None, "env://KEY"])
def test_a_merged_index_says_of_what_it_is_made_and_can_be_signed(work: Workshop, sign: str | None) -> None:
    work.push()
    pem = work.key.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    context = Context({"HOME": str(work.folder), "KEY": pem}, work.folder, SystemRunner())
    host = work.client.registry
    parts = [f"{host}/{REPOSITORY}@{each.digest}" for each in work.index.images()]
    first, (merged,) = (merge(parts, [f"{host}/me/merged:1"], context, sign=sign) for _ in range(2))
    assert first[0].digest == merged.digest
    found = find_provenance(f"{host}/me/merged:1", context)
    assert found.subject == merged.digest
    assert found.provenance.build_type == MERGE
    assert [each.uri for each in found.provenance.materials] == [f"oci://{part}" for part in parts]
    report = verify_signatures(f"{host}/me/merged:1", context, key="cosign.pub", required=["provenance"])
    assert report.ok is (sign is not None)
    assert len(report.subjects[0].documents) == (1 if sign is None else 2), "said once"


def test_no_merge_is_made_with_a_key_that_does_not_fit(work: Workshop, registry: InMemoryRegistry) -> None:
    work.push()
    context = Context({"HOME": str(work.folder)}, work.folder, SystemRunner())
    part = f"{registry.host}/{REPOSITORY}:1"
    with pytest.raises(SigningFailed):
        merge([part], [f"{registry.host}/me/merged:1"], context, sign="missing.key")
    assert registry.tags("me/merged") == {}
