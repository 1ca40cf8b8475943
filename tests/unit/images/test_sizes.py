"""`cargoship size` of images and programs: the numbers are those of what was put in."""

from __future__ import annotations

import io
import json
from pathlib import Path

from cargoship.cli.main import main
from cargoship.cli.paint import NO_COLOURS
from cargoship.cli.results.sized import sizes_text
from cargoship.cli.session import World
from cargoship.elf.sizes import Part, PartKind
from cargoship.images.sizes import ImageSize, ProgramSize
from cargoship.oci.compress import Codec, Compression
from cargoship.oci.config import ImageConfig
from cargoship.oci.image import make_image
from cargoship.oci.index import index_of
from cargoship.oci.layer import BlobStore, build_layer
from cargoship.oci.layout import write_layout
from cargoship.oci.tar import LayerEntry
from support.elf_files import elf_file
from support.images import AMD64

PROGRAM = elf_file("EM_X86_64")


def size(tmp_path: Path, *argv: str) -> tuple[int, str, str]:
    stdout, stderr = io.StringIO(), io.StringIO()
    env = {"PATH": "", "CARGOSHIP_CACHE_DIR": str(tmp_path / "cache")}
    code = main(["size", *argv], World(env, tmp_path, stdout, stderr))
    return code, stdout.getvalue(), stderr.getvalue()


def write_image(tmp_path: Path) -> int:
    """An image with a file that a second layer replaces; the bytes of what a pull transfers."""
    layers = [
        build_layer(
            entries, store=BlobStore(tmp_path / "blobs"), compression=Compression.of(Codec.NONE), epoch=0,
            created_by=made_by,
        )
        for made_by, entries in (
            ("base", [LayerEntry.file("etc/big", bytes(50_000)), LayerEntry.file("etc/small", b"x" * 10)]),
            ("app", [LayerEntry.file("etc/big", bytes(2000)), LayerEntry.file("app/app", PROGRAM, 0o755)]),
        )
    ]  # fmt: skip
    image = make_image(
        platform=AMD64, config=ImageConfig(entrypoint=("/app/app",)), layers=layers, created="1970-01-01T00:00:00Z",
        annotations={},
    )  # fmt: skip
    write_layout(tmp_path / "image", index_of([image], annotations={}), names=[])
    return image.size_bytes


def test_layers_files_and_programs_of_an_image(tmp_path: Path) -> None:
    pull = write_image(tmp_path)
    code, text, _ = size(tmp_path, "--json", "image")
    assert code == 0
    (reported,) = json.loads(text)
    (image,) = reported["images"]
    assert (image["platform"], image["size_bytes"]) == ("linux/amd64", pull)
    assert [layer["made_by"] for layer in image["layers"]] == ["base", "app"]
    # what a layer above has replaced is not among what a container sees
    assert [(file["path"], file["size_bytes"], file["layer"]) for file in image["files"]] == [
        ("/etc/big", 2000, 1), ("/app/app", len(PROGRAM), 1), ("/etc/small", 10, 0),
    ]  # fmt: skip
    assert image["unpacked_bytes"] == 2010 + len(PROGRAM)
    (program,) = image["programs"]
    assert program["path"] == "/app/app"
    assert sum(part["size_bytes"] for part in program["parts"]) == program["size_bytes"] == len(PROGRAM)


def test_the_same_for_people(tmp_path: Path) -> None:
    write_image(tmp_path)
    code, text, _ = size(tmp_path, "image", "-n", "1")
    lines = [line.strip() for line in text.splitlines()]
    assert code == 0
    assert lines[lines.index("files") + 1 :][:2] == ["2.0 kB  /etc/big", f"{len(PROGRAM) + 10} B  2 more files"]
    assert "it has no symbols (strip = true): which crates its bytes are of is not known" in lines


def test_what_is_larger_than_it_may_be_has_an_exit_code_of_its_own(tmp_path: Path) -> None:
    pull = write_image(tmp_path)
    assert size(tmp_path, "image", "--max", f"{pull}")[0] == 0
    code, text, error = size(tmp_path, "image", "--max", f"{pull - 1}B")
    assert code == 45
    assert f"image for linux/amd64 has {pull} bytes: more than {pull - 1}B" in error
    assert text, "what it is made of is known all the same"
    assert size(tmp_path, "image", "--max", "much")[0] == 2


def test_a_program_that_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "app").write_bytes(PROGRAM)
    code, text, _ = size(tmp_path, "--json", "app")
    assert code == 0
    (image,) = json.loads(text)[0]["images"]
    assert (image["platform"], image["size_bytes"], image["layers"]) == (None, len(PROGRAM), [])
    (tmp_path / "app").write_bytes(PROGRAM[:30])
    code, _, error = size(tmp_path, "app")
    assert code == 40
    assert "Traceback" not in error


def test_one_platform_of_an_image(tmp_path: Path) -> None:
    """An index of eight platforms was eight screens."""
    write_image(tmp_path)
    code, text, _ = size(tmp_path, "image", "--platform", "x86_64", "--json")
    assert code == 0
    assert [each["platform"] for each in json.loads(text)[0]["images"]] == ["linux/amd64"]
    code, _, error = size(tmp_path, "image", "--platform", "linux/arm64")
    assert code == 17
    assert "image has no image for linux/arm64\nhint: it has linux/amd64\n" in error
    (tmp_path / "app").write_bytes(PROGRAM)
    code, _, error = size(tmp_path, "app", "--platform", "linux/amd64")
    assert code == 2
    assert "app is a program, and no image with platforms" in error


def test_symbols_and_debug_information_that_weigh_are_pointed_out() -> None:
    def lines(*sections: Part) -> str:
        parts = (Part(PartKind.CRATE, "std", 800), *sections)
        program = ProgramSize("/app/a", sum(each.size_bytes for each in parts), parts)
        return sizes_text("app", [ImageSize(None, None, 1, 1, (), (), (program,))], 9, NO_COLOURS)

    of = [Part(PartKind.SECTION, name, 100) for name in (".debug_info", ".strtab", ".symtab", ".rodata")]
    assert "300 B are symbols and debug information: strip = true in its profile leaves them out" in lines(*of)
    assert "strip" not in lines(Part(PartKind.SECTION, ".symtab", 20), Part(PartKind.SECTION, ".dynstr", 900))


def test_a_folder_of_a_project_is_of_the_project(tmp_path: Path) -> None:
    """In `src` it looked for an image there, where `timings` and `history` find the project."""
    folder = tmp_path / "src"
    folder.mkdir()
    assert "there is no image in the folder ." in size(folder, ".")[2]
    (tmp_path / "Cargo.toml").write_text("[package")
    assert "cargo" in size(folder)[2]
    assert "there is no image in the folder" not in size(folder)[2]
