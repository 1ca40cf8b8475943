"""Files with holes in layers, as GNU tar itself writes them: read as engines read them, or refused with a reason."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from cargoship.cli.main import main
from cargoship.cli.session import World
from cargoship.errors import ContentInvalid
from cargoship.oci.descriptor import BytesBlob, MediaType
from cargoship.oci.digest import Digest
from cargoship.oci.layer import Layer
from cargoship.rootfs.layer_cache import LayerCache
from cargoship.rootfs.unpack import unpack_root
from cargoship.rootfs.view import RootFs, view_of
from support.image_corpus import PROGRAM, Case, file, folder, tar, write_images
from support.programs import program
from support.stranger_images import sparse_of_old

pytestmark = pytest.mark.tools

# a program that begins with data, has thirty holes, and ends in one
_WITH_HOLES = (PROGRAM.ljust(65536, b"\0") + (b"x" * 4096).rjust(65536, b"\0") * 30).ljust(40 * 65536, b"\0")


def layer(where: Path, *how: str) -> bytes:
    """A layer that GNU tar makes of a program with holes."""
    path = where / "tree/app/web"
    path.parent.mkdir(parents=True)
    with path.open("wb") as stream:
        for start in range(0, len(_WITH_HOLES), 4096):
            piece = _WITH_HOLES[start : start + 4096]
            if piece.strip(b"\0"):
                stream.seek(start)
                stream.write(piece)
        stream.truncate(len(_WITH_HOLES))
    path.chmod(0o755)
    for each in (path, path.parent):
        os.utime(each, (0, 0))
    argv = [program("tar"), "--sparse", *how, "--sort=name", "--owner=0", "--group=0", "-C", str(where / "tree"), "-cf"]
    subprocess.run([*argv, str(where / "layer.tar"), "app"], check=True)
    data = (where / "layer.tar").read_bytes()
    assert len(data) < len(_WITH_HOLES) / 4
    return data


def cargoship(where: Path, *argv: str) -> tuple[int, str]:
    """The exit code, and all that was said."""
    out, err = io.StringIO(), io.StringIO()
    world = World({"CARGOSHIP_CACHE_DIR": str(where / "cache"), "HOME": str(where)}, where, out, err)
    return main(argv, world), out.getvalue() + err.getvalue()


@pytest.mark.parametrize("form", ["0.0", "0.1", "1.0"])
def test_a_file_with_holes_is_the_file_without_them(tmp_path: Path, form: str) -> None:
    """Equal contents were other contents to `diff`, and a program with holes was damaged to `verify`."""
    data = layer(tmp_path, "--format=pax", f"--sparse-version={form}")
    write_images(tmp_path / "holes.tar", {"localhost/app:1": Case("app", [data])})
    whole = Case("app", [tar(folder("app"), file("app/web", _WITH_HOLES))])
    write_images(tmp_path / "whole.tar", {"localhost/app:1": whole})
    code, said = cargoship(tmp_path, "verify", "holes.tar")
    assert code == 0, said
    _, said = cargoship(tmp_path, "diff", "holes.tar", "whole.tar")
    assert "contents" not in said
    # another reader of such archives
    with tarfile.open(tmp_path / "layer.tar") as archive:
        content = archive.extractfile("app/web")
        assert content is not None
        assert content.read() == _WITH_HOLES


def test_the_old_form_is_refused_as_engines_do(tmp_path: Path) -> None:
    """Docker says "unhandled tar header type 83"."""
    write_images(tmp_path / "old.tar", {"localhost/app:1": Case("app", [layer(tmp_path, "--format=gnu")])})
    code, said = cargoship(tmp_path, "verify", "old.tar")
    assert code == 40
    assert "has /app/web, which is of the type 'S', which engines refuse" in said


HOSTILE = {
    "stretches that overlap": {"map": "0,10,5,122"},
    "a stretch beyond the end": {"map": "0,10,200,122"},
    "less data than stretches": {"map": "0,10"},
    "half a stretch": {"map": "0,132,3", "numblocks": "1"},
    "a number that is none": {"map": "0,1x2"},
    "a negative size": {"size": "-1"},
    "a size of many digits": {"size": "9" * 30},
    "a map in the content that is none": {"major": "1", "minor": "0"},
}


@pytest.mark.parametrize("records", HOSTILE.values(), ids=HOSTILE)
def test_a_map_that_engines_refuse_is_damage(tmp_path: Path, records: dict[str, str]) -> None:
    said = {"map": "0,132", "numblocks": str((records.get("map", "0,1").count(",") + 1) // 2), "size": "132", **records}
    pax = {f"GNU.sparse.{key}": text for key, text in said.items()}
    write_images(tmp_path / "a.tar", {"localhost/app:1": Case("app", [tar(folder("app"), file("app/web", pax=pax))])})
    code, words = cargoship(tmp_path, "verify", "a.tar")
    assert code == 55, words


def test_holes_without_end_are_not_read(tmp_path: Path) -> None:
    """Some bytes of records can promise an exabyte of zeros."""
    pax = {"GNU.sparse.map": "0,1", "GNU.sparse.numblocks": "1", "GNU.sparse.size": str(1 << 60)}
    entries = (folder("app"), file("app/web"), *(file(f"app/{number}", b"x", pax=pax) for number in range(3)))
    write_images(tmp_path / "a.tar", {"localhost/app:1": Case("app", [tar(*entries)])})
    write_images(tmp_path / "b.tar", {"localhost/app:1": Case("app", [tar(folder("app"), file("app/web"))])})
    assert cargoship(tmp_path, "verify", "a.tar")[0] == 0
    assert cargoship(tmp_path, "diff", "a.tar", "b.tar")[0] == 1


def test_files_with_more_holes_than_are_read_differ_where_their_data_does(tmp_path: Path) -> None:
    """They have the same size, and were the same to `diff`."""
    for name, content, start in (("a", b"x", 0), ("b", b"y", 0), ("c", b"x", 1)):
        pax = {"GNU.sparse.map": f"{start},1", "GNU.sparse.numblocks": "1", "GNU.sparse.size": str(1 << 60)}
        case = Case("app", [tar(folder("app"), file("app/web"), file("app/data", content, pax=pax))])
        write_images(tmp_path / f"{name}.tar", {"localhost/app:1": case})
    assert cargoship(tmp_path, "diff", "a.tar", "a.tar")[0] == 0
    for other in ("b.tar", "c.tar"):
        code, said = cargoship(tmp_path, "diff", "a.tar", other)
        assert code == 1
        assert "app/data" in said


def root_of(where: Path, data: bytes) -> RootFs:
    blob = BytesBlob.of(MediaType.OCI_LAYER, data)
    return view_of([Layer(blob, Digest.of(data))], LayerCache(where / "book"))


@pytest.mark.parametrize("form", ["0.0", "0.1", "1.0"])
def test_a_program_runs_among_files_with_holes(tmp_path: Path, form: str) -> None:
    root = root_of(tmp_path, layer(tmp_path, "--format=pax", f"--sparse-version={form}"))
    unpack_root(root, tmp_path / "root", lambda _uid, _gid: None)
    assert (tmp_path / "root/app/web").read_bytes() == _WITH_HOLES


_MORE = {"GNU.sparse.map": "0,1", "GNU.sparse.numblocks": "1", "GNU.sparse.size": str(80 << 20)}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (tar(folder("app"), file("app/data", b"x", pax=_MORE)), "83886080 bytes that are nearly all holes"),
        (sparse_of_old(), "holes in a form that Docker and podman refuse"),
    ],
)
def test_no_program_runs_without_a_file_of_its_image(tmp_path: Path, data: bytes, why: str) -> None:
    """A file with holes that are not read was missing, and nobody learned of it."""
    with pytest.raises(ContentInvalid, match=rf"cannot unpack /app/\w+ of layer sha256:\w+: it has {why}"):
        unpack_root(root_of(tmp_path, data), tmp_path / "root", lambda _uid, _gid: None)


def test_a_name_for_a_file_with_holes_means_nothing_without_them(tmp_path: Path) -> None:
    """Engines keep the entry's own name then, and so a program could be hidden from `verify`."""
    entry = file("app/web", pax={"GNU.sparse.name": "app/other"})
    write_images(tmp_path / "a.tar", {"localhost/app:1": Case("app", [tar(folder("app"), entry)])})
    assert cargoship(tmp_path, "verify", "a.tar")[0] == 0
