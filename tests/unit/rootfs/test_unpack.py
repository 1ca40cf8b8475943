"""Root file systems in a folder: what arrives, and that nothing arrives beside it."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from cargoship.errors import OutputError
from cargoship.oci.descriptor import BytesBlob, MediaType
from cargoship.oci.digest import Digest
from cargoship.oci.layer import Layer
from cargoship.oci.tar import LayerEntry
from cargoship.rootfs.layer_cache import LayerCache
from cargoship.rootfs.unpack import private, unpack_root
from cargoship.rootfs.view import RootFs, view_of


def layer(*members: tuple[str, bytes, bytes, str, int]) -> Layer:
    """A layer of name, type, content, link and mode."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, kind, content, link, mode in members:
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname, info.mode = kind, len(content), link, mode
            info.uid = info.gid = os.geteuid()
            tar.addfile(info, io.BytesIO(content))
    blob = BytesBlob.of(MediaType.OCI_LAYER, out.getvalue())
    return Layer(blob, Digest.of(out.getvalue()))


def root(tmp_path: Path, *layers: Layer, entries: tuple[LayerEntry, ...] = ()) -> RootFs:
    return view_of(layers, LayerCache(tmp_path / "book"), entries)


def as_written(_uid: int, _gid: int) -> None:
    """Files belong to the user who unpacks them."""


FILE, FOLDER, LINK, SAME = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


def test_what_layers_and_entries_make(tmp_path: Path) -> None:
    lower = layer(
        ("usr/bin/a", FILE, b"old", "", 0o755), ("usr/bin/gone", FILE, b"", "", 0o644),
        ("bin", LINK, b"", "usr/bin", 0),
        ("closed", FOLDER, b"", "", 0o500), ("closed/in", FILE, b"in", "", 0o400),
    )  # fmt: skip
    upper = layer(
        ("usr/bin/a", FILE, b"new", "", 0o4755),
        ("usr/bin/.wh.gone", FILE, b"", "", 0),
        ("b", SAME, b"", "usr/bin/a", 0),
    )
    entries = (LayerEntry.file("app/app", b"mine", 0o755, os.geteuid(), os.getegid()),)
    with private("root-", tmp_path) as place:
        folder = place / "root"
        unpack_root(root(tmp_path, lower, upper, entries=entries), folder, as_written)
        assert (folder / "usr" / "bin" / "a").read_bytes() == b"new"
        assert (folder / "usr" / "bin" / "a").stat().st_mode & 0o7777 == 0o4755
        assert (folder / "b").samefile(folder / "usr" / "bin" / "a")
        assert (folder / "bin").readlink() == Path("usr/bin")
        assert not (folder / "usr" / "bin" / "gone").exists()
        assert (folder / "closed").stat().st_mode & 0o7777 == 0o500
        assert (folder / "app" / "app").read_bytes() == b"mine"
    assert not folder.exists()


@pytest.mark.parametrize(
    "members",
    [
        [("out", LINK, b"", "{outside}", 0), ("out/x", FILE, b"x", "", 0o644)],
        [("out", LINK, b"", "../../../../../..{outside}", 0), ("out/x", FILE, b"x", "", 0o644)],
        [("x", LINK, b"", "{outside}/x", 0), ("x", FILE, b"x", "", 0o644)],
        [("a", LINK, b"", "b", 0), ("b", LINK, b"", "{outside}", 0), ("a/x", FILE, b"x", "", 0o644)],
        [("x", SAME, b"", "{outside}/secret", 0), ("y", SAME, b"", "../../..{outside}/secret", 0)],
    ],
)
def test_nothing_is_written_or_read_outside(tmp_path: Path, members: list[tuple[str, bytes, bytes, str, int]]) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    filled = [(name, kind, data, link.format(outside=outside), mode) for name, kind, data, link, mode in members]
    # as one layer and as one after the other
    for layers in ([layer(*filled)], [layer(each) for each in filled]):
        with private("root-", tmp_path) as place:
            folder = place / "root"
            unpack_root(root(tmp_path, *layers), folder, as_written)
            files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
            assert all(b"secret" not in path.read_bytes() for path in files)
        assert [path.name for path in outside.iterdir()] == ["secret"]
        assert (outside / "secret").read_bytes() == b"secret"
        assert not folder.exists()


def test_nobody_else_may_enter_what_is_unpacked(tmp_path: Path) -> None:
    """A program with the set-user-ID bit would give the caller's rights to anybody who starts it meanwhile."""
    with private("root-", tmp_path) as place:
        unpack_root(root(tmp_path, layer(("su", FILE, b"su", "", 0o4755))), place / "root", as_written)
        assert place.stat().st_mode & 0o777 == 0o700


def test_removal_leaves_what_links_in_closed_folders_lead_to(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"mine")
    outside.chmod(0o640)
    with private("root-", tmp_path) as place:
        closed = layer(("closed", FOLDER, b"", "", 0o500), ("closed/link", LINK, b"", str(outside), 0))
        unpack_root(root(tmp_path, closed), place / "root", as_written)
    assert not place.exists()
    assert outside.stat().st_mode & 0o777 == 0o640


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        unpack_root(root(tmp_path), tmp_path / "file" / "root", as_written)
    with pytest.raises(OutputError), private("root-", tmp_path / "file"):
        pass
