from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from cargoship.errors import ContentInvalid, UsageError
from cargoship.oci.archive import write_archive
from cargoship.oci.layout import write_layout
from cargoship.oci.reference import Reference
from support.images import AMD64, read_archive, small_index, unpack_tar
from support.validate import validate

_NAMES = [Reference.parse("app:1"), Reference.parse("app:2")]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    write_archive(tmp_path / "image.tar", small_index(tmp_path / "store"), names=_NAMES, native=AMD64)
    return tmp_path / "image.tar"


def test_what_is_written_can_be_read(archive: Path, tmp_path: Path) -> None:
    index = small_index(tmp_path / "store")
    for select in (None, "2", "docker.io/library/app:1", index.digest):
        found = read_archive(archive, select=select)
        validate(found)
        assert found.raw == index.raw
    # and it is as good as the index that was written
    write_layout(tmp_path / "layout", read_archive(archive), names=[])
    write_archive(tmp_path / "again.tar", read_archive(archive), names=_NAMES, native=AMD64)
    assert (tmp_path / "again.tar").read_bytes() == archive.read_bytes()
    with pytest.raises(UsageError):
        read_archive(archive, select="3")


def test_an_archive_of_another_tar(archive: Path, tmp_path: Path) -> None:
    unpack_tar(archive, tmp_path / "out")
    with tarfile.open(tmp_path / "gnu.tar", "w", format=tarfile.GNU_FORMAT) as target:
        target.add(tmp_path / "out", ".")
    validate(read_archive(tmp_path / "gnu.tar"))


@pytest.mark.thorough
def test_every_flipped_byte_is_found_or_harmless(archive: Path) -> None:
    """No damage anywhere gives another error than ContentInvalid, or an image that is not the one written."""
    whole = archive.read_bytes()
    good = read_archive(archive).raw
    for position in range(0, len(whole), 97):
        archive.write_bytes(whole[:position] + bytes([whole[position] ^ 0x41]) + whole[position + 1 :])
        try:
            found = read_archive(archive)
        except (ContentInvalid, UsageError):
            continue
        assert found.raw == good
        validate(found)


def _header(name: str, size: int, kind: bytes) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_a_header_without_end(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "bomb.tar"
    path.write_bytes(_header("x", 2**40, kind))
    with path.open("r+b") as stream:
        stream.truncate(2**40)  # sparse
    with pytest.raises(ContentInvalid):
        read_archive(path)


def test_what_is_no_archive(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "gz").write_bytes(gzip.compress(archive.read_bytes()))
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("hello" * 1000)
    (tmp_path / "short").write_bytes(archive.read_bytes()[:3000])
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("manifest.json"))
    (tmp_path / "docker").write_bytes(buffer.getvalue())
    for name in ("gz", "empty", "text", "short", "docker", "missing", "."):
        with pytest.raises(ContentInvalid):
            read_archive(tmp_path / name)


def test_too_many_members(tmp_path: Path) -> None:
    path = tmp_path / "many.tar"
    path.write_bytes(_header("x", 0, tarfile.REGTYPE) * 10_001)
    with pytest.raises(ContentInvalid, match="10000"):
        read_archive(path)
