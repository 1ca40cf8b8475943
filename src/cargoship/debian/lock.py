"""The file cargoship.lock: which packages, in which versions, a base was made of. It belongs beside Cargo.lock.

A base that is in it needs no index: its packages are fetched by their digests, from wherever they still are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct, field

from cargoship.debian.package import DebianPackage
from cargoship.debian.suites import DebianSpec
from cargoship.decoding import decode_toml
from cargoship.errors import ContentInvalid
from cargoship.oci.digest import Digest
from cargoship.oci.files import write_atomically, writing
from cargoship.oci.platform import Platform
from cargoship.reading import read_file

NAME = "cargoship.lock"
_VERSION = 1
_BYTES_MAX = 32 << 20
_HEAD = """\
# Made by cargoship: the Debian packages that images stand on. It belongs into the repository.
# `cargoship base pin` brings it up to date.

"""


class PackageRequest(Struct, frozen=True, order=True):
    """What is asked for: a base, for a platform, with packages."""

    base: str
    platform: str
    packages: tuple[str, ...] = ()
    build_packages: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, spec: DebianSpec, platform: Platform, packages: Iterable[str], build_packages: Iterable[str] = ()
    ) -> PackageRequest:
        """The order that settings make; in which order they name packages does not matter."""
        return cls(str(spec), str(platform), tuple(sorted(set(packages))), tuple(sorted(set(build_packages))))

    def __str__(self) -> str:
        """For people."""
        asked = ", ".join((*self.packages, *self.build_packages))
        return f"{self.base} for {self.platform}" + (f" with {asked}" if asked else "")


class ResolvedPackages(Struct, frozen=True):
    """The packages for an order: what every base has, what was asked for, and what only the compiler sees."""

    base: tuple[DebianPackage, ...]
    packages: tuple[DebianPackage, ...] = ()
    build: tuple[DebianPackage, ...] = ()


class DebianLock(Struct, frozen=True):
    """Orders and what they led to."""

    parts: Mapping[PackageRequest, ResolvedPackages] = field(default_factory=dict)

    def with_parts(self, order: PackageRequest, parts: ResolvedPackages) -> DebianLock:
        """With one more."""
        return DebianLock({**self.parts, order: parts})

    def text(self) -> str:
        """The file's text: sorted, so that a change shows as what changed."""
        import tomli_w  # noqa: PLC0415 - loaded when used

        packages = {
            _key(package): package
            for parts in self.parts.values()
            for package in (*parts.base, *parts.packages, *parts.build)
        }
        document = {
            "version": _VERSION,
            "base": [_order(order, self.parts[order]) for order in sorted(self.parts)],
            "package": [_package(packages[key]) for key in sorted(packages)],
        }
        return _HEAD + tomli_w.dumps(document)


def read_debian_lock(path: Path) -> DebianLock:
    """Read the file; one that is not there is empty. Raises ContentInvalid, OutputError."""
    with writing(path):
        try:
            data = read_file(path, _BYTES_MAX)
        except FileNotFoundError:
            return DebianLock()
    try:
        return _parsed(data)
    except (ValueError, KeyError, ContentInvalid) as error:
        raise ContentInvalid(
            f"{path} is damaged: {error}", hint="take it from the repository, or remove it to have it made again"
        ) from error


def _parsed(data: bytes) -> DebianLock:
    document = msgspec.convert(decode_toml(data), _Document)
    if document.version != _VERSION:
        raise ContentInvalid(f"it has the version {document.version}, and this program reads {_VERSION}")
    packages = {each.key: each.package() for each in document.package}
    return DebianLock({each.order(): each.parts(packages) for each in document.base})


def write_debian_lock(path: Path, lock: DebianLock) -> None:
    """Write the file whole; raises OutputError."""
    write_atomically(path, lock.text().encode())


class _LockedOrder(msgspec.Struct, rename="kebab", forbid_unknown_fields=True):
    base: str
    platform: str
    packages: list[str]
    build_packages: list[str]
    holds: list[str]
    adds: list[str]
    builds_with: list[str]

    def order(self) -> PackageRequest:
        return PackageRequest(self.base, self.platform, tuple(self.packages), tuple(self.build_packages))

    def parts(self, packages: Mapping[str, DebianPackage]) -> ResolvedPackages:
        holds, adds, builds = (
            tuple(packages[name] for name in names) for names in (self.holds, self.adds, self.builds_with)
        )
        return ResolvedPackages(holds, adds, builds)


class _LockedPackage(msgspec.Struct, rename="kebab", forbid_unknown_fields=True):
    name: str
    version: str
    architecture: str
    archive: str
    snapshot: str
    path: str
    size: int
    sha256: str
    depends: list[str]

    @property
    def key(self) -> str:
        return f"{self.name} {self.version} {self.architecture}"

    def package(self) -> DebianPackage:
        return DebianPackage(
            name=self.name,
            version=self.version,
            architecture=self.architecture,
            archive=self.archive,
            snapshot=self.snapshot,
            path=self.path,
            size_bytes=self.size,
            digest=Digest.parse("sha256:" + self.sha256),
            depends=tuple(self.depends),
        )


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    base: list[_LockedOrder] = []
    package: list[_LockedPackage] = []


def _key(package: DebianPackage) -> str:
    return f"{package.name} {package.version} {package.architecture}"


def _keys(packages: Iterable[DebianPackage]) -> list[str]:
    return sorted(map(_key, packages))


def _order(order: PackageRequest, parts: ResolvedPackages) -> dict[str, object]:
    return {
        "base": order.base,
        "platform": order.platform,
        "packages": list(order.packages),
        "build-packages": list(order.build_packages),
        "holds": _keys(parts.base),
        "adds": _keys(parts.packages),
        "builds-with": _keys(parts.build),
    }


def _package(package: DebianPackage) -> dict[str, object]:
    return {
        "name": package.name,
        "version": package.version,
        "architecture": package.architecture,
        "archive": package.archive,
        "snapshot": package.snapshot,
        "path": package.path,
        "size": package.size_bytes,
        "sha256": package.digest.hex,
        "depends": list(package.depends),
    }
