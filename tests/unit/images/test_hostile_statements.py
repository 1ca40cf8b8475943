"""Attestations that somebody has made to harm: one answer, soon, and nothing of them is believed."""

from __future__ import annotations

import base64
import json
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from cargoship.attest.provenance import BUILD, PREDICATE, BuildParameters, BuildRun, Provenance
from cargoship.attest.statement import MEDIA_TYPE, Subject, decode_heading
from cargoship.context import Context
from cargoship.errors import CargoshipError, ContentInvalid, NotRebuildable
from cargoship.events import ignore
from cargoship.images.opening import open_image
from cargoship.images.signatures import Verdict, verify_signatures
from cargoship.images.statements import attached_documents, find_provenance
from cargoship.oci.artifact import artifact_of, made_of
from cargoship.oci.descriptor import BytesBlob
from cargoship.oci.digest import Digest
from cargoship.oci.index import Index
from cargoship.oci.layout import write_layout
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.oci.referrer import Referrer
from cargoship.oci.statement import Document, with_statements
from cargoship.oci.target import ImageTarget
from cargoship.process import SystemRunner
from cargoship.rebuilding.rebuild import rebuild
from cargoship.registry.push import PushOptions, push_index
from cargoship.signing.bundle import BUNDLE_TYPE, read_bundle
from cargoship.signing.envelope import ENVELOPE_TYPE, read_envelope
from cargoship.testing import InMemoryRegistry
from support.counting import counted
from support.images import AMD64, ARM64, small_index
from support.pushing import REPOSITORY, client_of

CALLS_MAX = 2_000_000
"""Of functions, for one question."""
NAME = Reference.parse("ghcr.io/me/app:1.0")


@dataclass(frozen=True)
class Victim:
    """An image in a layout, and a folder to look at it from."""

    folder: Path
    index: Index

    @property
    def context(self) -> Context:
        return Context({"HOME": str(self.folder)}, self.folder, SystemRunner())

    def statement(self, **changed: object) -> dict[str, Any]:
        said = Provenance(BUILD, {}, {}, (), BuildRun()).statement(Subject.of(self.index.digest))
        document: dict[str, Any] = json.loads(said.encode())
        return document | changed

    def attach(self, data: bytes, kind: str = MEDIA_TYPE) -> None:
        self.attach_all([Referrer(artifact_of(self.index.descriptor, kind, data, annotations={}))])

    def attach_all(self, about: list[Referrer]) -> None:
        write_layout(self.folder / "app", self.index, names=[NAME], about=tuple(about))

    def refuses(self, match: str | None = None, error: type[CargoshipError] = ContentInvalid) -> None:
        """The question where it comes from, and a rebuild of it, have one answer."""
        with counted() as work, pytest.raises(error, match=match):
            find_provenance("oci:app", self.context)
        assert work.calls < CALLS_MAX
        with pytest.raises(error, match=match):
            rebuild("oci:app", self.folder, self.context)


@pytest.fixture
def victim(tmp_path: Path) -> Victim:
    return Victim(tmp_path, small_index(tmp_path / "store", (AMD64, ARM64)))


def encoded(document: object) -> bytes:
    return json.dumps(document).encode()


@pytest.mark.thorough
def test_more_than_anybody_attaches(victim: Victim) -> None:
    data = (encoded(victim.statement(number=n, predicateType="https://example.com/other")) for n in range(1001))
    victim.attach_all(
        [Referrer(artifact_of(victim.index.descriptor, MEDIA_TYPE, each, annotations={})) for each in data]
    )
    victim.refuses("more is said in .* than is accepted")


def test_a_registry_that_never_comes_to_an_end_with_what_is_attached(victim: Victim) -> None:
    victim.attach(b"{}")
    descriptor = victim.index.descriptor
    about = artifact_of(descriptor, MEDIA_TYPE, encoded(victim.statement()), annotations={}).root
    asked = []

    def endless(_: Digest) -> Iterator[tuple[BytesBlob, None]]:
        while True:
            asked.append(about)
            yield about, None

    with open_image(ImageTarget.parse("oci:app", victim.folder), victim.context) as source:
        reported = attached_documents(replace(source, about=endless), descriptor.digest)
        with pytest.raises(ContentInvalid, match="over 1000 manifests"):
            list(reported)
    assert len(asked) == 1001


def test_a_manifest_with_more_documents_than_anybody_makes(victim: Victim) -> None:
    blob = BytesBlob.of(MEDIA_TYPE, encoded(victim.statement()))
    victim.attach_all([Referrer(made_of(victim.index.descriptor, MEDIA_TYPE, [blob] * 201, annotations={}))])
    victim.refuses("201 documents")


@pytest.mark.parametrize("size_bytes", [1 << 30, 1 << 62], ids=["gigabyte", "exabytes"])
def test_documents_that_claim_to_be_huge(victim: Victim, size_bytes: int) -> None:
    blob = BytesBlob.of(MEDIA_TYPE, encoded(victim.statement()))
    tree = made_of(victim.index.descriptor, MEDIA_TYPE, [blob], annotations={})
    huge = tree.root.data.replace(
        f'"size":{blob.descriptor.size_bytes}'.encode(), f'"size":{size_bytes}'.encode()
    )  # fmt: skip
    assert huge != tree.root.data
    root = BytesBlob.of(tree.root.descriptor.media_type, huge)
    victim.attach_all([Referrer(replace(tree, root=root))])
    victim.refuses("than is read", ContentInvalid)


def deep(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    "predicate",
    [
        deep(20_000).join(('{"a":', "}")),
        ",".join(['"x"'] * 100_000).join(('{"buildDefinition":{"resolvedDependencies":[', "]}}")),
        deep(500).join(('{"buildDefinition":{"externalParameters":', "}}")),
        '{"buildDefinition":{},"runDetails":{"metadata":{"startedOn":{"$date":1}}},"buildDefinition":[]}',
    ],
    ids=["nested", "materials of text", "parameters nested", "twice"],
)
def test_predicates_of_no_form(victim: Victim, predicate: str) -> None:
    text = json.dumps(victim.statement(predicate="HERE")).replace('"HERE"', predicate)
    victim.attach(text.encode())
    victim.refuses()


@pytest.mark.parametrize(
    "subject",
    [
        lambda _: [{"digest": {"sha256": "0" * 64}}],
        lambda index: [{"digest": {"SHA256": index.digest.hex}}],
        lambda index: [{"digest": {"sha512": index.digest.hex}}],
        lambda index: [{"digest": {"sha256": index.digest.hex[:-1]}}],
        lambda index: [{"digest": {"sha256": index.digest.hex.upper()}}],
        lambda index: [{"name": str(index.digest), "digest": {}}],
        lambda index: [{"digest": {"sha256": [index.digest.hex]}}],
        lambda index: {"digest": {"sha256": index.digest.hex}},
    ],
    ids=["other", "algorithm", "sha512", "shorter", "upper", "name", "list", "no list"],
)  # fmt: skip
def test_subjects_that_only_look_like_it(victim: Victim, subject: Callable[[Index], object]) -> None:
    victim.attach(encoded(victim.statement(subject=subject(victim.index))))
    victim.refuses()


@pytest.mark.thorough
def test_a_statement_about_a_hundred_thousand_images_takes_no_time(victim: Victim) -> None:
    many = [{"digest": {"sha256": f"{n:064x}"}} for n in range(100_000)]
    victim.attach(encoded(victim.statement(subject=many)))
    victim.refuses("speaks of 100000 things")


@pytest.mark.parametrize(
    "envelope",
    [
        {"payloadType": "text/plain", "payload": "", "signatures": [{"sig": ""}]},
        {"payloadType": MEDIA_TYPE, "payload": "e30=", "signatures": [{"sig": ""}] * 101},
        {"payloadType": MEDIA_TYPE, "payload": {"a": 1}, "signatures": [{"sig": ""}]},
        {"payloadType": MEDIA_TYPE, "payload": "%%%", "signatures": [{"sig": ""}]},
        {"payloadType": MEDIA_TYPE, "payload": base64.b64encode(b"[" * 100_000).decode(), "signatures": [{"sig": ""}]},
    ],
    ids=["type", "signatures", "object", "no base64", "nested"],
)
@pytest.mark.parametrize("kind", [ENVELOPE_TYPE, BUNDLE_TYPE])
def test_envelopes_of_no_form(victim: Victim, envelope: dict[str, Any], kind: str) -> None:
    document = envelope if kind == ENVELOPE_TYPE else {"mediaType": BUNDLE_TYPE, "dsseEnvelope": envelope}
    victim.attach(encoded(document), kind)
    victim.refuses()
    report = verify_signatures("oci:app", victim.context, identity="a", issuer="b")
    assert not report.ok
    assert {each.verdict for each in report.subjects[0].documents} <= {Verdict.INVALID, Verdict.OTHER}


@pytest.mark.parametrize("kind", ["bundle", "envelope", "statement"])
def test_a_few_bytes_do_not_become_many_objects(victim: Victim, kind: str) -> None:
    """90 MB in what is attached to an image filled 2.5 GB where its signature was asked for, in half a minute."""
    many = b'"x":[' + b"{}," * 1_000_000 + b"{}]"
    statement = b'{"predicate":{%s},' % many + encoded(victim.statement(predicate={})).removeprefix(b"{")
    signed = {"payloadType": MEDIA_TYPE, "payload": base64.b64encode(b"{}").decode(), "signatures": [{"sig": ""}]}
    envelope = b"{%s," % many + encoded(signed).removeprefix(b"{")
    bundle = b'{"mediaType":"%s",%s,"dsseEnvelope":%s}' % (BUNDLE_TYPE.encode(), many, encoded(signed))
    tracemalloc.start()
    try:
        match kind:
            case "bundle":
                assert read_bundle(bundle).envelope.payload == b"{}"
            case "envelope":
                assert read_envelope(envelope).payload == b"{}"
            case _:
                assert decode_heading(statement).speaks_of(victim.index.digest)
        assert tracemalloc.get_traced_memory()[1] < 3 * len(many)
    finally:
        tracemalloc.stop()


def test_a_bundle_has_little_around_its_statement() -> None:
    """What reads the whole of it for an identity makes objects of everything."""
    signed = {"payloadType": MEDIA_TYPE, "payload": "e30=", "signatures": [{"sig": ""}]}
    around = {"mediaType": BUNDLE_TYPE, "dsseEnvelope": signed, "x": "y" * (5 << 20)}
    with pytest.raises(ContentInvalid, match="more around its statement"):
        read_bundle(encoded(around))
    del around["x"]
    assert read_bundle(encoded(around)).envelope.payload == b"{}"


def test_an_attestation_inside_of_an_image_that_is_not_there(victim: Victim) -> None:
    """BuildKit's form, for an image of somebody else's: it is no word about this one."""
    other = small_index(victim.folder / "elsewhere", (Platform("linux", "s390x"),))
    said = Provenance(BUILD, {}, {}, (), BuildRun()).statement(Subject.of(other.digest)).predicate
    document = Document(other.children[0].descriptor, PREDICATE, encoded(said))
    strange = with_statements(other, [document], "app").children[-1]
    entry = json.loads(with_statements(other, [document], "app").raw)["manifests"][-1]
    forged = json.loads(victim.index.raw)
    forged["manifests"].append(entry)
    write_layout(victim.folder / "app", Index(encoded(forged), (*victim.index.children, strange)), names=[NAME])
    victim.refuses("speaks of an image that .* does not have")


def test_parameters_as_long_as_a_book_are_reported_in_a_line(victim: Victim) -> None:
    manifest = '[package]\nname = "app"\nversion = "1.0.0"\n[[bin]]\nname="app"\npath="a.rs"\n'
    (victim.folder / "Cargo.toml").write_text(manifest)
    (victim.folder / "a.rs").write_text("fn main() {}\n")
    asked = BuildParameters("x" * 1_000_000, "app", ("app:" + "y" * 1_000_000,), ("linux/amd64",), packages=("app",))
    said = Provenance(BUILD, asked.to_json(), {}, (), BuildRun()).statement(Subject.of(victim.index.digest))
    victim.attach(said.encode())
    with pytest.raises(CargoshipError) as caught:
        rebuild("oci:app", victim.folder, victim.context)
    assert len(caught.value.message) < 2_000


@pytest.fixture
def registry() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        yield running


def test_a_registry_that_lists_the_words_about_another_image(registry: InMemoryRegistry, victim: Victim) -> None:
    """The list of what refers to an image is the registry's word alone."""
    other = small_index(victim.folder / "other", (AMD64,))
    said = Provenance(BUILD, {}, {}, (), BuildRun()).statement(Subject.of(other.digest)).encode()
    with client_of(registry.host) as client:
        for index, about in (
            (other, [Referrer(artifact_of(other.descriptor, MEDIA_TYPE, said, annotations={}))]),
            (victim.index, [Referrer(artifact_of(victim.index.descriptor, MEDIA_TYPE, said, annotations={}))]),
        ):
            reference = Reference.parse(f"{registry.host}/{REPOSITORY}")
            push_index(client, index, reference=reference, tags=["1"], options=PushOptions(ignore), about=about)
    with pytest.raises(ContentInvalid, match="speaks of something else"):
        find_provenance(f"{registry.host}/{REPOSITORY}:1", victim.context)


def test_nothing_of_a_build_of_others_is_compiled(victim: Victim) -> None:
    document = victim.statement()
    document["predicate"]["buildDefinition"]["buildType"] = "https://example.com/\x1b[2J" + "x" * 10_000
    victim.attach(encoded(document))
    with pytest.raises(NotRebuildable, match="something else than cargoship build") as caught:
        rebuild("oci:app", victim.folder, victim.context)
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 400
    assert Digest.parse(str(victim.index.digest)) == victim.index.digest
