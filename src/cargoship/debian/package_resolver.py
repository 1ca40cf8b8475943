"""From what is asked for to the packages: by the lock file where it says, else by the archive's indexes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from pathlib import Path

from cargoship.debian.index import PackageIndex
from cargoship.debian.lock import (
    NAME,
    DebianLock,
    PackageRequest,
    ResolvedPackages,
    read_debian_lock,
    write_debian_lock,
)
from cargoship.debian.mirror import DebianMirror
from cargoship.debian.package import DebianPackage
from cargoship.debian.relations import parse_request
from cargoship.debian.resolve import COMPILE_TIME_LIBC, resolve_packages
from cargoship.debian.suites import DebianSpec
from cargoship.errors import LockOutdated, PackageUnresolved
from cargoship.events import Emit, Level, Note, count

MINIMAL = ("base-files", "ca-certificates", "libc6", "libgcc-s1", "netbase", "tzdata")
"""What every base has, and what these depend on; as much as Google's distroless images for C programs."""


class PackageResolver:
    """The packages for orders, in one run. `insist`: what is not in a lock file is refused."""

    def __init__(self, mirror: DebianMirror, *, insist: bool, emit: Emit) -> None:
        self._mirror = mirror
        self._insist = insist
        self._emit = emit
        self._indexes: dict[tuple[str, str], PackageIndex] = {}
        self._lock = threading.Lock()

    def parts(self, spec: DebianSpec, order: PackageRequest, architecture: str, *, root: Path) -> ResolvedPackages:
        """The packages for an order; what the lock file in `root` lacks is looked up and written into it.

        Raises LockOutdated, PackageUnresolved, MirrorUnreachable, ContentInvalid, OutputError.
        """
        path = root / NAME
        with self._lock:
            lock = read_debian_lock(path)
            found = lock.parts.get(order)
            if found is not None:
                return found
            if self._insist:
                raise LockOutdated(
                    f"{path} lacks {order}", hint="run once without --locked and --frozen, and commit it"
                )
            made = self._resolve(spec, order, architecture, lock)
            write_debian_lock(path, lock.with_parts(order, made))
            self._emit(Note(f"{order}: {count(len(made.base) + len(made.packages), 'package')}, locked in {path}"))
            return made

    def renew(self, wanted: Sequence[tuple[DebianSpec, PackageRequest, str]], *, root: Path) -> bool:
        """Write a lock file of these orders alone, as the archive is now; raises as `parts` does.

        Returns whether it is another one than before.
        """
        lock = DebianLock()
        for spec, order, architecture in wanted:
            if order not in lock.parts:
                lock = lock.with_parts(order, self._resolve(spec, order, architecture, lock))
        path = root / NAME
        before = read_debian_lock(path) if path.exists() else DebianLock()
        if lock.parts == before.parts:
            return False
        write_debian_lock(path, lock)
        return True

    def forget(self) -> None:
        """Let go of indexes, which are large."""
        with self._lock:
            self._indexes.clear()

    def _resolve(
        self, spec: DebianSpec, order: PackageRequest, architecture: str, lock: DebianLock
    ) -> ResolvedPackages:
        key = (str(spec), architecture)
        if key not in self._indexes:
            self._emit(Note(f"reading the indexes of Debian {spec.release.codename} for {architecture}", Level.VERBOSE))
            self._indexes[key] = self._mirror.index(spec.release, architecture, spec.snapshot)
        index = self._indexes[key]
        # what one image of a project has, another one of it has in the same version, where that can be
        neighbours = _neighbours(lock, order)
        if neighbours:
            with contextlib.suppress(PackageUnresolved):
                return _parts(index, order, neighbours)
        return _parts(index, order, ())


def _parts(index: PackageIndex, order: PackageRequest, given: tuple[DebianPackage, ...]) -> ResolvedPackages:
    base = resolve_packages(index, [parse_request(name) for name in MINIMAL], given=given)
    added = resolve_packages(index, [parse_request(name) for name in order.packages], given=(*given, *base))
    build = resolve_packages(
        index,
        [parse_request(name) for name in order.build_packages],
        given=(*given, *base, *added),
        leave=COMPILE_TIME_LIBC,
    )
    names = {package.name for package in base}
    return ResolvedPackages(base, tuple(package for package in added if package.name not in names), build)


def _neighbours(lock: DebianLock, order: PackageRequest) -> tuple[DebianPackage, ...]:
    found: dict[str, DebianPackage] = {}
    for other, parts in lock.parts.items():
        if (other.base, other.platform) == (order.base, order.platform):
            for package in (*parts.base, *parts.packages, *parts.build):
                found.setdefault(package.name, package)
    return tuple(found.values())
