"""What a push says of its images beside their SBOMs: provenance once, and signatures before there is a tag."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from msgspec import structs
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined,unused-ignore]

from cargoship.attest.provenance import LOCAL_BUILDER
from cargoship.context import Context
from cargoship.errors import Forbidden, IncludeInvalid, NothingAttached, SigningFailed
from cargoship.images.signatures import verify_signatures
from cargoship.images.statements import find_provenance
from cargoship.oci.digest import Digest
from cargoship.pipeline import build, pack
from cargoship.plan import Output, Selection
from cargoship.registry.testimony import cosign_tag
from cargoship.shipping import BuildResult
from cargoship.signing.bundle import SIGNED
from cargoship.signing.envelope import pae
from cargoship.testing import Fault, InMemoryRegistry
from cargoship.testing.content_api import ContentApi
from support.images import AMD64
from support.shop import Shop

pytestmark = pytest.mark.usefixtures("few_time_zones")

IN_TOTO = "application/vnd.in-toto+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "me/app",
    "GITHUB_WORKFLOW_REF": "me/app/.github/workflows/image.yml@refs/heads/main",
    "GITHUB_RUN_ID": "12",
    "GITHUB_RUN_ATTEMPT": "1",
}
Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
SECRET = "hunter2-not-to-be-told"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path, {"app": ["app"]})


@pytest.fixture
def registry() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        yield running


@pytest.fixture
def key(shop: Shop) -> ec.EllipticCurvePrivateKey:
    made = ec.generate_private_key(ec.SECP256R1())
    write_key(shop, made)
    return made


def write_key(shop: Shop, key: Key) -> None:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (shop.machine.project / "cosign.key").write_bytes(pem)


def around(shop: Shop, env: Mapping[str, str]) -> Context:
    plain = shop.context()
    return replace(plain, env={**plain.env, **env})


def pushed(shop: Shop, registry: InMemoryRegistry, **overrides: object) -> Selection:
    return structs.replace(shop.selection(tags=[f"{registry.host}/team/app:1"], **overrides), push=True)


def manifests(registry: InMemoryRegistry, repository: str = "team/app") -> dict[str, dict[str, Any]]:
    held = registry.contents.repositories[repository].manifests
    return {digest: json.loads(body) for digest, (_, body) in held.items()}


def blob(registry: InMemoryRegistry, digest: str) -> bytes:
    return bytes(registry.contents.blobs[digest])


def said(registry: InMemoryRegistry, kind: str) -> dict[str, list[Any]]:
    """The documents of a kind, by their subjects."""
    found: dict[str, list[Any]] = {}
    for each in manifests(registry).values():
        if each.get("artifactType") == kind:
            document = json.loads(blob(registry, each["layers"][0]["digest"]))
            found.setdefault(each["subject"]["digest"], []).append(document)
    return found


def subjects(result: BuildResult) -> set[str]:
    index = result.images[0].index
    return {str(index.digest), *(str(each.digest) for each in index.images())}


def test_the_index_and_each_image_get_provenance_before_there_is_a_tag(shop: Shop, registry: InMemoryRegistry) -> None:
    context = replace(around(shop, {**GITHUB, "RUSTFLAGS": f"--cfg {SECRET}"}), clock=lambda: 1_700_000_000.0)
    result = build(pushed(shop, registry, env={"TOKEN": SECRET}, expose=["8080"]), context)
    found = said(registry, IN_TOTO)
    assert found.keys() == subjects(result)
    tag = next(n for n, call in enumerate(registry.calls) if call.method == "PUT" and call.path.endswith("manifests/1"))
    assert all(call.method != "PUT" for call in registry.calls[tag + 1 :])
    of_index = found[str(result.images[0].index.digest)][0]
    assert of_index["subject"][0]["digest"] == {"sha256": result.images[0].index.digest.hex}
    definition, run = of_index["predicate"]["buildDefinition"], of_index["predicate"]["runDetails"]
    assert run["builder"]["id"].endswith("image.yml@refs/heads/main")
    assert run["metadata"] == {
        "invocationId": "https://github.com/me/app/actions/runs/12/attempts/1",
        "startedOn": "2023-11-14T22:13:20Z",
        "finishedOn": "2023-11-14T22:13:20Z",
    }
    asked = definition["externalParameters"]
    assert asked["platforms"] == ["linux/amd64", "linux/arm64"]
    assert asked["settings"] == {"expose": ["8080/tcp"]}
    assert asked["withheldSettings"] == ["env"]
    assert asked["environment"] == ["RUSTFLAGS"]
    names = [each["name"] for each in definition["resolvedDependencies"]]
    assert {"Cargo.lock", "rustc", "rust-std", "zig", "certifi", "tzdata"} <= set(names)
    assert names.count("rust-std") == 2
    (alone,) = (found[str(each.digest)][0] for each in result.images[0].index.images() if each.platform == AMD64)
    assert alone["predicate"]["buildDefinition"]["externalParameters"]["platforms"] == ["linux/amd64"]
    reported = json.dumps(list(found.values()))
    assert SECRET not in reported
    assert str(shop.root) not in reported, "a place of this machine"


def test_nothing_is_said_again_where_nothing_has_changed(
    shop: Shop, registry: InMemoryRegistry, key: ec.EllipticCurvePrivateKey
) -> None:
    del key
    selection = pushed(shop, registry, sign="cosign.key", **{"signature-format": ["bundle", "cosign-2"]})
    build(selection, replace(shop.context(), clock=lambda: 1.0))
    before = manifests(registry)
    build(selection, replace(around(shop, GITHUB), clock=lambda: 2.0))
    assert manifests(registry) == before


def test_all_that_is_there_is_asked_for_at_once(shop: Shop) -> None:
    """A build that changes nothing waits once for a registry that is far away, and not for each image."""
    together = threading.Barrier(3)

    def wait(_: float) -> None:
        together.wait(10)

    with InMemoryRegistry(sleep=wait) as registry:
        build(pushed(shop, registry), shop.context())
        # no question is answered before all three are there
        questions = Fault("GET", "/referrers/", delay_s=1, times=3)
        registry.faults.append(questions)
        build(pushed(shop, registry), shop.context())
    assert questions.hits == 3
    assert not together.broken


def test_a_registry_without_lists_gets_all_of_it_under_its_tag(shop: Shop, key: ec.EllipticCurvePrivateKey) -> None:
    del key
    with InMemoryRegistry(contents=ContentApi(referrers=False)) as registry:
        result = build(pushed(shop, registry, sign="cosign.key"), shop.context())
        for subject in subjects(result):
            listed = manifests(registry)[registry.tags("team/app")[subject.replace(":", "-")]]["manifests"]
            types = sorted(each["artifactType"] for each in listed)
            assert types == sorted(["application/vnd.cyclonedx+json", BUNDLE, BUNDLE, BUNDLE])
        assert find_provenance(f"{registry.host}/team/app:1", shop.context()).subject == result.images[0].index.digest


def test_times_and_runs_do_not_change_the_image(shop: Shop, registry: InMemoryRegistry) -> None:
    one = build(pushed(shop, registry), replace(shop.context(), clock=lambda: 1.0)).images[0].index
    other = build(pushed(shop, registry, provenance=False), around(shop, GITHUB)).images[0].index
    assert one.raw == other.raw


def test_provenance_is_read_back(shop: Shop, registry: InMemoryRegistry) -> None:
    result = build(pushed(shop, registry, user="root"), shop.context())
    found = find_provenance(f"{registry.host}/team/app:1", shop.context())
    assert found.subject == result.images[0].index.digest
    assert found.provenance.run.builder == LOCAL_BUILDER
    assert found.provenance.parameters.settings == {"user": "root"}
    of_one = find_provenance(f"{registry.host}/team/app:1", shop.context(), platform="linux/arm64")
    assert of_one.provenance.parameters.platforms == ("linux/arm64",)


def test_programs_that_were_given_are_materials(shop: Shop, registry: InMemoryRegistry) -> None:
    pack(pushed(shop, registry), shop.files(app=b""), shop.context())
    found = find_provenance(f"{registry.host}/team/app:1", shop.context()).provenance
    assert found.parameters.given
    assert [each.annotations["platform"] for each in found.materials if each.name == "program"] == [
        "linux/amd64",
        "linux/arm64",
    ]
    assert found.material("rustc") is None


def test_a_bundle_is_what_others_verify(
    shop: Shop, registry: InMemoryRegistry, key: ec.EllipticCurvePrivateKey, tmp_path: Path
) -> None:
    result = build(pushed(shop, registry, sign="cosign.key"), shop.context())
    bundles = said(registry, BUNDLE)
    assert bundles.keys() == subjects(result)
    assert not said(registry, IN_TOTO), "what is signed is not attached unsigned as well"
    public = tmp_path / "cosign.pub"
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    kinds = set()
    for subject, documents in bundles.items():
        for each in documents:
            envelope = each["dsseEnvelope"]
            (signature,) = envelope["signatures"]
            judge = SSlibKey.from_crypto(key.public_key(), keyid=signature["keyid"])
            assert list(Envelope.from_dict(json.loads(json.dumps(envelope))).verify([judge], 1))
            payload = base64.b64decode(envelope["payload"])
            openssl(public, base64.b64decode(signature["sig"]), pae(payload), tmp_path)
            statement = json.loads(payload)
            assert statement["subject"][0]["digest"]["sha256"] == Digest.parse(subject).hex
            kinds.add(statement["predicateType"])
            assert each["verificationMaterial"]["publicKey"]["hint"] == signature["keyid"]
    assert kinds == {SIGNED, "https://cyclonedx.org/bom", "https://slsa.dev/provenance/v1"}


def openssl(public: Path, signature: bytes, message: bytes, folder: Path) -> None:
    (folder / "signature").write_bytes(signature)
    (folder / "message").write_bytes(message)
    words = ["openssl", "dgst", "-sha256", "-verify", str(public), "-signature", "signature", "message"]
    assert subprocess.run(words, cwd=folder, capture_output=True, check=False).stdout == b"Verified OK\n"


def test_older_signatures_are_under_their_tags_beside_those_of_others(
    shop: Shop, registry: InMemoryRegistry, key: ec.EllipticCurvePrivateKey, tmp_path: Path
) -> None:
    old = {"signature-format": ["cosign-2"]}
    result = build(pushed(shop, registry, sign="cosign.key", **old), shop.context())
    public = tmp_path / "cosign.pub"
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    tags = registry.tags("team/app")
    for subject in subjects(result):
        tagged = manifests(registry)[tags[cosign_tag(Digest.parse(subject), "sig")]]
        (layer,) = tagged["layers"]
        payload = blob(registry, layer["digest"])
        openssl(public, base64.b64decode(layer["annotations"]["dev.cosignproject.cosign/signature"]), payload, tmp_path)
        critical = json.loads(payload)["critical"]
        assert critical["image"]["docker-manifest-digest"] == subject
        assert critical["identity"]["docker-reference"] == f"{registry.host}/team/app"
        attested = manifests(registry)[tags[cosign_tag(Digest.parse(subject), "att")]]
        assert [each["annotations"]["predicateType"] for each in attested["layers"]] == [
            "https://cyclonedx.org/bom",
            "https://slsa.dev/provenance/v1",
        ]
    # somebody else signs as well
    write_key(shop, ec.generate_private_key(ec.SECP256R1()))
    build(pushed(shop, registry, sign="cosign.key", **old), shop.context())
    again = manifests(registry)[registry.tags("team/app")[cosign_tag(result.images[0].index.digest, "sig")]]
    assert len(again["layers"]) == 2


@pytest.mark.parametrize(
    ("sign", "env"),
    [
        ("missing.key", {}),
        ("env://NO_SUCH_KEY", {}),
        ("env://KEY", {"KEY": "-----BEGIN PRIVATE KEY-----\nhunter2-not-to-be-told\n-----END PRIVATE KEY-----"}),
        ("env://KEY", {"KEY": "hunter2-not-to-be-told"}),
        ("keyless", {}),
        ("keyless", {"SIGSTORE_ID_TOKEN": "hunter2-not-to-be-told"}),
    ],
)
def test_what_cannot_sign_is_refused_before_anything_is_compiled(
    shop: Shop, registry: InMemoryRegistry, sign: str, env: dict[str, str]
) -> None:
    with pytest.raises(SigningFailed) as failed:
        build(pushed(shop, registry, sign=sign), around(shop, env))
    assert not shop.compiled
    assert "team/app" not in registry.contents.repositories
    assert SECRET not in f"{failed.value} {failed.value.hint} {failed.value.details}"


def test_no_tag_is_there_without_its_signature(
    shop: Shop, registry: InMemoryRegistry, key: ec.EllipticCurvePrivateKey
) -> None:
    del key
    registry.faults.append(Fault("PUT", r"/blobs/uploads/", status=403, times=None))
    with pytest.raises(Forbidden):
        build(pushed(shop, registry, sign="cosign.key"), shop.context())
    assert registry.tags("team/app") == {}


def test_a_failure_while_signing_pushes_no_manifest(
    shop: Shop, registry: InMemoryRegistry, key: ec.EllipticCurvePrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    del key

    def fail(*_: object) -> bytes:
        raise SigningFailed("no")

    monkeypatch.setattr("cargoship.signing.signer.key_bundle", fail)
    with pytest.raises(SigningFailed):
        build(pushed(shop, registry, sign="cosign.key"), shop.context())
    assert not [call for call in registry.calls if call.method == "PUT" and "/manifests/" in call.path]


def test_the_key_does_not_get_into_the_image(
    shop: Shop, registry: InMemoryRegistry, key: ec.EllipticCurvePrivateKey
) -> None:
    del key
    (shop.machine.project / "app" / "cosign.key").symlink_to("../cosign.key")
    with pytest.raises(IncludeInvalid, match="key that signs"):
        build(pushed(shop, registry, sign="cosign.key", include=["*.key -> /keys/"]), shop.context())


@pytest.mark.parametrize("make", [ed25519.Ed25519PrivateKey.generate, lambda: rsa.generate_private_key(65537, 2048)])
def test_other_kinds_of_keys_sign_too(shop: Shop, registry: InMemoryRegistry, make: Callable[[], Key]) -> None:
    key = make()
    write_key(shop, key)
    build(pushed(shop, registry, sign="cosign.key"), shop.context())
    for documents in said(registry, BUNDLE).values():
        for each in documents:
            signature = each["dsseEnvelope"]["signatures"][0]
            judge = SSlibKey.from_crypto(key.public_key(), keyid=signature["keyid"])
            if isinstance(key, ed25519.Ed25519PrivateKey):
                assert list(Envelope.from_dict(json.loads(json.dumps(each["dsseEnvelope"]))).verify([judge], 1))
            else:
                key.public_key().verify(
                    base64.b64decode(signature["sig"]),
                    pae(base64.b64decode(each["dsseEnvelope"]["payload"])),
                    *rsa_words(),
                )


def rsa_words() -> Sequence[Any]:
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import padding  # noqa: PLC0415

    return padding.PKCS1v15(), hashes.SHA256()


def test_a_layout_has_provenance_that_is_the_same_each_time(shop: Shop, tmp_path: Path) -> None:
    contents = []
    for name, env in (("one", {}), ("two", {**GITHUB, "GITHUB_RUN_ID": "13"})):
        selection = structs.replace(shop.selection(), outputs=(Output.parse(f"oci-archive:{name}.tar", cwd=tmp_path),))
        build(selection, replace(around(shop, {**GITHUB, **env}), clock=lambda: 1.0))
        contents.append((tmp_path / f"{name}.tar").read_bytes())
        found = find_provenance(f"oci-archive:{name}.tar", replace(shop.context(), cwd=tmp_path))
        assert found.provenance.run.started is None
        assert found.provenance.run.invocation is None
        assert found.provenance.parameters.platforms == ("linux/amd64", "linux/arm64")
    assert contents[0] == contents[1], "no time, and no number of a run"


def test_no_second_is_spent_on_a_layout_that_nobody_has_asked_for(shop: Shop, tmp_path: Path) -> None:
    build(shop.selection(), shop.context())
    with pytest.raises(NothingAttached):
        find_provenance(str(shop.machine.project / "target/cargoship/app"), replace(shop.context(), cwd=tmp_path))


def test_what_is_signed_on_request_is_signed_in_a_layout(
    shop: Shop, key: ec.EllipticCurvePrivateKey, tmp_path: Path
) -> None:
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "cosign.pub").write_bytes(public)
    selection = structs.replace(shop.selection(sign="cosign.key"), outputs=(shop.layout("signed"),))
    build(selection, shop.context())
    context = replace(shop.context(), cwd=tmp_path)
    report = verify_signatures(f"oci:{shop.root}/signed", context, key="cosign.pub", required=["provenance", "sbom"])
    assert report.ok
    assert all(each.is_signed for each in report.subjects)


def test_a_key_that_the_settings_name_is_for_what_is_pushed(shop: Shop) -> None:
    # the key is not there, and not needed: nothing goes to others
    shop.settings["app"] = {"sign": "env://COSIGN_PRIVATE_KEY"}
    build(structs.replace(shop.selection(), outputs=(shop.layout("plain"),)), shop.context())


def test_buildkits_form_has_provenance_and_a_digest_that_stays(shop: Shop, registry: InMemoryRegistry) -> None:
    digests = set()
    for run in ("12", "13"):
        context = replace(around(shop, {**GITHUB, "GITHUB_RUN_ID": run}), clock=partial(float, run))
        result = build(pushed(shop, registry, attest="index"), context)
        digests.add(result.images[0].index.digest)
    assert len(digests) == 1
    kinds = [
        layer["annotations"]["in-toto.io/predicate-type"]
        for each in manifests(registry).values()
        for layer in each.get("layers", ())
        if layer["mediaType"] == IN_TOTO
    ]
    assert sorted(kinds) == ["https://cyclonedx.org/bom"] * 2 + ["https://slsa.dev/provenance/v1"] * 2
    found = find_provenance(f"{registry.host}/team/app:1", shop.context(), platform="linux/arm64")
    assert found.provenance.parameters.platforms == ("linux/arm64",)
    without = build(pushed(shop, registry, attest="index", provenance=False), shop.context())
    assert without.images[0].index.digest not in digests


def test_compilers_are_read_once_and_again_when_they_change(shop: Shop, registry: InMemoryRegistry) -> None:
    def rustc(tag: str) -> str:
        selection = structs.replace(shop.selection(tags=[f"{registry.host}/team/{tag}:1"]), push=True)
        build(selection, shop.context())
        found = find_provenance(f"{registry.host}/team/{tag}:1", shop.context()).provenance.material("rustc")
        assert found is not None
        return found.digest["sha256"]

    first = rustc("one")
    kept = {path: path.read_bytes() for path in (shop.machine.cache / "toolchains").iterdir()}
    assert kept
    place = next(path for path, said in kept.items() if first in said.decode())
    place.write_bytes(b"sha256 ../x")
    assert rustc("two") == first, "what is no digest is made again"
    assert place.read_bytes() == kept[place]
    (program,) = shop.machine.root.glob("distributions/usr/bin/rustc")
    program.write_bytes(program.read_bytes() + b"#")
    assert rustc("three") != first
