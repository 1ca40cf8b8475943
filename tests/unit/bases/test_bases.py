from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from cargoship.bases.base import Base, resolve_base
from cargoship.bases.static import static_entries
from cargoship.errors import CargoshipError, ContentInvalid, PlatformUnknown, RegistryUnreachable, UsageError
from cargoship.oci.config import ImageConfig
from cargoship.oci.descriptor import BytesBlob, MediaType
from cargoship.oci.image import Image, make_image
from cargoship.oci.index import index_of
from cargoship.oci.layer import BlobStore
from cargoship.oci.layout import write_layout
from cargoship.oci.manifest import Manifest, encode_manifest
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.oci.tar import write_tar
from cargoship.oci.tree import ManifestTree
from cargoship.settings.base import parse_base_spec
from support.image_corpus import ONE, Case, write_images
from support.images import AMD64, ARM64, CREATED, EPOCH, GZIP, small_index
from support.stranger_configs import Rewritten
from support.validate import validate


def base_of(spec: str, tmp_path: Path, platform: Platform = AMD64) -> Base:
    store = BlobStore(tmp_path / "store")
    return resolve_base(
        parse_base_spec(spec), platform, root=tmp_path, store=store, compression=GZIP, epoch=EPOCH, remote=nowhere
    )


def nowhere(reference: Reference, platform: Platform) -> Base:
    raise RegistryUnreachable(f"{reference} for {platform}")


def test_static_has_what_a_static_program_looks_for() -> None:
    out = io.BytesIO()
    write_tar(static_entries(), out, epoch=EPOCH)
    out.seek(0)
    with tarfile.open(fileobj=out) as archive:
        members = {member.name: member for member in archive.getmembers()}

        def content(name: str) -> bytes:
            stream = archive.extractfile(name)
            assert stream is not None
            return stream.read()

        assert content("etc/ssl/certs/ca-certificates.crt").count(b"BEGIN CERTIFICATE") > 100
        assert content("usr/share/zoneinfo/Europe/Berlin").startswith(b"TZif")
        assert content("usr/share/zoneinfo/UTC").startswith(b"TZif")
        assert b"nonroot:x:65532:65532:nonroot:/home/nonroot:" in content("etc/passwd")
        assert b"nonroot:x:65532:" in content("etc/group")
        assert content("etc/nsswitch.conf") == b"hosts: files dns\n"
    home, tmp = members["home/nonroot"], members["tmp"]
    assert (home.uid, home.gid, home.mode, tmp.mode) == (65532, 65532, 0o700, 0o1777)
    assert all(member.uid == 0 for name, member in members.items() if name != "home/nonroot")
    assert not [name for name in members if name.endswith((".py", ".pyc")) or "__" in name]
    assert all(member.mode == 0o644 for member in members.values() if member.isfile())


@pytest.mark.parametrize("spec", ["static", "scratch"])
def test_built_in_bases_make_images(tmp_path: Path, spec: str) -> None:
    base = base_of(spec, tmp_path)
    assert base.has_loader is False
    image = make_image(platform=AMD64, config=base.config, layers=base.layers, created=CREATED, annotations={})
    validate(index_of([image], annotations={}))
    assert base_of(spec, tmp_path, ARM64).layers == base.layers
    assert base.config.user == ("65532:65532" if spec == "static" else None)


def test_a_layout(tmp_path: Path) -> None:
    index = small_index(tmp_path / "blobs")
    write_layout(tmp_path / "my:base", index, names=[Reference.parse("base:1")])
    for spec in ("oci:my:base", "oci:my:base:1", f"oci:my:base@{index.digest}", f"oci:{tmp_path}/my:base"):
        base = base_of(spec, tmp_path, ARM64)
        assert base.digest == index.children[1].digest
        assert base.config == index.children[1].config
        assert base.has_loader is None
        image = make_image(platform=ARM64, config=base.config, layers=base.layers, created=CREATED, annotations={})
        validate(index_of([image], annotations={}))


def test_layers_in_dockers_words_get_oci_names(tmp_path: Path) -> None:
    image = small_index(tmp_path / "blobs", [AMD64]).children[0]
    raw = image.raw_manifest.replace(
        b"application/vnd.oci.image.layer.v1.tar+gzip", b"application/vnd.docker.image.rootfs.diff.tar.gzip"
    )
    write_layout(
        tmp_path / "base", index_of([type(image)(raw, image.raw_config, image.layers)], annotations={}), names=[]
    )
    base = base_of("oci:base", tmp_path)
    assert {layer.descriptor.media_type for layer in base.layers} == {"application/vnd.oci.image.layer.v1.tar+gzip"}
    raw = image.raw_manifest.replace(b"image.layer.v1.tar+gzip", b"image.layer.nondistributable.v1.tar+gzip")
    write_layout(
        tmp_path / "odd", index_of([type(image)(raw, image.raw_config, image.layers)], annotations={}), names=[]
    )
    with pytest.raises(ContentInvalid, match="nondistributable"):
        base_of("oci:odd", tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not a base"),
        ("oci:", "write oci:FOLDER"),
        ("docker-archive:base.tar", "cargoship copy docker-archive:base.tar oci:FOLDER"),
        ("oci-archive:", "cargoship copy oci-archive:FILE oci:FOLDER"),
    ],
)
def test_what_names_no_base(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_base_spec(text)


@pytest.mark.parametrize(
    ("spec", "platform", "error", "says"),
    [
        ("debian:12", AMD64, RegistryUnreachable, "docker.io/library/debian:12 for linux/amd64"),
        ("oci:nowhere", AMD64, UsageError, "nowhere"),
        ("oci:base:2", AMD64, UsageError, "docker.io/library/base:1"),
        ("oci:base@sha256:12", AMD64, UsageError, "sha256:12"),
        ("oci:base", Platform("linux", "s390x"), PlatformUnknown, "it has linux/amd64, linux/arm64"),
    ],
)
def test_bases_that_are_not_there(
    tmp_path: Path, spec: str, platform: Platform, error: type[CargoshipError], says: str
) -> None:
    write_layout(tmp_path / "base", small_index(tmp_path / "blobs"), names=[Reference.parse("base:1")])
    with pytest.raises(error) as caught:
        base_of(spec, tmp_path, platform)
    assert says in f"{caught.value.message} {caught.value.hint}"


def test_scratch_says_nothing(tmp_path: Path) -> None:
    assert base_of("scratch", tmp_path).config == ImageConfig()


@pytest.mark.parametrize("time", ["yesterday", "2023-02-30T00:00:00Z", ""])
def test_a_base_whose_history_no_engine_reads_is_refused(tmp_path: Path, time: str) -> None:
    """What stood on it was built, and no engine would load it; podman and Docker take no such base."""
    write_layout_of(tmp_path / "base", Rewritten("base", [ONE], changes=[("2023-01-01T00:00:00Z", time)]))
    with pytest.raises(ContentInvalid, match=rf"^the base oci:base has '{time}' for a time in its history"):
        base_of("oci:base", tmp_path)


@pytest.mark.parametrize(
    ("changes", "platform"),
    [
        ([('"linux"', '"Linux"')], AMD64),
        ([('"amd64"', '"x86_64"')], AMD64),
        ([('"amd64"', '"AMD64"')], Platform("linux", "amd64", "v3")),
        ([('"amd64"', '"aarch64"')], ARM64),
        ([('"amd64"', '"armhf"')], Platform("linux", "arm", "v7")),
        ([('"amd64"', '"arm"'), ('"os"', '"variant": "6", "os"')], Platform("linux", "arm", "v6")),
    ],
)
def test_a_base_may_call_its_platform_as_engines_understand_it(
    tmp_path: Path, changes: list[tuple[str, str]], platform: Platform
) -> None:
    write_layout_of(tmp_path / "base", Rewritten("base", [ONE], changes=changes))
    assert len(base_of("oci:base", tmp_path, platform).layers) == 1


def test_what_is_no_image_is_no_base(tmp_path: Path) -> None:
    """An image was made that stood on nothing, where an SBOM was named for its base."""
    empty = BytesBlob.of("application/vnd.oci.empty.v1+json", b"{}")
    raw = encode_manifest(Manifest(MediaType.OCI_MANIFEST, empty.descriptor, (), artifact_type="application/sbom"))
    sbom = Image(raw, b"{}", ())
    tree = ManifestTree(sbom.manifest_blob, (), (), (sbom.config_blob,))
    write_layout(tmp_path / "base", tree, names=[Reference.parse("base:1")])
    with pytest.raises(ContentInvalid, match="the base oci:base is not an image"):
        base_of("oci:base", tmp_path)


def write_layout_of(folder: Path, case: Case) -> None:
    """A layout of an image of the corpus."""
    write_images(folder.with_suffix(".tar"), {"localhost/base:1": case})
    with tarfile.open(folder.with_suffix(".tar")) as archive:
        archive.extractall(folder, filter="data")
