"""`cargoship diff`: every kind of difference is named, and what both images have is not asked for."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from cargoship.bom.auditable import SECTION
from cargoship.cli.main import main
from cargoship.cli.session import World
from cargoship.elf.section import copy_with_section
from cargoship.oci.compress import Codec, Compression
from cargoship.oci.config import ImageConfig
from cargoship.oci.image import Image
from cargoship.oci.index import Index, index_of
from cargoship.oci.layout import write_layout
from cargoship.oci.tar import LayerEntry
from cargoship.testing import InMemoryRegistry
from support import image_corpus as corpus
from support.elf_files import elf_file
from support.images import AMD64, ARM64, ARMV7, small_image, small_index
from support.pushing import client_of, push


class Outcome:
    """What the command said, as JSON."""

    def __init__(self, code: int, text: str, said: str) -> None:
        self.code = code
        self.said = said
        self.text = text

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text)
        return found

    def named(self, number: int = 0) -> set[tuple[str, str, str]]:
        """Kind, name and change of everything in an image, details included."""
        return set(_named(self.document["images"][number]["differences"]))

    def inside(self, name: str) -> dict[str, tuple[Any, Any]]:
        """Old and new values of the details of a file."""
        (found,) = (each for each in self.document["images"][0]["differences"] if each["name"] == name)
        return {each["name"]: (each.get("old"), each.get("new")) for each in found.get("details", ())}


def _named(differences: list[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    for each in differences:
        yield each["kind"], each["name"], each["change"]
        yield from _named(each.get("details", []))


def diff(folder: Path, *argv: str, text: bool = False) -> Outcome:
    stdout, stderr = io.StringIO(), io.StringIO()
    env = {"CARGOSHIP_CACHE_DIR": str(folder / "cache"), "HOME": str(folder), "NO_COLOR": "1"}
    code = main(("diff", *(() if text else ("--json",)), *argv), World(env, folder, stdout, stderr))
    return Outcome(code, stdout.getvalue(), stderr.getvalue())


def of_layers(folder: Path, one: list[bytes], other: list[bytes], *argv: str) -> Outcome:
    cases = {"one": corpus.Case("made", one), "other": corpus.Case("made", other)}
    corpus.write_images(folder / "images.tar", cases)
    return diff(folder, "oci-archive:images.tar:one", "oci-archive:images.tar:other", *argv)


def written(folder: Path, name: str, *images: Image) -> str:
    write_layout(folder / name, index_of(images, annotations={}), names=[])
    return f"oci:{name}"


def test_the_same_image_under_two_names_is_equal(tmp_path: Path) -> None:
    index = small_index(tmp_path / "blobs")
    for name in ("a", "b"):
        write_layout(tmp_path / name, index, names=[])
    found = diff(tmp_path, "a", "oci:b")
    assert (found.code, found.document["equal"], found.document["images"]) == (0, True, [])
    assert diff(tmp_path, "a", "b", text=True).text.endswith("\n  are the same\n")


def test_values_of_the_configuration_are_named_one_by_one(tmp_path: Path) -> None:
    one = ImageConfig(
        user="1", env={"A": "1", "B": "2"}, labels={"x": "1", "gone": "1"}, entrypoint=("/a",), exposed_ports=("1/tcp",)
    )
    other = replace(
        one, user="2", env={"A": "0", "C": "3"}, labels={"x": "2"}, entrypoint=("/a", "b"), exposed_ports=("2/tcp",)
    )
    targets = [
        written(tmp_path, name, small_image(tmp_path / "blobs", config=config))
        for name, config in (("a", one), ("b", other))
    ]
    found = diff(tmp_path, *targets)
    assert found.code == 1
    assert found.named() == {
        ("config", "config.User", "changed"),
        ("config", "config.Entrypoint", "changed"),
        ("config", "config.Env.A", "changed"),
        ("config", "config.Env.B", "removed"),
        ("config", "config.Env.C", "added"),
        ("config", "config.ExposedPorts.1/tcp", "removed"),
        ("config", "config.ExposedPorts.2/tcp", "added"),
        ("label", "x", "changed"),
        ("label", "gone", "removed"),
    }
    text = diff(tmp_path, *targets, text=True).text
    assert "\n  ~ config config.Env.A  1 -> 0\n" in text
    assert "\n  - label gone  1\n" in text


def test_the_order_of_variables_is_a_difference_too(tmp_path: Path) -> None:
    configs = (ImageConfig(env={"A": "1", "B": "2"}), ImageConfig(env={"B": "2", "A": "1"}))
    targets = [
        written(tmp_path, str(number), small_image(tmp_path / "blobs", config=config))
        for number, config in enumerate(configs)
    ]
    assert diff(tmp_path, *targets).named() == {("config", "config.Env", "changed")}


def test_each_attribute_of_a_file_is_reported(tmp_path: Path) -> None:
    old = [
        corpus.file("mode", b"x", 0o644), corpus.file("owner", b"x", uid=1), corpus.file("size", b"x"),
        corpus.file("contents", b"x"), corpus.link("link", "a"), corpus.file("type", b""),
        corpus.file("time", b"x", pax={"mtime": "1.5"}), corpus.file("gone", b"x"), corpus.file("same", b"x"),
        corpus.file("capable", b"x", pax={"SCHILY.xattr.security.capability": "\x01\x00"}),
    ]  # fmt: skip
    new = [
        corpus.file("mode", b"x", 0o4755), corpus.file("owner", b"x", uid=2), corpus.file("size", b"xy"),
        corpus.file("contents", b"y"), corpus.link("link", "b"), corpus.folder("type"),
        corpus.file("time", b"x", pax={"mtime": "2"}), corpus.file("come", b"x"), corpus.file("same", b"x"),
        corpus.file("capable", b"x"),
    ]  # fmt: skip
    found = of_layers(tmp_path, [corpus.tar(*old)], [corpus.tar(*new)])
    assert found.inside("/mode") == {"mode": ("0644", "4755")}
    assert found.inside("/owner") == {"owner": ("1:0", "2:0")}
    assert set(found.inside("/size")) == {"size", "contents"}
    assert set(found.inside("/contents")) == {"contents"}
    assert found.inside("/link") == {"link": ("a", "b")}
    assert found.inside("/type")["type"] == ("file", "folder")
    assert found.inside("/time") == {"time": ("1970-01-01T00:00:01.5Z", "1970-01-01T00:00:02Z")}
    assert found.inside("/capable") == {"xattrs": ({"security.capability": "0x0100"}, None)}
    named = found.named()
    assert {("file", "/gone", "removed"), ("file", "/come", "added")} <= named
    assert not any(name == "/same" for _, name, _ in named)


def test_long_attributes_are_compared_by_their_digests(tmp_path: Path) -> None:
    """A megabyte for each of many files would be held."""
    long = {"SCHILY.xattr.user.a": "x" * 5000}
    old = [corpus.file("same", b"x", pax=long), corpus.file("other", b"x", pax=long)]
    new = [corpus.file("same", b"x", pax=long), corpus.file("other", b"x", pax={"SCHILY.xattr.user.a": "y" * 5000})]
    found = of_layers(tmp_path, [corpus.tar(*old)], [corpus.tar(*new)])
    (one, other) = found.inside("/other")["xattrs"]
    assert len(repr(one)) < 200
    assert one != other
    assert not any(name == "/same" for _, name, _ in found.named())


def test_what_a_layer_removes_is_gone(tmp_path: Path) -> None:
    base = corpus.tar(corpus.folder("etc"), corpus.file("etc/a", b"x"), corpus.file("etc/b", b"x"))
    removes = corpus.tar(corpus.file("etc/.wh.a", b""))
    assert ("file", "/etc/a", "removed") in of_layers(tmp_path, [base], [base, removes]).named()
    assert ("file", "/etc/a", "added") in of_layers(tmp_path, [base, removes], [base]).named()
    whole = of_layers(tmp_path, [base], [base, removes], "--whole")
    assert {each for each in whole.named() if each[0] == "file"} == {("file", "/etc/a", "removed")}


def test_a_file_over_that_of_a_shared_layer_is_a_changed_one_when_all_is_read(tmp_path: Path) -> None:
    base = corpus.tar(corpus.folder("etc"), corpus.file("etc/passwd", b"root\n"))
    over = corpus.tar(corpus.file("etc/passwd", b"root\nme\n"))
    assert ("file", "/etc/passwd", "added") in of_layers(tmp_path, [base], [base, over]).named()
    assert ("file", "/etc/passwd", "changed") in of_layers(tmp_path, [base], [base, over], "--whole").named()


def test_files_in_other_layers_are_the_same_files(tmp_path: Path) -> None:
    a, b = corpus.file("a", b"1"), corpus.file("b", b"2")
    found = of_layers(tmp_path, [corpus.tar(a, b)], [corpus.tar(b), corpus.tar(a)])
    assert {kind for kind, _, _ in found.named()} == {"layer", "packing", "config"}
    assert {name for kind, name, _ in found.named() if kind == "config"} == {
        "history[1].created", "history[1].created_by",
    }  # fmt: skip


def test_another_compression_is_no_other_layer(tmp_path: Path) -> None:
    images = [small_image(tmp_path / "blobs", compression=Compression.of(codec)) for codec in (Codec.GZIP, Codec.ZSTD)]
    found = diff(tmp_path, *(written(tmp_path, str(at), image) for at, image in enumerate(images)))
    assert found.code == 1
    assert found.named() == {("packing", "1", "changed"), ("packing", "2", "changed")}


def program(folder: Path, name: str, sections: dict[str, bytes]) -> bytes:
    """A program with these sections."""
    path = folder / f"{name}-0"
    path.write_bytes(elf_file("EM_X86_64"))
    for number, (section, content) in enumerate(sections.items(), 1):
        copy_with_section(path, folder / f"{name}-{number}", section, content)
        path = folder / f"{name}-{number}"
    return path.read_bytes()


def crates(*packages: tuple[str, str, str]) -> bytes:
    listed = [
        {"name": name, "version": version, "source": "crates.io", "kind": kind} for name, version, kind in packages
    ]
    return zlib.compress(json.dumps({"packages": listed}).encode())


def test_sections_and_crates_of_a_program_are_reported(tmp_path: Path) -> None:
    note = b"\x04\0\0\0\x02\0\0\0\x03\0\0\0GNU\0"
    old = program(
        tmp_path, "old",
        {".mine": b"1", ".note.gnu.build-id": note + b"\x01\x02",
         SECTION: crates(("serde", "1.0.1", "runtime"), ("gone", "1.0.0", "runtime"), ("cc", "1.0.0", "build"))},
    )  # fmt: skip
    new = program(
        tmp_path, "new",
        {".mine": b"22", ".note.gnu.build-id": note + b"\x03\x04", ".more": b"x",
         SECTION: crates(("serde", "1.0.2", "runtime"), ("come", "2.0.0", "runtime"), ("cc", "1.0.0", "build"))},
    )  # fmt: skip
    found = of_layers(tmp_path, [corpus.tar(corpus.file("app/web", old))], [corpus.tar(corpus.file("app/web", new))])
    inside = found.inside("/app/web")
    assert inside["build-id"] == ("0102", "0304")
    assert inside["serde"] == ("1.0.1 (crates.io)", "1.0.2 (crates.io)")
    assert inside["gone"] == ("1.0.0 (crates.io)", None)
    assert inside["come"] == (None, "2.0.0 (crates.io)")
    assert "cc" not in inside
    assert (inside[".mine"][0]["size"], inside[".mine"][1]["size"]) == (1, 2)
    assert inside[".more"][0] is None


def test_platforms_are_paired_and_those_alone_are_named(tmp_path: Path) -> None:
    one = [small_image(tmp_path / "blobs", platform) for platform in (AMD64, ARM64)]
    other = [one[0], small_image(tmp_path / "blobs", ARMV7)]
    targets = written(tmp_path, "a", *one), written(tmp_path, "b", *other)
    found = diff(tmp_path, *targets).document
    assert [(each["name"], each["change"]) for each in found["differences"]] == [
        ("linux/arm64", "removed"), ("linux/arm/v7", "added"),
    ]  # fmt: skip
    assert [(each["platform"], each["equal"]) for each in found["images"]] == [("linux/amd64", True)]
    assert diff(tmp_path, *targets, "--platform", "linux/amd64").code == 0
    paired = diff(tmp_path, *targets, "--platform", "linux/arm64=linux/arm/v7")
    assert (paired.code, paired.document["images"][0]["other_platform"]) == (1, "linux/arm/v7")
    assert ("config", "architecture", "changed") in paired.named()
    assert diff(tmp_path, *targets, "--platform", "linux/s390x").code == 17


def test_what_an_index_says_is_compared(tmp_path: Path) -> None:
    image = small_image(tmp_path / "blobs")
    for name in ("a", "b"):
        write_layout(tmp_path / name, index_of([image], annotations={"said": name}), names=[])
    found = diff(tmp_path, "a", "b")
    assert found.code == 1
    assert [(each["kind"], each["name"]) for each in found.document["differences"]] == [("index", "annotations.said")]


def test_nothing_is_fetched_that_both_have(tmp_path: Path) -> None:
    shared = small_image(tmp_path / "blobs", ARM64)
    entries = [LayerEntry.file("usr/bin/app", b"new", 0o755)]
    one = index_of([small_image(tmp_path / "blobs"), shared], annotations={})
    other = index_of([small_image(tmp_path / "blobs", entries=entries), shared], annotations={})
    with InMemoryRegistry() as registry, client_of(registry.host) as client:
        push(client, one, "1")
        push(client, other, "2")
        registry.calls.clear()
        found = diff(tmp_path, f"{registry.host}/me/app:1", f"{registry.host}/me/app:2")
        assert found.code == 1, found.said
        assert ("file", "/usr/bin/app", "changed") in found.named()
        sent = [call.path.rpartition("/")[2] for call in registry.calls if call.method == "GET"]
    images = [index.images() for index in (one, other)]
    (old, *_), (new, *_) = (sorted(each, key=lambda image: str(image.platform)) for each in images)
    for digest in (shared.digest, shared.manifest.config.digest, *(layer.descriptor.digest for layer in shared.layers)):
        assert str(digest) not in sent
    assert str(old.layers[0].descriptor.digest) not in sent
    for image in (old, new):
        assert sent.count(str(image.layers[1].descriptor.digest)) == 1, "once, though programs are read twice"


def test_a_terminal_gets_no_orders_from_an_image(tmp_path: Path) -> None:
    evil = "\x1b]0;owned\x07"
    corpus.write_images(
        tmp_path / "images.tar",
        {
            "one": corpus.Case("made", [corpus.ONE], {"Labels": {"a": "b"}}),
            "other": corpus.Case(evil, [corpus.tar(corpus.file(f"app/{evil}"))], {"Labels": {evil: evil}}),
        },
    )
    for words in ((), ("--json",)):
        targets = ("oci-archive:images.tar:one", "oci-archive:images.tar:other")
        assert "\x1b" not in diff(tmp_path, *targets, *words, text=True).text


def test_a_damaged_layer_is_an_error_and_no_difference(tmp_path: Path) -> None:
    index = small_index(tmp_path / "blobs")
    write_layout(tmp_path / "a", index, names=[])
    write_layout(tmp_path / "b", damaged(tmp_path), names=[])
    path = next(
        path
        for path in (tmp_path / "b" / "blobs" / "sha256").iterdir()
        if not (tmp_path / "a" / "blobs" / "sha256" / path.name).exists() and path.read_bytes()[:2] == b"\x1f\x8b"
    )
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\0")
    found = diff(tmp_path, "a", "b")
    assert (found.code, found.text) == (55, "")


def damaged(folder: Path) -> Index:
    entries = [LayerEntry.file("usr/bin/app", b"other", 0o755)]
    return index_of(
        [small_image(folder / "blobs", platform, entries=entries) for platform in (AMD64, ARM64)], annotations={}
    )


@pytest.mark.parametrize("words", [("a",), ("a", "missing"), ("a", "a", "--platform", "nonsense")])
def test_what_cannot_be_compared_is_an_error_of_its_own(words: tuple[str, ...], tmp_path: Path) -> None:
    write_layout(tmp_path / "a", small_index(tmp_path / "blobs"), names=[])
    assert diff(tmp_path, *words).code not in {0, 1}
