"""cargoship.lock: what is written is what is read, and nothing else is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cargoship.debian.lock import DebianLock, PackageRequest, ResolvedPackages, read_debian_lock, write_debian_lock
from cargoship.debian.package import DebianPackage
from cargoship.errors import ContentInvalid
from cargoship.oci.digest import Digest

PACKAGE = DebianPackage(
    "libpq5", "15.1-0+deb12u1", "amd64", "debian-security", "20260711T221637Z",
    "pool/updates/main/p/postgresql-15/libpq5_15.1-0+deb12u1_amd64.deb", 7, Digest("a" * 64), ("libc6",),
)  # fmt: skip
LIBC = replace(PACKAGE, name="libc6", version="2.36-9", path="pool/main/g/glibc/libc6_2.36-9_amd64.deb", depends=())
ORDER = PackageRequest("deb:bookworm", "linux/amd64", ("libpq5",))
LOCK = DebianLock({ORDER: ResolvedPackages((LIBC,), (PACKAGE,))})


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "cargoship.lock"
    write_debian_lock(path, LOCK)
    assert read_debian_lock(path) == LOCK
    assert path.read_text() == read_debian_lock(path).text()
    assert path.read_text().startswith("# Made by cargoship")


def test_the_order_of_things_does_not_matter() -> None:
    more = LOCK.with_parts(replace(ORDER, platform="linux/arm64"), ResolvedPackages((LIBC,)))
    turned = DebianLock(dict(reversed(list(more.parts.items()))))
    assert more.text() == turned.text()


def test_a_lock_file_that_is_not_there(tmp_path: Path) -> None:
    assert read_debian_lock(tmp_path / "cargoship.lock") == DebianLock()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("version = 1\n", "version = 2\n"),
        ("version = 1\n", ""),
        ("size = 7", "size = -7"),
        ("size = 7", 'size = "7"'),
        ('sha256 = "a', 'sha256 = "A'),
        ("pool/updates", "../pool/updates"),
        ("pool/updates", "pool/../../updates"),
        ("pool/updates", "http://evil.example"),
        ('archive = "debian-security"', 'archive = "debian/../evil"'),
        ("20260711T221637Z", "now"),
        ('name = "libpq5"', 'name = "libpq6"'),  # the base then holds what is not there
        ("[[base]]", "[[base]"),
        ("depends", "dependencies"),
    ],
)
def test_damaged_lock_files(tmp_path: Path, before: str, after: str) -> None:
    text = LOCK.text()
    assert before in text
    path = tmp_path / "cargoship.lock"
    path.write_text(text.replace(before, after))
    with pytest.raises(ContentInvalid, match="is damaged") as caught:
        read_debian_lock(path)
    assert str(path) in caught.value.message


@given(st.binary(max_size=100))
def test_what_is_no_lock_file(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "cargoship.lock"
    path.write_bytes(data)
    with pytest.raises(ContentInvalid):
        read_debian_lock(path)
