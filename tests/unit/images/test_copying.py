"""Images that exist, carried between folders, archives and registries by the commands that people type."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cargoship.cli.main import main
from cargoship.cli.session import World
from cargoship.oci.descriptor import BytesBlob, MediaType
from cargoship.oci.digest import Digest
from cargoship.oci.index import Index
from cargoship.oci.layout import read_layout, write_layout
from cargoship.oci.manifest import encode_json
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.registry.referrers import attach, list_referrers
from cargoship.testing import Fault, InMemoryRegistry
from support.attested import attested_index
from support.images import AMD64, ARM64, small_index
from support.pushing import REPOSITORY, client_of, push


@pytest.fixture
def registry() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        yield running


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return attested_index(tmp_path / "store", [AMD64, ARM64])


def run(folder: Path, *argv: str) -> tuple[int, str, str]:
    stdout, stderr = io.StringIO(), io.StringIO()
    env = {"CARGOSHIP_CACHE_DIR": str(folder / "cache"), "HOME": str(folder)}
    code = main(argv, World(env, folder, stdout, stderr))
    return code, stdout.getvalue(), stderr.getvalue()


def good(folder: Path, *argv: str) -> str:
    code, out, said = run(folder, *argv)
    assert code == 0, said
    return out


@pytest.mark.parametrize("kind", ["oci:there", "oci-archive:there.tar", "docker-archive:there.tar"])
def test_what_was_built_is_published_with_every_digest_as_it_is(
    kind: str, tmp_path: Path, registry: InMemoryRegistry, index: Index
) -> None:
    write_layout(tmp_path / "built", index, names=[Reference.parse("ghcr.io/me/app:1")])
    assert good(tmp_path, "copy", "oci:built", kind) == ""
    printed = good(tmp_path, "copy", kind, f"{registry.host}/me/app:2")
    assert printed == f"{registry.host}/me/app@{index.digest}\n"
    assert registry.tags("me/app") == {"2": str(index.digest)}
    # and back, attestations included
    good(tmp_path, "copy", f"{registry.host}/me/app:2", "oci:back")
    assert [blob.descriptor.digest for blob in read_layout(tmp_path / "back").manifests()] == [
        blob.descriptor.digest for blob in index.manifests()
    ]


def test_one_platform_of_a_layout_is_published(tmp_path: Path, registry: InMemoryRegistry) -> None:
    index = small_index(tmp_path / "store")
    write_layout(tmp_path / "built", index, names=[])
    printed = good(tmp_path, "copy", "built", f"{registry.host}/me/app:1", "--platform", "linux/arm64")
    assert printed == f"{registry.host}/me/app@{index.children[1].digest}\n"


def test_names_go_along_and_can_be_given(tmp_path: Path) -> None:
    index = small_index(tmp_path / "store")
    write_layout(tmp_path / "built", index, names=[Reference.parse("ghcr.io/me/app:1")])
    good(tmp_path, "copy", "built", "docker-archive:a.tar")
    good(tmp_path, "copy", "built", "docker-archive:b.tar:quay.io/you/web:2")
    for name, tag in (("a.tar", "ghcr.io/me/app:1"), ("b.tar", "quay.io/you/web:2")):
        with tarfile.open(tmp_path / name) as tar:
            stream = tar.extractfile("manifest.json")
            assert stream is not None
            assert json.load(stream)[0]["RepoTags"] == [tag]


@pytest.mark.parametrize("urls", [None, [], ["https://example.com/layer"]])
def test_a_layer_of_its_makers_comes_along_if_it_is_nowhere_else(
    urls: list[str] | None, tmp_path: Path, registry: InMemoryRegistry, index: Index
) -> None:
    with client_of(registry.host) as client:
        push(client, index)
        manifest = json.loads(index.children[0].raw_manifest)
        layer = manifest["layers"][1]
        layer["mediaType"] = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
        if urls is not None:
            layer["urls"] = urls
        client.put_manifest(REPOSITORY, "1", BytesBlob.of(MediaType.OCI_MANIFEST, encode_json(manifest)))
    good(tmp_path, "copy", f"{registry.host}/{REPOSITORY}:1", "oci:copied")
    blob = tmp_path / "copied" / "blobs" / layer["digest"].replace(":", "/")
    assert blob.exists() is not bool(urls)
    code, _, said = run(tmp_path, "copy", f"{registry.host}/{REPOSITORY}:1", "docker-archive:copied.tar")
    assert (code, "not handed on" in said) == ((2, True) if urls else (0, False)), said
    if urls:
        registry.contents.repositories[REPOSITORY].blobs.discard(layer["digest"])
        for target in ("copied", f"{registry.host}/{REPOSITORY}:1"):
            code, _, said = run(tmp_path, "verify", target)
            away = f"the layer {layer['digest']} is not here: its maker alone gives it out, at {urls[0]}"
            assert (code, away in said) == (55, True), said


def test_a_damaged_blob_of_a_layout_is_not_published(tmp_path: Path, registry: InMemoryRegistry) -> None:
    index = small_index(tmp_path / "store")
    write_layout(tmp_path / "built", index, names=[])
    layer = index.children[0].layers[0].descriptor
    path = tmp_path / "built" / "blobs" / "sha256" / layer.digest.hex
    path.unlink()
    path.write_bytes(b"x" * layer.size_bytes)
    code, out, said = run(tmp_path, "copy", "built", f"{registry.host}/me/app:1")
    assert (code, out) == (55, "")
    assert f"blob {layer.digest} is damaged" in said
    assert registry.tags("me/app") == {}


def test_what_is_about_an_image_goes_to_a_layout_and_back(
    tmp_path: Path, registry: InMemoryRegistry, index: Index
) -> None:
    signature = BytesBlob.of(MediaType.OCI_MANIFEST, _signature(index))
    with client_of(registry.host) as client:
        push(client, index, "1")
        empty = BytesBlob.of(MediaType.OCI_EMPTY, b"{}")
        client.upload(REPOSITORY, empty)
        attach(client, REPOSITORY, signature)
    good(tmp_path, "copy", "--referrers", f"{registry.host}/{REPOSITORY}:1", "oci:signed")
    good(tmp_path, "copy", "--referrers", "oci:signed", f"{registry.host}/mirror/app:1")
    with client_of(registry.host) as client:
        assert [each.digest for each in list_referrers(client, "mirror/app", index.digest)] == [
            signature.descriptor.digest
        ]


def _signature(index: Index) -> bytes:
    empty = {"mediaType": MediaType.OCI_EMPTY, "digest": str(Digest.of(b"{}")), "size": 2}
    subject = {
        "mediaType": index.descriptor.media_type,
        "digest": str(index.digest),
        "size": index.descriptor.size_bytes,
    }
    document = {
        "schemaVersion": 2, "mediaType": MediaType.OCI_MANIFEST, "artifactType": "application/x-signature",
        "config": empty, "layers": [empty], "subject": subject,
    }  # fmt: skip
    return encode_json(document)


def test_layouts_and_registries_are_merged(tmp_path: Path, registry: InMemoryRegistry) -> None:
    one, other = small_index(tmp_path / "store", [AMD64]), small_index(tmp_path / "store", [ARM64])
    write_layout(tmp_path / "one", one, names=[])
    with client_of(registry.host) as client:
        push(client, other, "arm")
    good(tmp_path, "merge", "-t", f"{registry.host}/{REPOSITORY}:both", "oci:one", f"{registry.host}/{REPOSITORY}:arm")
    shown = json.loads(good(tmp_path, "inspect", "--json", f"{registry.host}/{REPOSITORY}:both"))
    assert [each["platform"] for each in shown["images"]] == ["linux/amd64", "linux/arm64"]


@pytest.mark.parametrize("command", ["inspect", "verify"])
def test_no_registry_is_asked_for_a_folder_that_is_not_there(command: str, tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    for target in ("oci:missing", "target/nope", "./missing", "oci-archive:missing.tar"):
        code, out, said = run(tmp_path, command, target)
        assert (code, out) == (2, "")
        assert "there is no " in said
        assert "docker.io" not in said.replace("docker.io/target/nope", "")


@pytest.mark.thorough
def test_an_index_of_600_can_be_looked_at_as_well_as_copied(tmp_path: Path, registry: InMemoryRegistry) -> None:
    inner = small_index(tmp_path / "store", [AMD64]).children[0]
    entry = json.loads(small_index(tmp_path / "store", [AMD64]).raw)["manifests"][0]
    manifests = []
    with client_of(registry.host) as client:
        push(client, small_index(tmp_path / "store", [AMD64]))
        there = registry.contents.repositories[REPOSITORY].manifests
        for number in range(600):
            raw = json.dumps({**json.loads(inner.raw_manifest), "annotations": {"n": str(number)}}).encode()
            blob = BytesBlob.of(MediaType.OCI_MANIFEST, raw)
            there[str(blob.descriptor.digest)] = (MediaType.OCI_MANIFEST, raw)
            manifests.append({**entry, "digest": str(blob.descriptor.digest), "size": len(raw)})
        root = BytesBlob.of(MediaType.OCI_INDEX, json.dumps({"schemaVersion": 2, "manifests": manifests}).encode())
        client.put_manifest(REPOSITORY, "many", root)
    shown = json.loads(good(tmp_path, "inspect", "--json", f"{registry.host}/{REPOSITORY}:many"))
    assert len(shown["images"]) == 600
    good(tmp_path, "copy", f"{registry.host}/{REPOSITORY}:many", f"{registry.host}/mirror/app:many")


def test_verify_asks_for_each_manifest_once(tmp_path: Path, registry: InMemoryRegistry) -> None:
    with client_of(registry.host) as client:
        push(client, small_index(tmp_path / "store"), "1")
    registry.calls.clear()
    run(tmp_path, "verify", f"{registry.host}/{REPOSITORY}:1")
    asked = [call.path for call in registry.calls if "/manifests/" in call.path and call.method == "GET"]
    assert len(asked) == len(set(asked)) == 3


def test_what_an_image_is_for_need_not_be_what_is_built_here(tmp_path: Path) -> None:
    others = [Platform("windows", "amd64"), Platform("linux", "loong64")]
    write_layout(tmp_path / "all", small_index(tmp_path / "store", [AMD64, *others]), names=[])
    for each in others:
        good(tmp_path, "copy", "--platform", str(each), "oci:all", f"oci:{each.architecture}")
        assert f"platforms   {each}\n" in good(tmp_path, "inspect", f"oci:{each.architecture}")
        code, text, _ = run(tmp_path, "diff", "--platform", f"linux/amd64={each}", "oci:all", "oci:all")
        assert (code, str(each) in text) == (1, True), text
    code, _, said = run(tmp_path, "copy", "--platform", "linux/mips64le", "oci:all", "oci:none")
    assert (code, "linux/loong64" in said) == (17, True), said
    assert run(tmp_path, "copy", "--platform", "no platform", "oci:all", "oci:none")[0] == 17


def test_an_image_is_shown_where_a_registry_does_not_tell_what_refers_to_it(
    tmp_path: Path, registry: InMemoryRegistry, index: Index
) -> None:
    with client_of(registry.host) as client:
        push(client, index, "1")
    registry.faults.append(Fault("GET", "/referrers/", status=409, times=None))
    shown = good(tmp_path, "inspect", f"{registry.host}/{REPOSITORY}:1")
    assert str(index.digest) in shown
    assert f"attached    not known: {registry.host} refused what refers to" in shown


def test_images_for_two_versions_of_windows_are_told_apart(tmp_path: Path, registry: InMemoryRegistry) -> None:
    with client_of(registry.host) as client:
        entries = []
        for version in ("10.0.17763.1", "10.0.20348.2"):
            about = {"os": "windows", "architecture": "amd64", "os.version": version}
            config = BytesBlob.of(MediaType.OCI_CONFIG, encode_json({**about, "rootfs": {"type": "layers"}}))
            said = {
                "mediaType": MediaType.OCI_CONFIG,
                "digest": str(config.descriptor.digest),
                "size": len(config.data),
            }
            document = {"schemaVersion": 2, "mediaType": MediaType.OCI_MANIFEST, "config": said, "layers": []}
            manifest = BytesBlob.of(MediaType.OCI_MANIFEST, encode_json(document))
            client.upload(REPOSITORY, config)
            client.put_manifest(REPOSITORY, manifest.descriptor.digest, manifest)
            named = {"digest": str(manifest.descriptor.digest), "size": len(manifest.data), "platform": about}
            entries.append({"mediaType": MediaType.OCI_MANIFEST, **named})
        index = encode_json({"schemaVersion": 2, "mediaType": MediaType.OCI_INDEX, "manifests": entries})
        client.put_manifest(REPOSITORY, "1", BytesBlob.of(MediaType.OCI_INDEX, index))
    shown = good(tmp_path, "inspect", f"{registry.host}/{REPOSITORY}:1")
    assert "platforms   windows/amd64 10.0.17763.1, windows/amd64 10.0.20348.2\n" in shown
    images = json.loads(good(tmp_path, "inspect", "--json", f"{registry.host}/{REPOSITORY}:1"))["images"]
    assert [each["os.version"] for each in images] == ["10.0.17763.1", "10.0.20348.2"]
