"""Hostile mirrors of Debian: indexes, signatures, packages, lock files, and the records of a base."""

from __future__ import annotations

import contextlib
import functools
import tempfile
from pathlib import Path

from cargoship.debian.control import decode_control, paragraphs, parse_paragraph
from cargoship.debian.deb import read_deb
from cargoship.debian.index import PackageIndex
from cargoship.debian.lock import DebianLock, PackageRequest, ResolvedPackages, read_debian_lock
from cargoship.debian.package import DebianPackage
from cargoship.debian.relations import parse_relations, parse_request
from cargoship.debian.release import parse_release
from cargoship.debian.resolve import closure, resolve_packages
from cargoship.debian.signature import signed_text
from cargoship.debian.suites import DebianSpec, known
from cargoship.debian.sysroot import write_tree
from cargoship.debian.tree import PackageTree
from cargoship.debian.unpack import decompressed
from cargoship.debian.versions import Version
from cargoship.errors import CargoshipError
from cargoship.oci.digest import Digest
from support.debian_archive import MIRROR, Archive, ar, compressed, deb, tar
from support.hostile.changes import Chance, changed_bytes, changed_text
from support.hostile.images import archive
from support.hostile.judge import Kind

_RELEASE = """\
Origin: Debian
Codename: bookworm
Date: Sat, 11 Jul 2026 10:16:37 UTC
Valid-Until: Sat, 18 Jul 2026 10:16:37 UTC
Acquire-By-Hash: yes
No-Support-for-Architecture-all: Packages
Architectures: all amd64 arm64
SHA256:
 {0} 100 main/binary-amd64/Packages.xz
 {0} 100 main/Contents-amd64.gz
""".format("a" * 64)
_PACKAGES = """\
DebianPackage: libpq5
Version: 15.1-0+deb12u1
Architecture: amd64
Depends: libc6 (>= 2.36), default-mta | mail-transport-agent
Provides: libpq (= 15), x
Conflicts: y
Multi-Arch: same
Filename: pool/main/p/postgresql-15/libpq5_15.1-0+deb12u1_amd64.deb
Size: 7
SHA256: {0}
Description: short
 long
 .

DebianPackage: libc6
Version: 2.36-9
Architecture: amd64
Priority: required
Filename: pool/main/g/glibc/libc6_2.36-9_amd64.deb
Size: 7
SHA256: {0}
""".format("b" * 64)


def words(chance: Chance, _: Path) -> None:
    """Versions, relations, requests, bases by name."""
    text = changed_text(
        chance.choice(
            ("2:1.0~rc1-1+deb12u1", "a:any (>= 1) | b, c (= 2:3~x-1)", "libpq5=15.1-0", "deb:bookworm@20260711T221637Z")
        ),
        chance,
    )
    for read in (Version.parse, parse_relations, parse_request, DebianSpec.parse, known):
        with contextlib.suppress(CargoshipError, ValueError):  # a setting's own error is made of these
            read(text)
    with contextlib.suppress(CargoshipError):
        one, other = Version.parse(text), Version.parse(changed_text("1.0-1", chance))
        assert (one < other) + (other < one) + (one == other) == 1


def indexes(chance: Chance, _: Path) -> None:
    """Release and Packages."""
    with contextlib.suppress(CargoshipError):
        release = parse_release(
            changed_text(_RELEASE, chance).encode("utf-8", "surrogatepass"), codename="bookworm", what="it"
        )
        assert (release.snapshot, release.packages("amd64")) is not None
        for each in release.files.values():
            assert ".." not in each.by_hash
    suite = known("bookworm")
    assert suite is not None
    index = PackageIndex("amd64")
    data = changed_text(_PACKAGES, chance).encode("utf-8", "surrogatepass")
    with contextlib.suppress(CargoshipError):
        for start, end in paragraphs(data):
            parse_paragraph(decode_control(data[start:end], what="it"), what="it")
    index.add(data, source=suite.sources[0], snapshot="20260711T221637Z")
    for name in list(index.names):
        with contextlib.suppress(CargoshipError):
            index.candidates(name)
        with contextlib.suppress(CargoshipError):
            index.providers(name)
    resolve_packages(index, [parse_request("libpq5")])


@functools.cache
def _signed() -> tuple[bytes, bytes, Path]:
    """A signed file, one that another has signed, and the certificate that is trusted."""
    folder = Path(tempfile.mkdtemp())
    found = Archive()
    found.add("a")
    found.publish()
    keys = found.places(folder).keys if hasattr(found, "places") else None
    assert keys is not None
    other = Archive()
    other.add("a")
    other.publish()
    name = f"{MIRROR}/debian/dists/bookworm/InRelease"
    return found.files[name], other.files[name], keys


def signatures(chance: Chance, _: Path) -> None:
    """Signed files that were changed, or that somebody else has signed."""
    good, foreign, keys = _signed()
    data = chance.choice((foreign, foreign + good, good, good, good))
    if chance.often(0.8):
        data = (
            changed_bytes(data, chance)
            if chance.often()
            else changed_text(data.decode(), chance).encode("utf-8", "surrogatepass")
        )
    text = signed_text(data, what="it", keys=keys)
    # whatever stands around it, what is believed was signed
    assert text.strip() in good.replace(b"\r\n", b"\n").replace(b"\n- -", b"\n-"), text[:300]


_FIELDS = {"Package": "a", "Version": "1", "Architecture": "amd64"}


@functools.cache
def _control() -> bytes:
    return tar({"control": b"Package: a\nVersion: 1\n"})


def packages(chance: Chance, folder: Path) -> None:
    """Packages' files, and the files that they hold."""
    suffix = chance.choice(("", ".xz", ".gz", ".zst"))
    if chance.often(0.3):
        data = deb(_FIELDS, {"usr": None, "usr/a": b"x" * 70, "usr/b": "a"}, suffix=suffix)
    else:
        parts = [
            ("debian-binary", b"2.0\n"),
            (f"control.tar{suffix}", compressed(_control(), suffix)),
            (f"data.tar{suffix}", compressed(archive(chance), suffix)),
        ]
        if chance.often(0.2):
            parts[chance.randrange(3)] = (chance.word().encode("ascii", "replace").decode()[:16], b"x")
        data = ar(parts)
    if chance.often(0.4):
        data = changed_bytes(data, chance, near=range(8, 200))
    (folder / "a.deb").write_bytes(data)
    found = read_deb(folder / "a.deb", scratch=folder / "scratch", what="a 1")
    tree = PackageTree()
    tree.add(_PACKAGE, found)
    write_tree(tree.entries(), folder / "tree", known_as=folder / "tree")


_PACKAGE = DebianPackage(
    "a",
    "15.1-0+deb12u1",
    "amd64",
    "debian-security",
    "20260711T221637Z",
    "pool/updates/main/p/a/a_15.1-0+deb12u1_amd64.deb",
    7,
    Digest("a" * 64),
    (),
)


@functools.cache
def _lock() -> str:
    return DebianLock({PackageRequest("deb:bookworm", "linux/amd64", ("a",), ()): ResolvedPackages((_PACKAGE,))}).text()


def locks(chance: Chance, folder: Path) -> None:
    """cargoship.lock."""
    (folder / "cargoship.lock").write_bytes(changed_text(_lock(), chance).encode("utf-8", "surrogatepass"))
    lock = read_debian_lock(folder / "cargoship.lock")
    for parts in lock.parts.values():
        closure(parts.base, [each.name for each in parts.base][:1])


def streams(chance: Chance, _: Path) -> None:
    """Compressed files of a mirror."""
    suffix = chance.choice((".xz", ".gz", ".zst"))
    data = compressed(_PACKAGES.encode() * chance.choice((1, 1, 1, 1000)), suffix)
    data = chance.choice(
        (data, data + data, data + b"x", data[: chance.randrange(len(data))], changed_bytes(data, chance))
    )

    class Stream:
        at = 0

        def read(self, size: int, /) -> bytes:
            piece = data[self.at : self.at + size]
            self.at += len(piece)
            return piece

    for piece in decompressed(Stream(), suffix, limit_bytes=100_000, what="it"):
        assert len(piece) <= 1 << 21


KINDS = (
    Kind("words of Debian", words, 4),
    Kind("Release and Packages", indexes, 3),
    Kind("signatures", signatures, 0.5),
    Kind("packages", packages, 1, on_disk=True),
    Kind("cargoship.lock", locks, 2),
    Kind("compressed indexes", streams, 2),
)
