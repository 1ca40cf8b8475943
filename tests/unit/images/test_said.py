"""What is said about an image goes where the image goes: into layouts, archives, registries, and back."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from cargoship.bom.cyclonedx import MEDIA_TYPE as CYCLONEDX
from cargoship.bom.cyclonedx import PREDICATE_TYPE, cyclonedx
from cargoship.bom.sbom import BaseContents, ImageFacts, ShippedProgram, sbom_of
from cargoship.cli.paint import Paint
from cargoship.cli.results.inspected import inspection_text
from cargoship.context import Context
from cargoship.destinations import About, ArchiveDestination, Destination, LayoutDestination, OwnLayoutDestination
from cargoship.errors import ContentInvalid, NothingAttached, UsageError
from cargoship.events import ignore
from cargoship.images.copying import copy, inspect
from cargoship.images.files import source_of_files
from cargoship.images.merging import merge
from cargoship.images.sboms import find_sbom
from cargoship.oci.artifact import artifact_of
from cargoship.oci.descriptor import BytesBlob
from cargoship.oci.digest import Digest
from cargoship.oci.image import Image
from cargoship.oci.index import Index
from cargoship.oci.layout import write_layout
from cargoship.oci.layout_reader import read_layout
from cargoship.oci.manifest import encode_json
from cargoship.oci.reference import Reference
from cargoship.oci.referrer import REFERRERS, Referrer
from cargoship.oci.statement import Document, with_statements
from cargoship.oci.target import LayoutTarget
from cargoship.oci.tree import ManifestTree
from cargoship.process import SystemRunner
from cargoship.testing import InMemoryRegistry
from support.attested import ATTESTATION, attested_index
from support.images import AMD64, ARM64, small_index
from support.validate import validate

NAME = Reference.parse("ghcr.io/me/app:1.0")
_SBOM = b'{"bomFormat":"CycloneDX"}'


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return small_index(tmp_path / "store", (AMD64, ARM64))


def about(index: Index) -> tuple[Referrer, ...]:
    """A document about the index, one about its first image, and a signature of the first document."""
    whole = artifact_of(index.descriptor, CYCLONEDX, _SBOM, annotations={"a": "b"})
    image = artifact_of(index.children[0].descriptor, CYCLONEDX, b'{"of":"amd64"}', annotations={})
    signed = artifact_of(whole.descriptor, "application/x-signature", b"signed", annotations={})
    return tuple(map(Referrer, (whole, image, signed)))


def context(folder: Path) -> Context:
    return Context({"HOME": str(folder)}, folder, SystemRunner())


def layout(folder: Path, *, as_entries: bool) -> Destination:
    return LayoutDestination(folder / "out", (NAME,), ignore, drop=True, as_entries=as_entries)


def own(folder: Path, *, as_entries: bool) -> Destination:
    return OwnLayoutDestination(folder / "out", (NAME,), AMD64, ignore, as_entries)


def archive(folder: Path, *, as_entries: bool) -> Destination:
    return ArchiveDestination(folder / "out", (NAME,), AMD64, ignore, docker=False, as_entries=as_entries)


@pytest.mark.parametrize("as_entries", [False, True])
@pytest.mark.parametrize("place", [layout, own, archive])
def test_files_hold_it(place: Callable[..., Destination], as_entries: bool, tmp_path: Path, index: Index) -> None:  # noqa: FBT001
    place(tmp_path, as_entries=as_entries).publish(index, About(about(index)))
    target = str(tmp_path / "out")
    assert find_sbom(target, context(tmp_path), platform=None, form=None).document == _SBOM
    assert find_sbom(target, context(tmp_path), platform="linux/amd64", form=None).document == b'{"of":"amd64"}'
    with pytest.raises(NothingAttached):
        find_sbom(target, context(tmp_path), platform="linux/arm64", form=None)


@pytest.mark.parametrize("as_entries", [False, True])
def test_tools_that_want_one_entry_get_one(as_entries: bool, tmp_path: Path, index: Index) -> None:  # noqa: FBT001
    layout(tmp_path, as_entries=as_entries).publish(index, About(about(index)))
    entries = json.loads((tmp_path / "out" / "index.json").read_bytes())["manifests"]
    assert len(entries) == (4 if as_entries else 1)
    assert entries[-1]["digest"] == str(index.digest)
    assert [each.get("artifactType") for each in entries[:-1]].count(CYCLONEDX) == (2 if as_entries else 0)


@pytest.mark.parametrize("as_entries", [False, True])
def test_a_layout_that_is_written_again_keeps_nothing_of_the_last_image(
    as_entries: bool,  # noqa: FBT001
    tmp_path: Path,
    index: Index,
) -> None:
    layout(tmp_path, as_entries=as_entries).publish(index, About(about(index)))
    other = small_index(tmp_path / "store", (ARM64,))
    layout(tmp_path, as_entries=as_entries).publish(other)
    assert len(json.loads((tmp_path / "out" / "index.json").read_bytes())["manifests"]) == 1
    names = {path.name for path in (tmp_path / "out" / "blobs" / "sha256").iterdir()}
    assert names == {blob.descriptor.digest.hex for blob in (*other.blobs(), *other.manifests())}


def test_a_list_that_another_tool_took_away(tmp_path: Path, index: Index) -> None:
    layout(tmp_path, as_entries=False).publish(index, About(about(index)))
    _listed(tmp_path / "out").unlink()
    with pytest.raises(NothingAttached):
        find_sbom(str(tmp_path / "out"), context(tmp_path), platform=None, form=None)


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"schemaVersion":2,"manifests":[{}]}', b"[" * 100_000])
def test_a_list_that_is_none(text: bytes, tmp_path: Path, index: Index) -> None:
    layout(tmp_path, as_entries=False).publish(index, About(about(index)))
    document = json.loads((tmp_path / "out" / "index.json").read_bytes())
    digest = Digest.of(text)
    document["manifests"][0]["annotations"][REFERRERS] = str(digest)
    (tmp_path / "out" / "index.json").write_text(json.dumps(document))
    (tmp_path / "out" / "blobs" / "sha256" / digest.hex).write_bytes(text)
    with pytest.raises(ContentInvalid):
        find_sbom(str(tmp_path / "out"), context(tmp_path), platform=None, form=None)


def test_a_list_with_other_contents(tmp_path: Path, index: Index) -> None:
    layout(tmp_path, as_entries=False).publish(index, About(about(index)))
    path = _listed(tmp_path / "out")
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ContentInvalid, match="damaged"):
        find_sbom(str(tmp_path / "out"), context(tmp_path), platform=None, form=None)


def test_what_cosign_finds_by_a_tag(tmp_path: Path, index: Index) -> None:
    tag = f"sha256-{index.digest.hex}.sig"
    made = artifact_of(index.descriptor, "application/x-signature", b"signed", annotations={})
    layout(tmp_path, as_entries=False).publish(index, About((Referrer(made, tag),)))
    found = source_of_files(LayoutTarget(tmp_path / "out")).about
    assert found is not None
    assert [(blob.descriptor.digest, name) for blob, name in found(index.digest)] == [(made.descriptor.digest, tag)]


def _listed(root: Path) -> Path:
    (entry,) = json.loads((root / "index.json").read_bytes())["manifests"]
    return root / "blobs" / "sha256" / Digest.parse(entry["annotations"][REFERRERS]).hex


def _documents(index: Index, images: Sequence[int]) -> list[Document]:
    return [
        Document(index.children[place].descriptor, PREDICATE_TYPE, b'{"place":%d}' % place, CYCLONEDX)
        for place in images
    ]


def test_statements_in_the_index_as_buildkit_writes_them(tmp_path: Path, index: Index) -> None:
    made = with_statements(index, _documents(index, (0, 1)), "app")
    validate(made)
    assert made.platforms == index.platforms
    assert made.children[:2] == index.children
    entries = json.loads(made.raw)["manifests"]
    assert entries[:2] == json.loads(index.raw)["manifests"]
    for place, entry in enumerate(entries[2:]):
        image = index.children[place]
        assert entry["platform"] == {"os": "unknown", "architecture": "unknown"}
        assert entry["annotations"] == {
            "vnd.docker.reference.digest": str(image.digest), "vnd.docker.reference.type": "attestation-manifest",
        }  # fmt: skip
        manifest = json.loads(made.children[2 + place].raw_manifest)
        assert manifest["artifactType"] == "application/vnd.docker.attestation.manifest.v1+json"
        assert manifest["config"]["mediaType"] == "application/vnd.oci.empty.v1+json"
        assert manifest["subject"]["digest"] == str(image.digest)
        (layer,) = manifest["layers"]
        assert layer["mediaType"] == "application/vnd.in-toto+json"
        assert layer["annotations"] == {"in-toto.io/predicate-type": PREDICATE_TYPE}
        (held,) = made.children[2 + place].layers
        with held.blob.open() as stream:
            statement = json.loads(stream.read())
        assert statement == {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "app", "digest": {"sha256": image.digest.hex}}],
            "predicateType": PREDICATE_TYPE,
            "predicate": {"place": place},
        }
    layout(tmp_path, as_entries=False).publish(made)
    assert read_layout(tmp_path / "out").raw == made.raw
    found = find_sbom(str(tmp_path / "out"), context(tmp_path), platform="linux/arm64", form=None)
    assert json.loads(found.document) == {"place": 1}


def test_statements_of_images_that_are_not_in_the_index(index: Index, tmp_path: Path) -> None:
    other = small_index(tmp_path / "other", (ARM64,))
    said = [*_documents(index, (1,)), Document(other.descriptor, PREDICATE_TYPE, b"{}", CYCLONEDX)]
    assert len(with_statements(index, said, "app").children) == 3


def test_what_no_media_type_says_travels_as_a_statement(index: Index) -> None:
    tree: ManifestTree = Document(index.descriptor, "https://slsa.dev/provenance/v1", b'{"x":1}').artifact("app", {})
    assert tree.descriptor.artifact_type == "application/vnd.in-toto+json"
    assert tree.descriptor.annotations == {"in-toto.io/predicate-type": "https://slsa.dev/provenance/v1"}
    (blob,) = tree.layers
    assert isinstance(blob, BytesBlob)
    assert json.loads(blob.data)["predicate"] == {"x": 1}


def _sboms(index: Index) -> tuple[Referrer, ...]:
    """An SBOM of each image, as cargoship writes them."""
    return tuple(
        Referrer(Document(each.descriptor, PREDICATE_TYPE, _written(each), CYCLONEDX).artifact("app", {}))
        for each in index.images()
    )


def _written(image: Image) -> bytes:
    program = ShippedProgram("app", "1.0.0", "/app/app", Digest.of(str(image.platform).encode()))
    sbom = sbom_of(
        ImageFacts("app", image.digest, image.platform.architecture, "1970-01-01T00:00:00Z"), tools={"cargoship": "1"},
        programs=[program], base=BaseContents(),
    )  # fmt: skip
    return cyclonedx(sbom, "1.6")


def test_merging_keeps_what_is_said_and_says_what_the_whole_is_made_of(tmp_path: Path) -> None:
    parts = {name: small_index(tmp_path / "store", (at,)) for name, at in (("amd64", AMD64), ("arm64", ARM64))}
    for name, part in parts.items():
        LayoutDestination(tmp_path / name, (NAME,), ignore).publish(part, About(_sboms(part)))
    with InMemoryRegistry() as registry:
        target = f"{registry.host}/me/app:1"
        (done,) = merge([f"oci:{tmp_path}/amd64", f"oci:{tmp_path}/arm64"], [target], context(tmp_path))
        found = find_sbom(target, context(tmp_path), platform="linux/arm64", form=None)
        assert found.document == _written(parts["arm64"].children[0])
        whole = json.loads(find_sbom(target, context(tmp_path), platform=None, form=None).document)
        assert whole["metadata"]["component"]["version"] == str(done.digest)
        assert len([each for each in whole["components"] if each["name"] == "app"]) == 2
        # from one repository to another, with those that are in a registry already
        (again,) = merge([target], [f"{registry.host}/other/app:1"], context(tmp_path))
        assert again.digest == done.digest
        there = f"{registry.host}/other/app:1"
        assert json.loads(find_sbom(there, context(tmp_path), platform=None, form=None).document) == whole


def test_an_index_of_images_of_which_nothing_is_known_has_no_sbom(tmp_path: Path) -> None:
    one, other = small_index(tmp_path / "store", (AMD64,)), small_index(tmp_path / "store", (ARM64,))
    LayoutDestination(tmp_path / "one", (NAME,), ignore).publish(one, About(_sboms(one)))
    LayoutDestination(tmp_path / "other", (NAME,), ignore).publish(other)
    with InMemoryRegistry() as registry:
        target = f"{registry.host}/me/app:1"
        merge([f"oci:{tmp_path}/one", f"oci:{tmp_path}/other"], [target], context(tmp_path))
        with pytest.raises(NothingAttached):
            find_sbom(target, context(tmp_path), platform=None, form=None)


def test_copies_keep_it_in_every_direction(tmp_path: Path, index: Index) -> None:
    layout(tmp_path, as_entries=False).publish(index, About(about(index)))
    with InMemoryRegistry() as registry:
        steps = [
            f"oci:{tmp_path}/out",
            f"oci-archive:{tmp_path}/a.tar",
            f"oci:{tmp_path}/b",
            f"{registry.host}/me/app:1",
        ]
        for one, other in pairwise(steps):
            copy(one, other, context(tmp_path), platforms=(), referrers=False)
        assert len(json.loads((tmp_path / "b" / "index.json").read_bytes())["manifests"]) == 1
        # back again: a registry is asked for it, and what oras reads is written
        copy(steps[-1], f"oci-archive:{tmp_path}/c.tar", context(tmp_path), platforms=(), referrers=True)
        for place in (*steps, f"oci-archive:{tmp_path}/c.tar"):
            assert find_sbom(place, context(tmp_path), platform=None, form=None).document == _SBOM
            assert find_sbom(place, context(tmp_path), platform="linux/amd64", form=None).document == b'{"of":"amd64"}'
        with tarfile.open(tmp_path / "c.tar") as archived:
            held = archived.extractfile("index.json")
            assert held is not None
            assert len(json.loads(held.read())["manifests"]) == 4


def test_a_docker_archive_has_no_place_for_it(tmp_path: Path, index: Index) -> None:
    layout(tmp_path, as_entries=False).publish(index, About(about(index)))
    target = f"docker-archive:{tmp_path}/d.tar"
    copy(f"oci:{tmp_path}/out", target, context(tmp_path), platforms=(), referrers=False)
    with pytest.raises(UsageError, match="one image alone"):
        copy(f"oci:{tmp_path}/out", target, context(tmp_path), platforms=(), referrers=True)


def test_inspecting_shows_what_attests_to_an_image_in_the_index_as_that(tmp_path: Path, index: Index) -> None:
    """BuildKit's attestations were shown as images for unknown/unknown."""
    said = [Document(each.descriptor, PREDICATE_TYPE, b"{}") for each in index.children]
    write_layout(tmp_path / "out", with_statements(index, said, "app"), names=[])
    found = inspect(str(tmp_path / "out"), context(tmp_path))
    assert [str(each.config.platform) for each in found.images] == [str(each.platform) for each in index.images()]
    assert [each.subject for each in found.attached] == [each.digest for each in index.images()]
    text = inspection_text(found, Paint(enabled=False))
    assert "unknown" not in text
    assert f"attached    {found.attached[0].descriptor.digest} {PREDICATE_TYPE} (linux/amd64)" in text


def test_what_attests_to_nothing_stays_an_image(tmp_path: Path) -> None:
    made = attested_index(tmp_path / "blobs", [AMD64])
    odd = ({ATTESTATION: "x"}, {ATTESTATION: "x", "vnd.docker.reference.digest": "no digest"})
    for number, about_it in enumerate(odd):
        document = json.loads(made.raw)
        document["manifests"][1]["annotations"] = about_it
        write_layout(tmp_path / f"odd{number}", Index(encode_json(document), made.children), names=[])
        found = inspect(str(tmp_path / f"odd{number}"), context(tmp_path))
        assert [str(each.config.platform) for each in found.images] == ["linux/amd64", "unknown/unknown"]
        assert not found.attached


def test_inspecting_shows_what_is_attached(tmp_path: Path, index: Index) -> None:
    layout(tmp_path, as_entries=False).publish(index, About(about(index)))
    found = inspect(str(tmp_path / "out"), context(tmp_path)).attached
    assert [(each.subject, each.kind) for each in found] == [
        (index.digest, CYCLONEDX), (index.children[0].digest, CYCLONEDX),
    ]  # fmt: skip
    text = inspection_text(inspect(str(tmp_path / "out"), context(tmp_path)), Paint(enabled=False))
    assert f"{found[1].descriptor.digest} {CYCLONEDX} (linux/amd64)" in text
