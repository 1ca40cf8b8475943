"""Headers of archives, read as tarfile reads them, and refused where it would go wrong."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargoship.rootfs.headers import Header, HeaderInvalid, headers

KINDS = (tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE)


def read(data: bytes) -> list[Header]:
    stream = io.BytesIO(data)

    def skip(size: int) -> None:
        stream.seek(size, io.SEEK_CUR)

    found = []
    for each in headers(stream.read, skip):
        found.append(each)
        skip(each.size + -each.size % 512)
    return found


def facts(entries: list[Header] | list[tarfile.TarInfo]) -> list[tuple[object, ...]]:
    return [
        (each.name.rstrip("/"), each.linkname, each.type, each.mode, each.uid, each.gid, each.size) for each in entries
    ]


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/\n"), min_size=1, max_size=90)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join).filter(lambda path: path.strip("/. ") != "")
ENTRIES = st.lists(
    st.tuples(
        PATHS, st.sampled_from(KINDS), PATHS, st.integers(0, 0o7777), st.integers(0, 1 << 40), st.binary(max_size=1100)
    ),
    max_size=6,
)


@settings(max_examples=80, deadline=None)
@given(entries=ENTRIES, form=st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
def test_what_tarfile_writes_is_read_as_it_was(
    entries: list[tuple[str, bytes, str, int, int, bytes]], form: int
) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for path, kind, link, mode, uid, content in entries:
            entry = tarfile.TarInfo(path)
            entry.type, entry.mode, entry.uid, entry.gid = kind, mode, uid, uid
            entry.linkname = link if kind in {tarfile.SYMTYPE, tarfile.LNKTYPE} else ""
            entry.size = len(content) if kind == tarfile.REGTYPE else 0
            archive.addfile(entry, io.BytesIO(content))
    with tarfile.open(fileobj=io.BytesIO(buffer.getvalue())) as archive:
        assert facts(read(buffer.getvalue())) == facts(archive.getmembers())


def test_long_names_of_ustar_are_put_together() -> None:
    buffer = io.BytesIO()
    path = "/".join(["folder" * 10] * 3)
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo(path))
    assert [each.name for each in read(buffer.getvalue())] == [path]


def _one(change: Callable[[bytearray], None] = lambda _: None) -> bytes:
    data = bytearray(tarfile.TarInfo("a").tobuf(tarfile.GNU_FORMAT))
    change(data)
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    return bytes(data)


def _set(place: int, text: bytes) -> Callable[[bytearray], None]:
    def change(data: bytearray) -> None:
        data[place : place + len(text)] = text

    return change


def _pax(records: bytes) -> bytes:
    size = b"%011o\0" % len(records)
    head = _one(lambda data: (_set(156, b"x")(data), _set(124, size)(data), None)[-1])
    return head + records + bytes(-len(records) % 512) + _one()


@pytest.mark.parametrize(
    "data",
    [
        b"short",
        bytes(511) + b"x",
        _one()[:511] + b"x",
        _one(_set(100, b"9999999\0")),
        _pax(b"9 path=x\n\n\n"),
        _pax(b"path=x\n"),
        _pax(b"0 path=x\n"),
        _pax(b"999 path=x\n"),
        _pax(b"9 pathxx\n"),
        _pax(b"13 size=99 9\n"),
        _pax(b"11 size=-1\n"),
        _pax(b"9 path=x\n")[:-512],
        _one(lambda data: (_set(156, b"L")(data), _set(124, b"77777777777\0")(data), None)[-1]),
        _one(lambda data: (_set(156, b"L")(data), _set(124, b"\xff" * 12)(data), None)[-1]),
    ],
)
def test_what_is_no_header_is_said(data: bytes) -> None:
    with pytest.raises(HeaderInvalid):
        read(data)


def test_only_the_records_that_count_are_kept() -> None:
    many = b"".join(b"%d SCHILY.xattr.user.%03d=x\n" % (27, number) for number in range(300))
    (found,) = read(_pax(many + b"10 path=b\n"))
    assert found.name == "b"


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=700), at=st.integers(0, 1100))
def test_no_bytes_are_a_fault_of_ours(data: bytes, at: int) -> None:
    whole = bytearray(_one() + _pax(b"10 path=b\n"))
    whole[at : at + len(data)] = data
    try:
        read(bytes(whole))
    except HeaderInvalid as error:
        assert error.message  # noqa: PT017 - either outcome is right
