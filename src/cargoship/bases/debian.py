"""Bases of Debian packages: chosen before the compile, fetched and made into layers while it runs.

A base has two layers. The first is the same for every image on the same release: C library, certificates, time zones.
The second has what was asked for. Both depend on nothing but the packages' digests and the compression, so that their
own digests stay the same from commit to commit, and registries have them already.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Self

import msgspec

from cargoship.bases.base import Base
from cargoship.bases.packed import Made, Workshop
from cargoship.bases.static import static_config
from cargoship.debian.lock import Order, Parts
from cargoship.debian.mirror import Mirror, Places
from cargoship.debian.orders import Orders
from cargoship.debian.package import Package
from cargoship.debian.relations import parse_request
from cargoship.debian.resolve import closure
from cargoship.debian.suites import DebianSpec
from cargoship.debian.sysroot import FORMAT as SYSROOT_FORMAT
from cargoship.debian.sysroot import ZIGS_OWN, Sysroot, find_sysroot, make_sysroot
from cargoship.elf.read import read_elf
from cargoship.errors import CargoshipError, OutputError
from cargoship.events import Emit, Level, Note
from cargoship.oci.compress import Compression
from cargoship.oci.digest import Digest
from cargoship.oci.layer import Layer
from cargoship.oci.platform import Platform
from cargoship.oci.store import BlobStore
from cargoship.platforms import row
from cargoship.registry.exchange import Transport

_IDLE_S = 30 * 24 * 3600
_FETCHERS = 8
_MAKERS = 2


class DebianBases:
    """Bases of Debian packages, for one run; a context that stops what is still under way."""

    def __init__(
        self,
        *,
        places: Places,
        open_transport: Callable[[], Transport],
        cache: Path,
        offline: bool = False,
        insist: bool = False,
        emit: Emit,
    ) -> None:
        self._store = BlobStore(cache)
        self._emit = emit
        self._mirror = Mirror(places, open_transport=open_transport, store=self._store, offline=offline, emit=emit)
        self.orders = Orders(self._mirror, insist=insist, emit=emit)
        self._fetchers = ThreadPoolExecutor(_FETCHERS, thread_name_prefix="debian-fetch")
        self._makers = ThreadPoolExecutor(_MAKERS, thread_name_prefix="debian-make")
        # the compile waits for these, and not for layers
        self._unpackers = ThreadPoolExecutor(_MAKERS, thread_name_prefix="debian-unpack")
        self._workshop = Workshop(self._store, self._mirror, self._fetchers, emit)
        self._made: dict[tuple[Order, str], Future[Made]] = {}
        self._sysroots: dict[Platform, Future[Sysroot]] = {}

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop what is under way, close the connections, and remove what nobody has used for long."""
        self._mirror.close()
        for pool in (self._makers, self._unpackers, self._fetchers):
            pool.shutdown(wait=False, cancel_futures=True)
        if self._made and exc[0] is None:
            with contextlib.suppress(OutputError):
                self._store.prune(idle_s=_IDLE_S)

    def find(
        self,
        spec: DebianSpec,
        platform: Platform,
        *,
        packages: Sequence[str],
        build_packages: Sequence[str] = (),
        root: Path,
        compression: Compression,
    ) -> Base:
        """A base whose layers are being made from now on; its `unfinished` says when.

        `build_packages` are for the compiler: `sysroots` has them. `root` is the folder of the lock file. Raises
        PlatformUnknown, LockOutdated, PackageUnresolved, MirrorUnreachable, ContentInvalid, OutputError.
        """
        order = Order.of(spec, platform, packages, build_packages)
        parts = self.orders.parts(spec, order, row(platform).debian, root=root)
        if parts.build and platform not in self._sysroots:
            self._sysroots[platform] = self._unpackers.submit(self._sysroot, parts.build, platform)
        plain = _Request(order, parts)
        likely = plain.adding(_likely(parts, order.build_packages))
        key = (likely.order, compression.label)
        if key not in self._made:
            self._made[key] = self._makers.submit(self._workshop.make, likely.order, likely.parts, compression)
        owner = partial(self._owner, spec, platform)
        base = Base(str(spec), None, None, (), static_config(), has_loader=True, owner=owner)
        work = _Work(self._workshop, plain, likely, compression, self._sysroots.get(platform), self._made[key])
        return replace(base, unfinished=_Unfinished(base, work))

    def sysroots(self) -> dict[Platform, Sysroot]:
        """The headers and libraries of `build_packages`, for the platforms that have some; waits for them."""
        return {platform: future.result() for platform, future in self._sysroots.items()}

    def ready(self) -> None:
        """All bases of this run were asked for."""
        self.orders.forget()

    def _owner(self, spec: DebianSpec, platform: Platform, library: str) -> str | None:
        """For a hint alone: whatever goes wrong, the program still lacks its library."""
        try:
            return self._mirror.owner(spec.release, row(platform).debian, spec.snapshot, library)
        except CargoshipError as error:
            self._emit(Note(f"which package has {library} could not be found out: {error.message}", Level.VERBOSE))
            return None

    def _sysroot(self, build: tuple[Package, ...], platform: Platform) -> Sysroot:
        packages = tuple(package for package in build if package.name not in ZIGS_OWN)
        root, multiarch = self._store.root / "sysroots", row(platform).multiarch
        # pkg-config's files name the folder
        facts = [SYSROOT_FORMAT, str(root), [package.digest.hex for package in packages]]
        name = f"{multiarch}-{Digest.of(msgspec.json.encode(facts)).short}"
        found = find_sysroot(root, name, multiarch)
        if found is not None:
            return found
        self._emit(Note(f"unpacking {len(packages)} packages for the compiler ({platform})", Level.VERBOSE))
        with self._workshop.unpacked(packages) as debs:
            return make_sysroot(root, name, multiarch, packages, debs)


@dataclass(frozen=True)
class _Request:
    """What a base is to hold."""

    order: Order
    parts: Parts

    def adding(self, names: Collection[str]) -> _Request:
        """With more of the packages that the compiler was given, and what these depend on."""
        there = {package.name for package in (*self.parts.base, *self.parts.packages)}
        wanted = sorted(name for name in names if name not in there)
        more = [package for package in closure(self.parts.build, wanted) if package.name not in there]
        packages = tuple(sorted((*self.parts.packages, *more), key=lambda package: package.name))
        # the compiler's packages are none of the image's
        order = replace(self.order, packages=tuple(sorted({*self.order.packages, *wanted})), build_packages=())
        return _Request(order, replace(self.parts, packages=packages))


def _likely(parts: Parts, build_packages: Collection[str]) -> frozenset[str]:
    """What programs will probably need: libpq5, for libpq-dev depends on it."""
    asked = {parse_request(text).name for text in build_packages}
    return frozenset(
        name
        for package in parts.build
        if package.name in asked
        for name in package.depends
        if not name.endswith("-dev")
    )


@dataclass(frozen=True)
class _Work:
    """What was begun for a base: what was asked for, and what is being made because it is likely to be right."""

    workshop: Workshop
    plain: _Request
    likely: _Request
    compression: Compression
    sysroot: Future[Sysroot] | None
    made: Future[Made]

    def finish(self, programs: Iterable[Path]) -> Made:
        """The layers, with the packages of those libraries that programs need and the compiler was given."""
        if self.sysroot is None:
            return self.made.result()
        needed = {name for path in programs for name in read_elf(path).needed}
        libraries = self.sysroot.result().libraries
        request = self.plain.adding({libraries[name] for name in needed if name in libraries})
        added = [name for name in request.order.packages if name not in self.plain.order.packages]
        if added:
            self.workshop.emit(Note(f"programs for {request.order.platform} need {', '.join(added)}: in the image"))
        if request.parts.packages == self.likely.parts.packages and request.order == self.likely.order:
            return self.made.result()
        return self.workshop.make(request.order, request.parts, self.compression)


@dataclass(frozen=True)
class _Unfinished:
    """See `Unfinished`."""

    base: Base
    work: _Work

    def when_made(self, then: Callable[[Layer], None]) -> None:
        """See `Unfinished.when_made`."""

        def pass_on(future: Future[Made]) -> None:
            if not future.cancelled() and future.exception() is None:
                for layer in future.result().layers:
                    then(layer)

        self.work.made.add_done_callback(pass_on)

    def finish(self, programs: Mapping[str, Path]) -> Base:
        """See `Unfinished.finish`."""
        made = self.work.finish(programs.values())
        return replace(self.base, layers=made.layers, folders=made.folders, unfinished=None)
