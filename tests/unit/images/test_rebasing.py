"""`cargoship rebase` without a registry: packages as they are now, and what cannot be distinguished."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace

from cargoship.bases.base import Base, resolve_base
from cargoship.bases.debian import DebianBases
from cargoship.bases.static import static_config
from cargoship.context import Context
from cargoship.debian.mirror import MirrorConfig
from cargoship.errors import CannotStart, NotRebasable
from cargoship.events import ignore
from cargoship.http.exchange import Transport
from cargoship.image_layers import over_base, without_base
from cargoship.images.rebasing.rebase import rebase
from cargoship.oci.config import ImageConfig
from cargoship.oci.descriptor import Descriptor
from cargoship.oci.digest import Digest
from cargoship.oci.image import Image, make_image
from cargoship.oci.index import Index, index_of
from cargoship.oci.layer import BlobStore, Layer, build_layer
from cargoship.oci.layout import read_layout, write_layout
from cargoship.oci.manifest import encode_json, encode_manifest
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.oci.tar import LayerEntry
from cargoship.process import SystemRunner
from cargoship.settings.base import BuiltInBase
from cargoship.settings.model import Settings
from cargoship.testing import Fault, InMemoryRegistry
from support.debian_archive import Archive, minimal
from support.elf_files import elf_file
from support.images import AMD64, ARM64, CREATED, EPOCH, GZIP, small_image
from support.pushing import REPOSITORY, client_of, push


@dataclass(frozen=True)
class AtArchive(Context):
    """A run that reaches an archive of packages in memory, and nothing else."""

    archive: Archive = None  # type: ignore[assignment]

    def mirror_config(self, mirror: str) -> MirrorConfig:
        """Where it is."""
        del mirror
        return self.archive.places(self.cwd)

    def open_transport(self) -> Transport:
        """What reaches it."""
        return self.archive.transport()


def archive(version: str) -> Archive:
    made = minimal(Archive())
    made.add("tool", version, files={"usr/share/tool": version.encode(), "usr/share/doc/tool/copyright": b"x"})
    made.publish()
    return made


def context_of(folder: Path, of: Archive | None = None) -> Context:
    env = {"HOME": str(folder), "CARGOSHIP_CACHE_DIR": str(folder / "cache")}
    return Context(env, folder, SystemRunner()) if of is None else AtArchive(env, folder, SystemRunner(), archive=of)


def on_packages(of: Archive, folder: Path) -> Base:
    """A base with the package, as a build finds it."""
    cache = folder / f"bases-{len(list(folder.iterdir()))}"
    with DebianBases(config=of.places(folder), open_transport=of.transport, cache=cache, emit=ignore) as bases:
        settings = Settings(base="deb:bookworm", packages=("tool",))
        return bases.find(settings, AMD64, root=cache, compression=GZIP).finished({})


def own_layer(folder: Path, program: bytes | None = None) -> Layer:
    entries = [LayerEntry.file("app/web", program or elf_file("EM_X86_64"), 0o755)]
    store = BlobStore(folder / "blobs")
    return build_layer(entries, store=store, compression=GZIP, epoch=EPOCH, created_by="cargoship: /app/web")


def image_on(
    base: Base,
    folder: Path,
    program: bytes | None = None,
    *,
    platform: Platform = AMD64,
    marks: Mapping[str, str] | None = None,
) -> Image:
    config = ImageConfig(user="65532:65532", entrypoint=("/app/web",), env={"A": "b"})
    return make_image(
        platform=platform,
        config=over_base(config, base.config),
        layers=(*base.layers, own_layer(folder, program)),
        created=CREATED,
        annotations={"dev.cargoship.compression": GZIP.label, **(marks or {})},
    )


def test_packages_are_taken_as_they_are_now(tmp_path: Path) -> None:
    before, now = archive("1.0"), archive("1.1")
    old = index_of([image_on(on_packages(before, tmp_path), tmp_path)], annotations={})
    write_layout(tmp_path / "app", old, names=[Reference.parse("me/app:1")])
    unchanged = rebase("oci:app", context_of(tmp_path, before))
    assert not unchanged.is_changed
    found = rebase("oci:app", context_of(tmp_path, now))
    expected = index_of([image_on(on_packages(now, tmp_path), tmp_path)], annotations={})
    assert found.is_changed
    assert read_layout(tmp_path / "app").digest == expected.digest
    assert not list(tmp_path.glob("*.lock")), "no lock file is left where somebody rebases"


@pytest.mark.parametrize("said_of", ["images", "index"])
@pytest.mark.parametrize("both", [False, True])
def test_an_image_that_stands_as_it_stood_is_as_little_verified(tmp_path: Path, *, said_of: str, both: bool) -> None:
    before, now = archive("1.0"), archive("1.1")
    static = resolve_base(
        BuiltInBase.STATIC, ARM64, root=tmp_path, store=BlobStore(tmp_path / "blobs"), compression=GZIP, epoch=EPOCH,
        remote=lambda *_: pytest.fail("no registry is asked"),
    )  # fmt: skip
    mark = {"dev.cargoship.verified": "false"}
    images = [image_on(on_packages(before, tmp_path), tmp_path, marks=mark if said_of == "images" else {})]
    if not both:
        marks = mark if said_of == "images" else {}
        images.append(image_on(static, tmp_path, elf_file("EM_AARCH64"), platform=ARM64, marks=marks))
    index = index_of(images, annotations={**mark, "title": "app"})
    document = json.loads(index.raw)
    for entry in document["manifests"]:
        entry["annotations"] = {"of": entry["platform"]["architecture"]}
    write_layout(tmp_path / "app", Index(encode_json(document), index.children), names=[Reference.parse("me/app:1")])
    assert rebase("oci:app", context_of(tmp_path, now)).is_changed
    found = read_layout(tmp_path / "app")
    assert found.manifest.annotations == ({"title": "app"} if both else {**mark, "title": "app"})
    assert "dev.cargoship.verified" not in found.children[0].manifest.annotations
    assert [entry.annotations for entry in found.manifest.manifests] == [
        {"of": each.platform.architecture} for each in found.children
    ]


@pytest.mark.parametrize("moved", [False, True])
def test_what_was_pushed_meanwhile_stays(tmp_path: Path, *, moved: bool) -> None:
    old = index_of([image_on(on_packages(archive("1.0"), tmp_path), tmp_path)], annotations={})
    with InMemoryRegistry() as registry:
        with client_of(registry.host) as client:
            push(client, old, "1")
        target = str(Reference(registry.host, REPOSITORY, "1"))
        if moved:
            newer = {"Docker-Content-Digest": f"sha256:{'0' * 64}"}
            registry.faults.append(Fault("HEAD", "/manifests/1$", status=200, headers=newer, times=None))
            with pytest.raises(NotRebasable, match="somebody has pushed another one"):
                rebase(target, context_of(tmp_path, archive("1.1")))
            assert registry.tags(REPOSITORY)["1"] == str(old.digest)
        else:
            found = rebase(target, context_of(tmp_path, archive("1.1")))
            assert registry.tags(REPOSITORY)["1"] == found.new != str(old.digest)


def test_a_program_for_glibc_is_not_put_onto_a_base_without_it(tmp_path: Path) -> None:
    program = elf_file("EM_X86_64", interpreter="/lib64/ld-linux-x86-64.so.2")
    image = image_on(on_packages(archive("1.0"), tmp_path), tmp_path, program)
    write_layout(tmp_path / "app", index_of([image], annotations={}), names=[])
    before = read_layout(tmp_path / "app").digest
    with pytest.raises(CannotStart, match="ld-linux-x86-64"):
        rebase("oci:app", context_of(tmp_path), base="static")
    assert read_layout(tmp_path / "app").digest == before


def test_a_base_with_something_in_place_of_the_folder_of_programs_is_refused(tmp_path: Path) -> None:
    static = resolve_base(
        BuiltInBase.STATIC, AMD64, root=tmp_path, store=BlobStore(tmp_path / "blobs"), compression=GZIP, epoch=EPOCH,
        remote=lambda *_: pytest.fail("no registry is asked"),
    )  # fmt: skip
    write_layout(tmp_path / "app", index_of([image_on(static, tmp_path)], annotations={}), names=[])
    link = [LayerEntry.symlink("app", "srv"), LayerEntry.directory("srv")]
    write_layout(tmp_path / "base", index_of([small_image(tmp_path / "blobs", entries=link)], annotations={}), names=[])
    with pytest.raises(CannotStart, match="/app would be a folder, and is a link to srv in the base"):
        rebase("oci:app", context_of(tmp_path), base="oci:base")


def test_an_image_that_was_changed_afterwards_is_refused(tmp_path: Path) -> None:
    image = image_on(Base("scratch", None, None, (), ImageConfig(), has_loader=False), tmp_path)
    raw_config = image.raw_config.replace(b'"created_by"', b'"comment":"x","created_by"', 1)
    described = Descriptor(image.manifest.config.media_type, Digest.of(raw_config), len(raw_config))
    raw_manifest = encode_manifest(replace(image.manifest, config=described))
    changed = Image(raw_manifest, raw_config, image.layers)
    write_layout(tmp_path / "app", index_of([changed], annotations={}), names=[])
    with pytest.raises(NotRebasable, match="not as cargoship makes images"):
        rebase("oci:app", context_of(tmp_path), base="static")


def test_layers_on_top_of_ours_are_refused(tmp_path: Path) -> None:
    write_layout(tmp_path / "app", index_of([small_image(tmp_path / "blobs")], annotations={}), names=[])
    for old_base in (None, "oci:nowhere"):
        with pytest.raises(NotRebasable, match="nothing tells which layers are its base's"):
            rebase("oci:app", context_of(tmp_path), base="static", old_base=old_base)


@pytest.mark.parametrize("created", ["", "yesterday", "9999-12-31T23:59:59-14:00"])
def test_an_image_that_does_not_say_when_it_was_made_is_refused(tmp_path: Path, created: str) -> None:
    image = image_on(Base("scratch", None, None, (), ImageConfig(), has_loader=False), tmp_path)
    document = {**json.loads(image.raw_config), "created": created}
    raw_config = json.dumps(document).encode()
    described = Descriptor(image.manifest.config.media_type, Digest.of(raw_config), len(raw_config))
    changed = Image(encode_manifest(replace(image.manifest, config=described)), raw_config, image.layers)
    write_layout(tmp_path / "app", index_of([changed], annotations={}), names=[])
    with pytest.raises(NotRebasable, match="not as cargoship makes images"):
        rebase("oci:app", context_of(tmp_path), base="static", old_base="scratch")


def test_what_is_the_bases_is_separated_from_what_is_the_images_own() -> None:
    labels = {"title": "base", "same": "1"}
    base = replace(static_config(), labels=labels, stop_signal="SIGINT", exposed_ports=("1/tcp",))
    own = ImageConfig(
        user="1", env={"PATH": "/mine", "A": "b"}, labels={"title": "mine"}, exposed_ports=("2/tcp",), volumes=("/v",)
    )
    over = over_base(own, base)
    assert over.labels == {"title": "mine", "same": "1"}
    assert without_base(over, base, known={}) == own
    # a label that the image says of itself in another place is its own, whatever the base has
    kept = without_base(over, base, known={"same": "1"})
    assert kept.labels == {"title": "mine", "same": "1"}
