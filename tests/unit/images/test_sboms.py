"""SBOMs in registries: attached before a tag is there, and found again, no matter who attached them."""

from __future__ import annotations

import base64
import json
import re
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from cargoship.bom.cyclonedx import MEDIA_TYPE as CYCLONEDX
from cargoship.bom.spdx import MEDIA_TYPE as SPDX
from cargoship.context import Context
from cargoship.errors import CargoshipError, ContentInvalid, NothingAttached
from cargoship.events import ignore
from cargoship.images.sboms import FoundSbom, find_sbom
from cargoship.oci.artifact import artifact_of
from cargoship.oci.descriptor import BytesBlob, Descriptor, MediaType
from cargoship.oci.digest import Digest
from cargoship.oci.index import Index
from cargoship.oci.layout import write_layout
from cargoship.oci.manifest import IndexManifest, encode_index
from cargoship.oci.platform import UNKNOWN
from cargoship.oci.reference import Reference
from cargoship.oci.referrer import Referrer
from cargoship.process import SystemRunner
from cargoship.registry.client import RegistryClient
from cargoship.registry.push import PushOptions, push_index
from cargoship.registry.referrers import fallback_tag, list_referrers
from cargoship.signing.bundle import BUNDLE_PREDICATE, BUNDLE_TYPE
from cargoship.signing.envelope import ENVELOPE_TYPE
from cargoship.testing import Fault, InMemoryRegistry
from cargoship.testing.content_api import ContentApi
from support.images import AMD64, ARM64, small_index
from support.pushing import REPOSITORY, client_of

Attach = Callable[[Index, bytes], Referrer]
Change = Callable[[bytes], bytes]


@pytest.fixture(params=[True, False], ids=["api", "fallback tag"])
def registry(request: pytest.FixtureRequest) -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry(contents=ContentApi(referrers=request.param)) as running:
        yield running


@pytest.fixture
def client(registry: InMemoryRegistry) -> Iterator[RegistryClient]:
    with client_of(registry.host) as opened:
        yield opened


class Finder:
    """Finds SBOMs as the command does."""

    def __init__(self, registry: InMemoryRegistry, folder: Path) -> None:
        self._target = f"{registry.host}/{REPOSITORY}:1"
        self._context = Context({"HOME": str(folder)}, folder, SystemRunner())

    def find(self, platform: str | None = None, form: str | None = None) -> FoundSbom:
        return find_sbom(self._target, self._context, platform=platform, form=form)


@pytest.fixture
def sboms(registry: InMemoryRegistry, tmp_path: Path) -> Finder:
    return Finder(registry, tmp_path)


def document(name: str) -> bytes:
    return json.dumps({"name": name}).encode()


def about(index: Index) -> tuple[Referrer, ...]:
    """A CycloneDX document for the index and each image, an SPDX document for the index."""
    subjects = {"index": index.descriptor, **{str(each.platform): each.descriptor for each in index.images()}}
    made = [artifact_of(each, CYCLONEDX, document(name), annotations={}) for name, each in subjects.items()]
    return tuple(map(Referrer, (*made, artifact_of(index.descriptor, SPDX, document("spdx"), annotations={}))))


def push(client: RegistryClient, index: Index, said: tuple[Referrer, ...]) -> None:
    reference = Reference.parse(f"{client.registry}/{REPOSITORY}")
    push_index(client, index, reference=reference, tags=["1"], options=PushOptions(ignore), about=said)


@pytest.mark.parametrize(
    ("platform", "form", "name"),
    [
        (None, None, "index"),
        (None, "spdx", "spdx"),
        ("linux/arm64", None, "linux/arm64"),
        ("linux/amd64", "cyclonedx", "linux/amd64"),
    ],
)
def test_what_was_attached_is_found(
    client: RegistryClient, sboms: Finder, tmp_path: Path, platform: str | None, form: str | None, name: str
) -> None:
    index = small_index(tmp_path / "blobs", (AMD64, ARM64))
    push(client, index, about(index))
    found = sboms.find(platform, form)
    assert found.document == document(name)


@pytest.mark.parametrize("years", [(2025, 2027, 2026), (2027, 2026, 2025), (2025, 2026, 2027)], ids=str)
def test_of_several_of_one_format_the_newest_is_printed(
    client: RegistryClient, sboms: Finder, tmp_path: Path, years: tuple[int, ...]
) -> None:
    """In whatever order a registry lists them: as where a project has changed the version of CycloneDX."""
    index = small_index(tmp_path / "blobs", (AMD64,))
    made = [
        artifact_of(
            index.descriptor, CYCLONEDX, document(str(year)),
            annotations={"org.opencontainers.image.created": f"{year}-01-01T00:00:00Z"},
        )
        for year in years
    ]  # fmt: skip
    undated = artifact_of(index.descriptor, CYCLONEDX, document("undated"), annotations={})
    push(client, index, tuple(map(Referrer, (undated, *made))))
    assert sboms.find().document == document("2027")


@pytest.mark.parametrize("turned", [False, True])
def test_of_several_of_one_moment_it_is_that_in_the_latest_version(
    client: RegistryClient, sboms: Finder, tmp_path: Path, *, turned: bool
) -> None:
    """As with `sbom = ["cyclonedx-1.5", "cyclonedx"]`; not what a registry lists first."""
    index = small_index(tmp_path / "blobs", (AMD64,))
    versions = ["1.5", "1.10", "1.6"]
    documents = [json.dumps({"specVersion": each}).encode() for each in versions]
    # the same moment, in two ways of writing it
    times = ["2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00Z"]
    made = [
        Referrer(artifact_of(index.descriptor, CYCLONEDX, each, annotations={_CREATED: at}))
        for each, at in zip(documents, times, strict=True)
    ]
    push(client, index, tuple(reversed(made)) if turned else tuple(made))
    assert sboms.find().document == documents[1]


def test_of_several_alike_it_is_always_the_same(tmp_path: Path) -> None:
    index = small_index(tmp_path / "blobs", (AMD64,))
    made = [Referrer(artifact_of(index.descriptor, CYCLONEDX, document(name), annotations={})) for name in "abcd"]
    found = set()
    for order in (made, made[::-1], made[2:] + made[:2]):
        # the list under the fallback tag keeps the order of the writes
        with InMemoryRegistry(contents=ContentApi(referrers=False)) as registry, client_of(registry.host) as client:
            for each in order:
                push(client, index, (each,))
            found.add(Finder(registry, tmp_path).find().document)
    assert len(found) == 1


_CREATED = "org.opencontainers.image.created"
_PREDICATE = "https://cyclonedx.org/bom"


def _statement(index: Index, predicate: object, kind: str = _PREDICATE) -> bytes:
    subject = [{"name": "x", "digest": {"sha256": index.digest.hex}}]
    said = {"_type": "https://in-toto.io/Statement/v0.1", "subject": subject, "predicateType": kind}
    return json.dumps({**said, "predicate": predicate}).encode()


def _envelope(statement: bytes) -> dict[str, object]:
    payload = base64.b64encode(statement).decode()
    return {"payloadType": "application/vnd.in-toto+json", "payload": payload, "signatures": [{"sig": "MEUC"}]}


def _bundle(statement: bytes) -> bytes:
    material = {"publicKey": {"hint": ""}}
    said = {"mediaType": BUNDLE_TYPE, "verificationMaterial": material, "dsseEnvelope": _envelope(statement)}
    return json.dumps(said).encode()


def _as_cosign_3(index: Index, statement: bytes) -> Referrer:
    notes = {BUNDLE_PREDICATE: _PREDICATE}
    return Referrer(artifact_of(index.descriptor, BUNDLE_TYPE, _bundle(statement), annotations=notes))


def _as_cosign_2(index: Index, statement: bytes) -> Referrer:
    envelope = json.dumps(_envelope(statement)).encode()
    return _under_tag(index, "att", ENVELOPE_TYPE, envelope, {"predicateType": _PREDICATE})


def _under_tag(index: Index, suffix: str, kind: str, data: bytes, notes: dict[str, str]) -> Referrer:
    """cosign's and ko's: a manifest without a subject, whose layer says what it is."""
    made = artifact_of(index.descriptor, kind, data, annotations={})
    manifest = json.loads(made.root.data)
    del manifest["subject"], manifest["artifactType"]
    manifest["layers"][0]["annotations"] = notes
    root = BytesBlob.of(MediaType.OCI_MANIFEST, json.dumps(manifest).encode())
    return Referrer(structs.replace(made, root=root), f"sha256-{index.digest.hex}.{suffix}")


@pytest.mark.parametrize("attach", [_as_cosign_3, _as_cosign_2])
@pytest.mark.parametrize(
    "predicate", [{"bomFormat": "CycloneDX"}, {"Data": {"bomFormat": "CycloneDX"}, "Timestamp": "x"},
                  {"Data": '{"bomFormat": "CycloneDX"}'}],
    ids=["as it is", "in cosign 1's wrapping", "as a text in it"],
)  # fmt: skip
def test_a_sbom_in_an_attestation(
    client: RegistryClient, sboms: Finder, tmp_path: Path, attach: Attach, predicate: object
) -> None:
    """`cosign attest --type cyclonedx`, `syft attest`, GitHub's actions/attest-sbom."""
    index = small_index(tmp_path / "blobs", (AMD64,))
    push(client, index, (attach(index, _statement(index, predicate)),))
    found = sboms.find()
    assert (found.subject, json.loads(found.document)) == (index.digest, {"bomFormat": "CycloneDX"})


def test_kos_sbom(client: RegistryClient, sboms: Finder, tmp_path: Path) -> None:
    index = small_index(tmp_path / "blobs", (AMD64,))
    push(client, index, (_under_tag(index, "sbom", "text/spdx+json", document("ko"), {}),))
    assert sboms.find().document == sboms.find(form="spdx").document == document("ko")


def test_a_document_itself_comes_before_what_repeats_it(
    client: RegistryClient, sboms: Finder, tmp_path: Path
) -> None:  # fmt: skip
    index = small_index(tmp_path / "blobs", (AMD64,))
    signed = _as_cosign_3(index, _statement(index, {"name": "plain", "again": True}))
    push(client, index, (signed, Referrer(artifact_of(index.descriptor, CYCLONEDX, document("plain"), annotations={}))))
    assert sboms.find().document == document("plain")


@pytest.mark.parametrize("attach", [_as_cosign_3, _as_cosign_2])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda said: re.sub(rb"[0-9a-f]{64}", b"0" * 64, said), "something else"),
        (lambda said: said.replace(_PREDICATE.encode(), b"https://slsa.dev/provenance/v1"), "otherwise than"),
        (lambda said: said.replace(b'"predicate": {', b'"predicate": ' + b'{"a":' * 5000), "no statement"),
        (lambda _: b"", "no statement"),
        # the last of two counts, as for Go's programs
        (lambda said: said[:-1] + b', "subject": [{"digest": {"sha256": "' + b"0" * 64 + b'"}}]}', "something else"),
        (lambda said: said[:-1] + b', "subject": []}', "speaks of nothing"),
    ],
    ids=["of another image", "another kind", "nested", "empty", "two subjects", "and then none"],
)  # fmt: skip
def test_what_attestations_may_not_say(
    client: RegistryClient, sboms: Finder, tmp_path: Path, attach: Attach, change: Change, reason: str
) -> None:
    index = small_index(tmp_path / "blobs", (AMD64,))
    push(client, index, (attach(index, change(_statement(index, {"bomFormat": "CycloneDX"}))),))
    with pytest.raises(ContentInvalid, match=reason):
        sboms.find()


def test_what_was_chosen_does_not_hide_that_more_is_attached_than_is_read(
    client: RegistryClient, sboms: Finder, tmp_path: Path
) -> None:
    index = small_index(tmp_path / "blobs", (AMD64,))
    made = [artifact_of(index.descriptor, CYCLONEDX, document(str(n)), annotations={}) for n in range(65)]
    push(client, index, tuple(map(Referrer, made)))
    with pytest.raises(ContentInvalid, match="65 SBOMs of one moment"):
        sboms.find()


@pytest.mark.parametrize(("form", "place"), [("spdx", 0), ("spdx-3", 1), (None, 0)])
def test_versions_of_spdx_are_distinguished(
    client: RegistryClient, sboms: Finder, tmp_path: Path, form: str | None, place: int
) -> None:
    """They have one media type."""
    index = small_index(tmp_path / "blobs", (AMD64,))
    documents = (b'{"spdxVersion": "SPDX-2.3"}', b'{"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"}')
    made = tuple(Referrer(artifact_of(index.descriptor, SPDX, each, annotations={})) for each in documents)
    push(client, index, made[:1])
    if form == "spdx-3":
        with pytest.raises(NothingAttached):
            sboms.find(None, form)
    push(client, index, made)
    assert sboms.find(None, form).document == documents[place]


@pytest.mark.parametrize(("platform", "form"), [(None, None), ("linux/arm64", None), (None, "spdx")])
def test_nothing_is_attached(
    client: RegistryClient, sboms: Finder, tmp_path: Path, platform: str | None, form: str | None
) -> None:
    push(client, small_index(tmp_path / "blobs", (AMD64, ARM64)), ())
    with pytest.raises(NothingAttached, match="no SBOM"):
        sboms.find(platform, form)


def test_scanners_see_what_it_is(client: RegistryClient, tmp_path: Path) -> None:
    index = small_index(tmp_path / "blobs", (AMD64,))
    push(client, index, about(index))
    kinds = [each.artifact_type for each in list_referrers(client, REPOSITORY, index.digest)]
    assert sorted(kinds, key=str) == [SPDX, CYCLONEDX]


def test_no_tag_without_what_is_said(tmp_path: Path) -> None:
    index = small_index(tmp_path / "blobs", (AMD64,))
    said = about(index)
    refused = Fault("PUT", f"/manifests/{said[-1].descriptor.digest}", status=403, times=None)
    with InMemoryRegistry(faults=[refused]) as registry, client_of(registry.host) as client:
        with pytest.raises(CargoshipError):
            push(client, index, said)
        assert refused.hits
        assert "1" not in registry.tags(REPOSITORY)
        refused.status = None
        push(client, index, said)
        assert registry.tags(REPOSITORY)["1"] == str(index.digest)


def test_a_second_push_sends_nothing(tmp_path: Path) -> None:
    index = small_index(tmp_path / "blobs", (AMD64, ARM64))
    with InMemoryRegistry() as registry, client_of(registry.host) as client:
        push(client, index, about(index))
        before = len(registry.calls)
        push(client, index, about(index))
        assert {each.method for each in registry.calls[before:]} <= {"HEAD", "GET"}


def _attested(index: Index, statement: Mapping[str, object], kind: str) -> tuple[BytesBlob, BytesBlob, BytesBlob]:
    """BuildKit's form: an index with one entry more, the manifest of that, and its only blob."""
    image = next(iter(index.images()))
    whole = {"_type": "https://in-toto.io/Statement/v0.1", "predicateType": kind, **statement}
    blob = BytesBlob.of("application/vnd.in-toto+json", json.dumps(whole).encode())
    layer = replace(blob.descriptor, annotations={"in-toto.io/predicate-type": kind})
    made = artifact_of(image.descriptor, "x/y", b"", annotations={}).root
    manifest = json.loads(made.data)
    manifest["layers"] = [
        {
            "mediaType": layer.media_type, "digest": str(layer.digest), "size": layer.size_bytes,
            "annotations": dict(layer.annotations),
        }
    ]  # fmt: skip
    del manifest["subject"]
    root = BytesBlob.of(MediaType.OCI_MANIFEST, json.dumps(manifest).encode())
    entry = replace(
        root.descriptor,
        platform=UNKNOWN,
        annotations={
            "vnd.docker.reference.digest": str(image.digest), "vnd.docker.reference.type": "attestation-manifest",
        },
    )  # fmt: skip
    entries = (*(each.descriptor for each in index.images()), entry)
    return BytesBlob.of(MediaType.OCI_INDEX, encode_index(IndexManifest(MediaType.OCI_INDEX, entries))), root, blob


def _push_attested(client: RegistryClient, index: Index, parts: tuple[BytesBlob, BytesBlob, BytesBlob]) -> None:
    push(client, index, ())
    root, manifest, blob = parts
    client.upload(REPOSITORY, blob)
    client.upload(REPOSITORY, BytesBlob.of("application/vnd.oci.empty.v1+json", b"{}"))
    client.put_manifest(REPOSITORY, manifest.descriptor.digest, manifest)
    client.put_manifest(REPOSITORY, "1", root)


@pytest.mark.parametrize("platform", [None, "linux/amd64"])
def test_buildkits_attestations(
    client: RegistryClient, sboms: Finder, tmp_path: Path, platform: str | None
) -> None:  # fmt: skip
    index = small_index(tmp_path / "blobs", (AMD64,))
    subject = next(iter(index.images())).digest
    statement = {
        "subject": [{"name": "_", "digest": {"sha256": subject.hex}}],
        "predicate": {"spdxVersion": "SPDX-2.3"},
    }
    _push_attested(client, index, _attested(index, statement, "https://spdx.dev/Document"))
    found = sboms.find(platform)
    assert (found.subject, json.loads(found.document)) == (subject, {"spdxVersion": "SPDX-2.3"})


@pytest.mark.parametrize(
    "statement",
    [
        {"subject": [{"digest": {"sha256": "0" * 64}}], "predicate": {}},
        {"subject": [], "predicate": {}},
        {"predicate": {}},
        {"subject": {"digest": 1}, "predicate": {}},
        {"subject": [1], "predicate": {}},
        {"predicateType": "https://slsa.dev/provenance/v1", "predicate": {}},
    ],
)
def test_statements_of_something_else(
    client: RegistryClient, sboms: Finder, tmp_path: Path, statement: Mapping[str, object]
) -> None:
    index = small_index(tmp_path / "blobs", (AMD64,))
    image = next(iter(index.images())).digest
    said = {"subject": [{"digest": {"sha256": image.hex}}], **statement} if "predicateType" in statement else statement
    _push_attested(client, index, _attested(index, said, "https://spdx.dev/Document"))
    with pytest.raises(ContentInvalid, match=r"statement|something|nothing|otherwise"):
        sboms.find()


def test_a_document_that_claims_to_be_huge(client: RegistryClient, sboms: Finder, tmp_path: Path) -> None:
    index = small_index(tmp_path / "blobs", (AMD64,))
    made = artifact_of(index.descriptor, CYCLONEDX, document("x"), annotations={})
    manifest = json.loads(made.root.data)
    manifest["layers"][0]["size"] = 1 << 40
    root = BytesBlob.of(MediaType.OCI_MANIFEST, json.dumps(manifest).encode())
    described = Descriptor(root.descriptor.media_type, root.descriptor.digest, root.descriptor.size_bytes)
    push(client, index, (Referrer(structs.replace(made, root=replace(root, descriptor=described))),))
    with pytest.raises(ContentInvalid, match="are not read"):
        sboms.find()


@pytest.mark.parametrize(
    "nonsense",
    [
        b"[" * 100_000 + b"]" * 100_000,
        b'{"components":' * 101 + b"1" + b"}" * 101,
        b"[]",
        b"<bom/>",
        b'{"a": "\xff"}',
        b"",
        b'{"a": ["]}", ' + b"[" * 101 + b"]" * 101 + b"]}",
    ],
    ids=["deep lists", "deep tables", "no table", "XML", "no text", "empty", "deep beside a text of brackets"],
)
def test_what_is_no_sbom_is_not_printed(
    client: RegistryClient, sboms: Finder, tmp_path: Path, nonsense: bytes
) -> None:  # fmt: skip
    index = small_index(tmp_path / "blobs", (AMD64,))
    push(client, index, (Referrer(artifact_of(index.descriptor, CYCLONEDX, nonsense, annotations={})),))
    with pytest.raises(ContentInvalid, match=r"an SBOM of .* is none"):
        sboms.find()


@pytest.mark.parametrize(
    "odd",
    [
        b'{"components":' * 100 + b"1" + b"}" * 100,
        b'{"a": "' + b"[{" * 200 + b'"}',
        b'{"a": "\\\\", "b": "\\"' + b"[" * 200 + b'", "c": [[]]}',
        '{"a": "\u00e4\U0001f600"}'.encode(),
    ],
    ids=["nested", "brackets in a text", "brackets after a quote in a text", "other letters"],
)
def test_what_may_be_in_a_sbom_is_printed_as_it_is(
    client: RegistryClient, sboms: Finder, tmp_path: Path, odd: bytes
) -> None:  # fmt: skip
    index = small_index(tmp_path / "blobs", (AMD64,))
    push(client, index, (Referrer(artifact_of(index.descriptor, CYCLONEDX, odd, annotations={})),))
    assert sboms.find().document == odd


@pytest.mark.parametrize("part", [b"{}", b'{"":{}}'])
@pytest.mark.parametrize("signed", [False, True])
def test_of_a_sbom_that_is_printed_nothing_is_made(tmp_path: Path, part: bytes, *, signed: bool) -> None:
    """A few bytes of JSON are an object of sixty."""
    index = small_index(tmp_path / "blobs", (AMD64,))
    sbom = b'{"specVersion": "1.6", "components": [' + b",".join([part] * (1_000_000 // len(part))) + b"]}"
    made = artifact_of(index.descriptor, CYCLONEDX, sbom, annotations={})
    said = _as_cosign_3(index, _statement(index, {}).replace(b"{}", sbom)) if signed else Referrer(made)
    write_layout(tmp_path / "app", index, names=[Reference.parse("ghcr.io/me/app:1.0")], about=(said,))
    context = Context({"HOME": str(tmp_path)}, tmp_path, SystemRunner())
    tracemalloc.start()
    try:
        found = find_sbom("oci:app", context, platform=None, form=None)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.document == sbom
    assert peak < 10 * len(sbom)


def test_digests_are_those_of_the_documents(tmp_path: Path) -> None:
    index = small_index(tmp_path / "blobs", (AMD64,))
    made = artifact_of(index.descriptor, CYCLONEDX, document("x"), annotations={"a": "b"})
    assert made.descriptor.digest == Digest.of(made.root.data)
    assert (made.descriptor.artifact_type, made.descriptor.annotations) == (CYCLONEDX, {"a": "b"})
    assert json.loads(made.root.data)["subject"]["digest"] == str(index.digest)


def test_a_list_that_names_the_sbom_of_another_image(tmp_path: Path) -> None:
    one, other = small_index(tmp_path / "blobs", (AMD64,)), small_index(tmp_path / "blobs", (ARM64,))
    with InMemoryRegistry(contents=ContentApi(referrers=False)) as registry, client_of(registry.host) as client:
        push(client, one, about(one))
        push(client, other, about(other))
        # everyone who may push may write such a list
        theirs = client.manifest(REPOSITORY, fallback_tag(one.digest))
        client.put_manifest(REPOSITORY, fallback_tag(other.digest), theirs)
        reference = f"{registry.host}/{REPOSITORY}@{other.digest}"
        with pytest.raises(ContentInvalid, match="is listed as about"):
            find_sbom(reference, Context({"HOME": str(tmp_path)}, tmp_path, SystemRunner()), platform=None, form=None)
