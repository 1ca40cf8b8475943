"""A small Debian archive in memory: packages, indexes and Release files of its own, signed by a key of its own."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import pysequoia

from cargoship.debian.mirror import MirrorConfig
from cargoship.http.exchange import ConnectionBroken, Request

MIRROR = "http://mirror.test"
SNAPSHOTS = "http://snapshots.test/archive"
DATE = "Sat, 11 Jul 2026 10:16:37 UTC"
SNAPSHOT = "20260711T221637Z"
"""Half a day later."""

Content = bytes | str | tarfile.TarInfo | None
"""A file's bytes, a symbolic link's target, any member, or a folder."""


def ar(members: Sequence[tuple[str, bytes]]) -> bytes:
    """An ar archive, as dpkg-deb writes it."""
    found = b"!<arch>\n"
    for name, data in members:
        found += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode()
        found += data + b"\n" * (len(data) % 2)
    return found


def tar(members: Mapping[str, Content]) -> bytes:
    """A tar archive, as dpkg-deb writes it: names begin with ./."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in members.items():
            info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo("./" + name)
            info.mtime = 1_700_000_000
            if content is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            elif isinstance(content, str):
                info.type, info.linkname, info.mode = tarfile.SYMTYPE, content, 0o777
            data = content if isinstance(content, bytes) else b""
            info.size = len(data) or info.size
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def compressed(data: bytes, suffix: str) -> bytes:
    """In the way that a suffix names."""
    from backports import zstd  # noqa: PLC0415

    known = {".xz": lzma.compress, ".gz": lambda data: gzip.compress(data, mtime=0), ".zst": zstd.compress}
    return known[suffix](data) if suffix else data


def deb(fields: Mapping[str, str], files: Mapping[str, Content], *, suffix: str = ".xz", extra: str = "") -> bytes:
    """A package's file."""
    control = "".join(f"{name}: {value}\n" for name, value in fields.items())
    sums = "".join(
        f"{hashlib.md5(data, usedforsecurity=False).hexdigest()}  {name}\n"
        for name, data in files.items()
        if isinstance(data, bytes) and not name.startswith("etc/")
    )
    inner: dict[str, Content] = {"control": control.encode(), "md5sums": sums.encode()}
    if extra:
        inner["conffiles"] = extra.encode()
    parts = [("debian-binary", b"2.0\n"), (f"control.tar{suffix}", compressed(tar(inner), suffix))]
    return ar([*parts, (f"data.tar{suffix}", compressed(tar(files), suffix))])


@dataclass
class Archive:
    """The files of a mirror by their address, and how they come to be."""

    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    redirects: dict[str, str] = field(default_factory=dict)
    contents: str = ""
    """The list of all files, for every architecture."""
    _packages: dict[tuple[str, str], dict[str, list[str]]] = field(default_factory=dict)
    _key: pysequoia.Tsk = field(default_factory=lambda: pysequoia.Tsk.generate("test archive"))

    def add(
        self,
        name: str,
        version: str = "1.0-1",
        *,
        files: Mapping[str, Content] | None = None,
        suite: str = "bookworm",
        architectures: Sequence[str] = ("amd64", "arm64"),
        suffix: str = ".xz",
        conffiles: str = "",
        **more: str,
    ) -> None:
        """A package; `more` are fields, with underscores for dashes."""
        archive = "debian-security" if suite.endswith("-security") else "debian"
        for architecture in architectures:
            multi = {name.replace("_", "-").title(): value for name, value in more.items()}
            real = multi.pop("Architecture", architecture)
            fields = {
                "Package": name,
                "Version": version,
                "Architecture": real,
                "Maintainer": "A <a@example.com>",
                **multi,
                "Description": f"{name}\n a package of the tests",
            }
            data = deb(fields, files or {f"usr/share/doc/{name}/copyright": b"free\n"}, suffix=suffix, extra=conffiles)
            path = f"pool/main/{name[0]}/{name}/{name}_{version.partition(':')[2] or version}_{real}.deb"
            self.files[f"{MIRROR}/{archive}/{path}"] = data
            listed = "".join(f"{key}: {value}\n" for key, value in fields.items())
            listed += f"Filename: {path}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n"
            self._packages.setdefault((archive, suite), {}).setdefault(architecture, []).append(listed)

    def publish(self, *, codename: Mapping[str, str] | None = None, by_hash: bool = True) -> None:
        """Write the indexes and sign them; `codename` makes a suite call itself something else."""
        for archive, suite in (
            ("debian", "bookworm"),
            ("debian", "bookworm-updates"),
            ("debian-security", "bookworm-security"),
        ):
            packages = self._packages.get((archive, suite), {})
            root = f"{MIRROR}/{archive}/dists/{suite}"
            lines = []
            for architecture in ("amd64", "arm64"):
                index = compressed("\n".join(packages.get(architecture, [])).encode(), ".xz")
                digest = hashlib.sha256(index).hexdigest()
                folder = f"main/binary-{architecture}"
                place = f"{folder}/by-hash/SHA256/{digest}" if by_hash else f"{folder}/Packages.xz"
                self.files[f"{root}/{place}"] = index
                lines.append(f" {digest} {len(index)} {folder}/Packages.xz\n")
                contents = gzip.compress(self.contents.encode(), mtime=0)
                self.files[f"{root}/main/Contents-{architecture}.gz"] = contents
                digest = hashlib.sha256(contents).hexdigest()
                lines.append(f" {digest} {len(contents)} main/Contents-{architecture}.gz\n")
            release = (
                f"Origin: Debian\nCodename: {(codename or {}).get(suite, suite)}\nDate: {DATE}\n"
                f"Acquire-By-Hash: {'yes' if by_hash else 'no'}\nNo-Support-for-Architecture-all: Packages\n"
                f"Architectures: all amd64 arm64\nSHA256:\n{''.join(lines)}"
            )
            self.files[f"{root}/InRelease"] = self.sign(release.encode())

    def sign(self, data: bytes) -> bytes:
        """Clear-sign with the archive's key."""
        return bytes(pysequoia.sign(self._key.signer(), data, mode=pysequoia.SignatureMode.CLEAR))

    @property
    def certificate(self) -> pysequoia.Cert:
        """The public part of its key."""
        return self._key.extract_certificate()

    def places(self, folder: Path) -> MirrorConfig:
        """Where it is, and its key in a file of `folder`."""
        keys = folder / "keys.asc"
        keys.write_text(str(self.certificate))
        return MirrorConfig(MIRROR, SNAPSHOTS, keys)

    def transport(self) -> _Transport:
        """What reaches it."""
        return _Transport(self)


class _Transport:
    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def send(self, request: Request) -> _Response:
        self._archive.asked.append(request.url)
        if urlsplit(request.url).hostname not in {"mirror.test", "snapshots.test"}:
            raise ConnectionBroken("its name does not resolve", permanent=True)
        if request.url in self._archive.redirects:
            return _Response(302, b"", {"location": self._archive.redirects[request.url]})
        data = self._archive.files.get(request.url)
        return _Response(404, b"") if data is None else _Response(200, data)

    def close(self) -> None:
        """Nothing is open."""


@dataclass
class _Response:
    status: int
    content: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    def chunks(self) -> Iterator[bytes]:
        for at in range(0, len(self.content), 1000):
            yield self.content[at : at + 1000]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None


def minimal(archive: Archive) -> Archive:
    """Add what every base has, in small, as Debian's own are arranged."""
    libc = {"lib": None, "lib/x86_64-linux-gnu": None, "lib/x86_64-linux-gnu/libc.so.6": b"libc"}
    archive.add("libc6", "2.36-9", files=libc, depends="libgcc-s1", multi_arch="same")
    archive.add("libgcc-s1", "12-1", depends="gcc-12-base (= 12-1), libc6 (>= 2.35)", multi_arch="same")
    archive.add("gcc-12-base", "12-1", multi_arch="same")
    shared = tarfile.TarInfo("./tmp")
    shared.type, shared.mode = tarfile.DIRTYPE, 0o1777
    root: dict[str, Content] = {
        "bin": None,
        "lib": None,
        "sbin": None,
        "etc/debian_version": b"12.1\n",
        "usr/lib/os-release": b"ID=debian\nVERSION_CODENAME=bookworm\n",
        "etc/os-release": "../usr/lib/os-release",
        "tmp": shared,
    }
    archive.add("base-files", "12.4", files=root, pre_depends="awk", essential="yes", conffiles="/etc/debian_version\n")
    zones: dict[str, Content] = {"usr/share/zoneinfo/Etc/UTC": b"TZif", "usr/share/doc/tzdata/README": b"read me"}
    archive.add("tzdata", "2026a-0", files=zones, architecture="all", depends="debconf (>= 0.5) | debconf-2.0")
    authorities: dict[str, Content] = {
        f"usr/share/ca-certificates/mozilla/{name}.crt": f"-- {name} --".encode() for name in ("B", "A")
    }
    archive.add(
        "ca-certificates", "20250419", files=authorities, architecture="all", depends="openssl (>= 1.1.1), debconf"
    )
    archive.add("netbase", "6.4", files={"etc/services": b"http 80/tcp\n"}, architecture="all")
    return archive
