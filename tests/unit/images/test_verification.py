"""Any image held against itself: in a folder, an archive, a registry; and what the commands make of it."""

from __future__ import annotations

import gzip
import io
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from cargoship.cli.main import main
from cargoship.cli.session import World
from cargoship.oci.config import ImageConfig
from cargoship.oci.descriptor import MediaType
from cargoship.oci.index import Index, index_of
from cargoship.oci.layout import write_layout
from cargoship.oci.manifest import IndexManifest, encode_index
from cargoship.oci.platform import Platform
from cargoship.oci.tar import LayerEntry
from cargoship.testing import InMemoryRegistry
from support.attested import attested_index
from support.elf_files import elf_file
from support.image_corpus import ONE, Blob, Case, write_images
from support.images import AMD64, ARM64, small_image
from support.pushing import client_of, push

LOADER = "/lib64/ld-linux-x86-64.so.2"


def run(folder: Path, *argv: str) -> tuple[int, str, str]:
    stdout, stderr = io.StringIO(), io.StringIO()
    env = {"CARGOSHIP_CACHE_DIR": str(folder / "cache"), "HOME": str(folder)}
    code = main(argv, World(env, folder, stdout, stderr))
    return code, stdout.getvalue(), stderr.getvalue()


def index_with(folder: Path, *, arm: bytes, config: ImageConfig | None = None) -> Index:
    """Two platforms: a good one, and one whose program is `arm`."""
    images = [
        small_image(folder / "blobs", platform, entries=[LayerEntry.file("usr/bin/app", content, 0o755)], config=config)
        for platform, content in ((AMD64, elf_file("EM_X86_64")), (ARM64, arm))
    ]
    return index_of(images, annotations={})


def test_each_platform_is_reported_and_the_code_says_the_rest(tmp_path: Path) -> None:
    write_layout(tmp_path / "good", index_with(tmp_path, arm=elf_file("EM_AARCH64")), names=[])
    assert run(tmp_path, "verify", "good")[0] == 0
    bad = index_with(tmp_path, arm=elf_file("EM_X86_64", interpreter=LOADER))
    write_layout(tmp_path / "bad", bad, names=[])
    for target in ("bad", "oci:bad", str(tmp_path / "bad")):
        code, text, said = run(tmp_path, "verify", target)
        assert (code, said) == (40, "")
        assert "  linux/amd64 can start\n  linux/arm64 cannot start\n" in text
        assert "error: /usr/bin/app is a program for linux/amd64, but it is meant for linux/arm64\n    hint: " in text
    code, text, _ = run(tmp_path, "verify", "--json", "bad")
    document = json.loads(text)
    assert (code, document["ok"], document["digest"]) == (40, False, str(bad.digest))
    assert [image["ok"] for image in document["images"]] == [True, False]
    (finding,) = document["images"][1]["findings"]
    assert (finding["severity"], finding["code"]) == ("error", "wrong-machine")


@pytest.mark.parametrize("listed", ["arm64", "s390x", "X86_64"])
def test_an_index_that_calls_an_image_something_else_is_said(tmp_path: Path, listed: str) -> None:
    """As `docker manifest annotate` makes them: who asks for arm64 is given a program for amd64."""
    blobs = tmp_path / "blobs"
    image = small_image(
        blobs, AMD64, entries=[LayerEntry.file("usr/bin/app", elf_file("EM_X86_64"), 0o755)],
        config=ImageConfig(entrypoint=("/usr/bin/app",)),
    )  # fmt: skip
    entry = replace(image.descriptor, platform=Platform("linux", listed))
    index = Index(encode_index(IndexManifest(MediaType.OCI_INDEX, (entry,), {})), (image,))
    write_layout(tmp_path / "called", index, names=[])
    code, text, _ = run(tmp_path, "verify", "called")
    said = f"the index lists this image as one for linux/{listed}, and its config says linux/amd64"
    assert (code, said in text) == ((0, False) if listed == "X86_64" else (40, True)), text


@pytest.mark.parametrize(
    ("media_type", "code"),
    [
        (MediaType.OCI_LAYER, 40),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar", 40),
        ("application/vnd.oci.image.layer.v1.tar+xz", 40),
        ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", 0),
        (MediaType.OCI_LAYER_GZIP, 0),
        ("application/vnd.docker.image.rootfs.diff.tar", 0),
    ],
)
def test_a_packed_layer_that_is_called_a_plain_tar_is_refused(tmp_path: Path, media_type: str, code: int) -> None:
    """containerd looks behind Docker's type, and not behind that of an image layout."""
    layer = Blob(gzip.compress(ONE, mtime=0), media_type, ONE)
    write_images(tmp_path / "image.tar", {"localhost/app:1": Case("app", [layer])})
    found, text, _ = run(tmp_path, "verify", "image.tar")
    assert found == code, text
    called = f"is {media_type}" if media_type.endswith("+xz") else "says that it is a plain tar"
    said = f"is packed, and its type {called}, which engines refuse"
    assert (said in text) is (code == 40)


def test_an_encrypted_layer_is_called_so(tmp_path: Path) -> None:
    case = Case("x", [Blob(b"noise" * 1000, f"{MediaType.OCI_LAYER_GZIP}+encrypted", ONE)])
    write_images(tmp_path / "app.tar", {"localhost/app:1": case})
    code, _, said = run(tmp_path, "verify", "app.tar")
    assert (code, "a layer of it is encrypted" in said) == (55, True)


def test_images_of_a_registry_with_attestations(tmp_path: Path) -> None:
    base = attested_index(tmp_path / "blobs", [AMD64, ARM64])
    with InMemoryRegistry() as registry:
        with client_of(registry.host) as client:
            push(client, base, "1", repository="me/app")
        code, text, said = run(tmp_path, "verify", "--json", f"{registry.host}/me/app:1")
        assert (code, said) == (40, "")
        document = json.loads(text)
        # their programs are texts, and attestations no images
        assert [image["platform"] for image in document["images"]] == ["linux/amd64", "linux/arm64"]
        assert {finding["code"] for image in document["images"] for finding in image["findings"]} == {"not-a-program"}
        calls = len(registry.calls)
        run(tmp_path, "verify", f"{registry.host}/me/app:1")
        layers = [str(layer.descriptor.digest) for image in base.images() for layer in image.layers]
        assert not [call for call in registry.calls[calls:] if call.path.endswith(tuple(layers))]


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (("verify", "nowhere.example:1/x"), 51, "nowhere.example"),
        (("verify", "oci:nowhere"), 2, "there is no"),
        (("verify", "UPPER"), 2, "UPPER"),
        (("verify", "{host}/me/app:none"), 54, "check the name of the image, and its tag"),
        (("size", "{host}/me/app:none"), 54, "check the name of the image, and its tag"),
        (("diff", "{host}/me/app:none", "{host}/me/app:1"), 54, "check the name of the image, and its tag"),
        (("verify", "text"), 55, "text"),
        (("verify", "empty"), 2, "empty"),
        (("inspect", "--elf", "text"), 55, "text"),
    ],
)
def test_what_is_no_image(tmp_path: Path, argv: tuple[str, ...], code: int, words: str) -> None:
    (tmp_path / "text").write_text("text")
    (tmp_path / "empty").mkdir()
    with InMemoryRegistry() as registry:
        found, text, said = run(tmp_path, *(word.replace("{host}", registry.host) for word in argv))
    assert (text, "Traceback" in said) == ("", False)
    assert found in {code, 55, 2, 51}, said
    assert words in said


def test_a_damaged_layer_is_said(tmp_path: Path) -> None:
    index = index_with(tmp_path, arm=elf_file("EM_AARCH64"))
    write_layout(tmp_path / "image", index, names=[])
    layer = index.children[1].layers[1].descriptor
    path = tmp_path / "image" / "blobs" / "sha256" / layer.digest.hex
    path.unlink()
    path.write_bytes(os.urandom(layer.size_bytes))
    code, text, said = run(tmp_path, "verify", "image")
    assert (code, text) == (55, "")
    assert "Traceback" not in said


def test_what_an_image_says_does_not_reach_the_terminal_as_it_is(tmp_path: Path) -> None:
    config = ImageConfig(entrypoint=("/\x1b[31mapp",), user="\x1b[0muser")
    write_layout(tmp_path / "image", index_with(tmp_path, arm=b"", config=config), names=[])
    code, text, _ = run(tmp_path, "verify", "image")
    assert code == 40
    assert "\x1b" not in text


def test_programs_are_shown(tmp_path: Path) -> None:
    write_layout(tmp_path / "image", index_with(tmp_path, arm=elf_file("EM_AARCH64")), names=[])
    code, text, _ = run(tmp_path, "inspect", "--elf", "image")
    assert code == 0
    assert "machine     AARCH64, 64 bits, little endian" in text
    assert "linked      static-pie" in text
    (tmp_path / "program").write_bytes(elf_file("EM_S390", interpreter="/lib/ld64.so.1"))
    code, text, _ = run(tmp_path, "inspect", "--elf", "--json", "program")
    (image,) = json.loads(text)["images"]
    (program,) = image["programs"]
    assert (program["machine"], program["endian"], program["interpreter"]) == ("S390", "big", "/lib/ld64.so.1")
    assert image["platform"] is None


def test_an_image_for_another_system_is_not_judged(tmp_path: Path) -> None:
    image = small_image(tmp_path / "blobs", Platform("windows", "amd64"))
    write_layout(tmp_path / "image", index_of([image], annotations={}), names=[])
    code, text, _ = run(tmp_path, "verify", "image")
    assert code == 0
    assert "note: the image (windows/amd64) is not for Linux" in text
