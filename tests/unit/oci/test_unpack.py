from __future__ import annotations

import io
import os
import stat
import tarfile
from pathlib import Path

import pytest

from cargoship.errors import ContentInvalid
from cargoship.oci.compress import Codec, Compression
from cargoship.oci.descriptor import BytesBlob, MediaType
from cargoship.oci.digest import Digest
from cargoship.oci.layer import BlobStore, Layer, build_layer
from cargoship.oci.tar import LayerEntry
from cargoship.oci.unpack import unpack_layers
from support.images import EPOCH, files_below


def layer(store: Path, *entries: LayerEntry, codec: Codec = Codec.GZIP) -> Layer:
    return build_layer(
        entries, store=BlobStore(store), compression=Compression.of(codec), epoch=EPOCH, created_by="test"
    )


def raw(*members: tarfile.TarInfo) -> Layer:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    data = buffer.getvalue()
    return Layer(BytesBlob.of(MediaType.OCI_LAYER, data), Digest.of(data))


@pytest.mark.parametrize("codec", Codec)
def test_files_have_their_rights_times_and_owners(tmp_path: Path, codec: Codec) -> None:
    one = layer(
        tmp_path / "blobs",
        LayerEntry.file("app/run", b"program", 0o755),
        LayerEntry.directory("closed", 0o555, 1000, 1001),
        LayerEntry.file("closed/file", b"in it", 0o4600, 1000, 1001),
        LayerEntry.directory("tmp", 0o1777),
        codec=codec,
    )
    two = layer(tmp_path / "blobs", LayerEntry.file("app/run", b"newer", 0o700), codec=codec)
    unpack_layers([one, two], tmp_path / "root")
    assert files_below(tmp_path / "root") == {"app/run": b"newer", "closed/file": b"in it"}
    modes = {
        path.relative_to(tmp_path / "root").as_posix(): stat.S_IMODE(path.stat().st_mode)
        for path in (tmp_path / "root").rglob("*")
    }
    assert modes == {
        "app": 0o755, "app/run": 0o700, "closed": 0o555, "closed/file": 0o4600, "tmp": 0o1777,
    }  # fmt: skip
    found = (tmp_path / "root" / "closed" / "file").stat()
    assert found.st_mtime == EPOCH
    assert (found.st_uid, found.st_gid) == ((1000, 1001) if os.geteuid() == 0 else (os.getuid(), os.getgid()))


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, 3 if kind == tarfile.REGTYPE else 0
    return info


REFUSED = {
    "up": (member("../evil"), "leads out"),
    "up from inside": (member("a/../../evil"), "leads out"),
    "absolute": (member("/evil"), "leads out"),
    "a link": (member("etc", tarfile.SYMTYPE, "/etc"), "neither a file nor a folder"),
    "a hard link": (member("passwd", tarfile.LNKTYPE, "/etc/passwd"), "neither a file nor a folder"),
    "a device": (member("null", tarfile.CHRTYPE), "neither a file nor a folder"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_was_not_made_here_is_refused(tmp_path: Path, name: str) -> None:
    info, words = REFUSED[name]
    with pytest.raises(ContentInvalid, match=words):
        unpack_layers([raw(member("first"), info)], tmp_path / "root")
    assert not (tmp_path / "evil").exists()


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    data = b"not a tar archive" * 100
    with pytest.raises(ContentInvalid, match="no tar archive"):
        unpack_layers([Layer(BytesBlob.of(MediaType.OCI_LAYER, data), Digest.of(data))], tmp_path / "root")
