"""Bases of Debian packages: chosen before the compile, fetched and made into layers while it runs.

A base has two layers. The first is the same for every image on the same release: C library, certificates, time zones.
The second has what was asked for. Both depend on nothing but the packages' digests and the compression, so that their
own digests stay the same from commit to commit, and registries have them already.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Self

import msgspec
from msgspec import Struct, structs

from cargoship.bases.base import Base
from cargoship.bases.debian_layers import DebianLayerBuilder, DebianLayers
from cargoship.bases.package_base import PackageBase
from cargoship.bases.static import static_config
from cargoship.debian.lock import PackageRequest, ResolvedPackages
from cargoship.debian.mirror import DebianMirror, MirrorConfig
from cargoship.debian.package import DebianPackage
from cargoship.debian.package_resolver import PackageResolver
from cargoship.debian.relations import parse_request
from cargoship.debian.resolve import closure
from cargoship.debian.suites import DebianSpec
from cargoship.debian.sysroot import FORMAT as SYSROOT_FORMAT
from cargoship.debian.sysroot import ZIGS_OWN, Sysroot, find_sysroot, make_sysroot
from cargoship.elf.read import read_elf
from cargoship.errors import CargoshipError, OutputError
from cargoship.events import Emit, Level, Note, count
from cargoship.http.exchange import Transport
from cargoship.oci.compress import Compression
from cargoship.oci.digest import Digest
from cargoship.oci.layer import Layer
from cargoship.oci.platform import Platform
from cargoship.oci.store import BlobStore
from cargoship.platforms import row
from cargoship.settings.model import Settings

_IDLE_S = 30 * 24 * 3600
_FETCHERS = 8
_MAKERS = 2


class DebianBases(PackageBase):
    """Bases of Debian packages, for one run; a context that stops what is still under way."""

    def __init__(
        self,
        *,
        config: MirrorConfig,
        open_transport: Callable[[], Transport],
        cache: Path,
        offline: bool = False,
        insist: bool = False,
        emit: Emit,
    ) -> None:
        self._store = BlobStore(cache, is_shared=True)
        self._emit = emit
        self._mirror = DebianMirror(
            config, open_transport=open_transport, store=self._store, offline=offline, emit=emit
        )
        self._resolver = PackageResolver(self._mirror, insist=insist, emit=emit)
        self._fetchers = ThreadPoolExecutor(_FETCHERS, thread_name_prefix="debian-fetch")
        self._makers = ThreadPoolExecutor(_MAKERS, thread_name_prefix="debian-make")
        # the compile waits for these, and not for layers
        self._unpackers = ThreadPoolExecutor(_MAKERS, thread_name_prefix="debian-unpack")
        self._builder = DebianLayerBuilder(self._store, self._mirror, self._fetchers, emit)
        self._made: dict[tuple[PackageRequest, str], Future[DebianLayers]] = {}
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
        settings: Settings,
        platform: Platform,
        *,
        root: Path,
        compression: Compression,
    ) -> Base:
        """See `PackageBase.find`; `build-packages` are for the compiler: `sysroots` has them."""
        spec, order = _request(settings, platform)
        parts = self._resolver.parts(spec, order, row(platform).debian, root=root)
        if parts.build and platform not in self._sysroots:
            self._sysroots[platform] = self._unpackers.submit(self._sysroot, parts.build, platform)
        plain = _Request(order, parts)
        likely = plain.adding(_likely(parts, order.build_packages))
        key = (likely.order, compression.label)
        if key not in self._made:
            self._made[key] = self._makers.submit(self._builder.make, likely.order, likely.parts, compression)
        owner = partial(self._owner, spec, platform)
        base = Base(str(spec), None, None, (), static_config(), has_loader=True, owner=owner)
        work = _Work(self._builder, plain, likely, compression, self._sysroots.get(platform), self._made[key])
        return replace(base, unfinished=_Unfinished(base, work))

    def sysroots(self) -> dict[Platform, Sysroot]:
        """See `PackageBase.sysroots`."""
        return {platform: future.result() for platform, future in self._sysroots.items()}

    def ready(self) -> None:
        """See `PackageBase.ready`."""
        self._resolver.forget()

    def renew(self, wanted: Sequence[Settings], *, root: Path) -> bool:
        """See `PackageBase.renew`."""
        requests = [
            (*_request(each, platform), row(platform).debian)
            for each in wanted
            for platform in each.platforms
            if not row(platform).is_wasm
        ]
        return self._resolver.renew(requests, root=root)

    def _owner(self, spec: DebianSpec, platform: Platform, library: str) -> str | None:
        """For a hint alone: whatever goes wrong, the program still lacks its library."""
        try:
            return self._mirror.owner(spec.release, row(platform).debian, spec.snapshot, library)
        except CargoshipError as error:
            self._emit(Note(f"which package has {library} could not be found out: {error.message}", Level.VERBOSE))
            return None

    def _sysroot(self, build: tuple[DebianPackage, ...], platform: Platform) -> Sysroot:
        packages = tuple(package for package in build if package.name not in ZIGS_OWN)
        root, multiarch = self._store.root / "sysroots", row(platform).multiarch
        # pkg-config's files name the folder
        facts = [SYSROOT_FORMAT, str(root), [package.digest.hex for package in packages]]
        name = f"{multiarch}-{Digest.of(msgspec.json.encode(facts)).short}"
        found = find_sysroot(root, name, multiarch)
        if found is not None:
            return found
        self._emit(Note(f"unpacking {count(len(packages), 'package')} for the compiler ({platform})", Level.VERBOSE))
        with self._builder.unpacked(packages) as debs:
            return make_sysroot(root, name, multiarch, packages, debs)


def _request(settings: Settings, platform: Platform) -> tuple[DebianSpec, PackageRequest]:
    spec = settings.debian
    if spec is None:
        raise ValueError(f"{settings.base} is not a base of Debian packages")
    return spec, PackageRequest.of(spec, platform, settings.packages, settings.build_packages)


class _Request(Struct, frozen=True):
    """What a base is to hold."""

    order: PackageRequest
    parts: ResolvedPackages

    def adding(self, names: Collection[str]) -> _Request:
        """With more of the packages that the compiler was given, and what these depend on."""
        there = {package.name for package in (*self.parts.base, *self.parts.packages)}
        wanted = sorted(name for name in names if name not in there)
        more = [package for package in closure(self.parts.build, wanted) if package.name not in there]
        packages = tuple(sorted((*self.parts.packages, *more), key=lambda package: package.name))
        # the compiler's packages are none of the image's
        order = structs.replace(self.order, packages=tuple(sorted({*self.order.packages, *wanted})), build_packages=())
        return _Request(order, structs.replace(self.parts, packages=packages))


def _likely(parts: ResolvedPackages, build_packages: Collection[str]) -> frozenset[str]:
    """What programs will probably need: libpq5, for libpq-dev depends on it."""
    asked = {parse_request(text).name for text in build_packages}
    return frozenset(
        name
        for package in parts.build
        if package.name in asked
        for name in package.depends
        if not name.endswith("-dev")
    )


class _Work(Struct, frozen=True):
    """What was begun for a base: what was asked for, and what is being made because it is likely to be right."""

    builder: DebianLayerBuilder
    plain: _Request
    likely: _Request
    compression: Compression
    sysroot: Future[Sysroot] | None
    made: Future[DebianLayers]

    def finish(self, programs: Iterable[Path]) -> tuple[DebianLayers, ResolvedPackages]:
        """The layers, with the packages of those libraries that programs need and the compiler was given."""
        if self.sysroot is None:
            return self.made.result(), self.likely.parts
        needed = {name for path in programs for name in read_elf(path).needed}
        libraries = self.sysroot.result().libraries
        request = self.plain.adding({libraries[name] for name in needed if name in libraries})
        added = [name for name in request.order.packages if name not in self.plain.order.packages]
        if added:
            self.builder.emit(Note(f"programs for {request.order.platform} need {', '.join(added)}: in the image"))
        if request.parts.packages == self.likely.parts.packages and request.order == self.likely.order:
            return self.made.result(), request.parts
        return self.builder.make(request.order, request.parts, self.compression), request.parts


class _Unfinished(Struct, frozen=True):
    """See `Unfinished`."""

    base: Base
    work: _Work

    def when_made(self, then: Callable[[Layer], None]) -> None:
        """See `Unfinished.when_made`."""

        def pass_on(future: Future[DebianLayers]) -> None:
            if not future.cancelled() and future.exception() is None:
                for layer in future.result().layers:
                    then(layer)

        self.work.made.add_done_callback(pass_on)

    def finish(self, programs: Mapping[str, Path]) -> Base:
        """See `Unfinished.finish`."""
        made, parts = self.work.finish(programs.values())
        packages = (*parts.base, *parts.packages)
        return replace(self.base, layers=made.layers, folders=made.folders, packages=packages, unfinished=None)
