"""Packages' files: what is read of them, and what is refused."""

from __future__ import annotations

import contextlib
import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cargoship.debian import deb as module
from cargoship.debian.deb import Deb, MemberKind, read_deb
from cargoship.debian.unpack import decompressed
from cargoship.errors import ContentInvalid
from support.debian_archive import Content, ar, compressed, deb, tar

FIELDS = {"Package": "a", "Version": "1", "Architecture": "amd64"}
CONTROL = tar({"control": b"Package: a\n"})


def read(data: bytes, folder: Path) -> Deb:
    (folder / "a.deb").write_bytes(data)
    return read_deb(folder / "a.deb", scratch=folder / "scratch", what="a 1 (amd64)")


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


@pytest.mark.parametrize("suffix", ["", ".xz", ".gz", ".zst"])
def test_what_a_package_holds(tmp_path: Path, suffix: str) -> None:
    files: dict[str, Content] = {
        "usr": None,
        "usr/a": b"x" * 70_000,
        "usr/b": "a",
        "usr/c": member("./usr/c", tarfile.LNKTYPE, "./usr/a"),
    }
    found = read(deb(FIELDS, files, suffix=suffix), tmp_path)
    assert found.control["control"].startswith(b"Package: a\nVersion: 1\n")
    assert [(each.path, each.kind, each.link) for each in found.members] == [
        ("usr", MemberKind.FOLDER, ""),
        ("usr/a", MemberKind.FILE, ""),
        ("usr/b", MemberKind.LINK, "a"),
        ("usr/c", MemberKind.SAME, "usr/a"),
    ]
    content = found.members[1].content
    assert content is not None
    with content.open() as stream:
        assert stream.read() == b"x" * 70_000


@pytest.mark.parametrize(
    "name", ["../x", "usr/../../x", "/../x", "./..", "a/..", "x" * 5000, "a\\..\\..", "./a/./../b"]
)  # fmt: skip
def test_no_path_leaves_the_root(tmp_path: Path, name: str) -> None:
    for info in (member(name), member("./a", tarfile.LNKTYPE, name)):
        with contextlib.suppress(ContentInvalid):
            found = read(deb(FIELDS, {"x": info}), tmp_path)
            for each in found.members:
                parts = each.path.split("/") + (each.link.split("/") if each.kind is MemberKind.SAME else [])
                assert ".." not in parts
                assert not each.path.startswith("/")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is not a package's file"),
        (b"!<arch>\n", "lacks its control or data archive"),
        (b"!<arch>\nx", "damaged header"),
        (ar([("debian-binary", b"2.0\n"), ("control.tar", CONTROL)]), "lacks"),
        (ar([("data.tar", tar({})), ("control.tar", CONTROL)]), "lacks"),
        (ar([("control.tar.bz2", CONTROL), ("data.tar", tar({}))]), "a part 'control.tar.bz2'"),
        (ar([("control.tar", CONTROL), ("data.tar", tar({}))])[:-2000], "shorter than its headers say"),
        (ar([("control.tar", CONTROL), ("data.tar.xz", b"no xz")]), "cannot be unpacked"),
        (ar([("control.tar", CONTROL), ("data.tar.xz", compressed(tar({}), ".xz")[:-9])]), "cannot be unpacked"),
        (ar([("control.tar", CONTROL), ("data.tar.gz", b"no gzip")]), "cannot be unpacked"),
        (ar([("control.tar", CONTROL), ("data.tar.zst", b"no zstd")]), "cannot be unpacked"),
        (ar([("control.tar", CONTROL), ("data.tar", b"no tar" * 200)]), "its data archive is damaged"),
        (ar([("control.tar", tar({})), ("data.tar", tar({}))]), "has no control file"),
        (ar([("control.tar", b"no tar" * 200), ("data.tar", tar({}))]), "its control archive is damaged"),
        (deb(FIELDS, {"a": member("./dev/null", tarfile.CHRTYPE)}), "neither a file nor a folder nor a link"),
        (deb(FIELDS, {"a": member("./pipe", tarfile.FIFOTYPE)}), "neither a file nor a folder nor a link"),
        (deb(FIELDS, {"a": member("./link", tarfile.SYMTYPE)}), "is a link to nothing"),
    ],
)  # fmt: skip
def test_what_is_no_package(tmp_path: Path, data: bytes, says: str) -> None:
    with pytest.raises(ContentInvalid) as caught:
        read(data, tmp_path)
    assert says in caught.value.message


def test_a_small_file_that_becomes_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DATA_BYTES_MAX", 1 << 20)
    bomb = deb(FIELDS, {"usr/zeros": bytes(4 << 20)})
    assert len(bomb) < 10_000
    with pytest.raises(ContentInvalid, match="larger than 1048576 bytes"):
        read(bomb, tmp_path)
    assert (tmp_path / "scratch").stat().st_size <= 1 << 20


def test_a_header_that_would_fill_the_memory(tmp_path: Path) -> None:
    """Tar programs read pax headers whole, whatever size they claim."""
    info = member("pax", tarfile.XHDTYPE, size=1 << 30)
    data = info.tobuf(tarfile.USTAR_FORMAT)
    with pytest.raises(ContentInvalid, match="a header is too long"):
        read(ar([("control.tar", CONTROL), ("data.tar", data + bytes(2048))]), tmp_path)


def test_streams_that_follow_one_another() -> None:
    for suffix in (".xz", ".gz"):
        data = compressed(b"one", suffix) + compressed(b"two" * 500_000, suffix) + bytes(8)
        assert (
            b"".join(decompressed(io.BytesIO(data), suffix, limit_bytes=1 << 22, what="it"))
            == b"one" + b"two" * 500_000
        )


WHOLE = deb(FIELDS, {"usr": None, "usr/a": b"text" * 50, "usr/b": "a"}, suffix="")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, len(WHOLE) - 1), what=st.binary(min_size=1, max_size=40))
def test_any_damage_is_one_clear_error(tmp_path: Path, at: int, what: bytes) -> None:
    with contextlib.suppress(ContentInvalid):
        for each in read(WHOLE[:at] + what + WHOLE[at + len(what) :], tmp_path).members:
            assert ".." not in each.path.split("/")
    with contextlib.suppress(ContentInvalid):
        read(WHOLE[:at], tmp_path)
