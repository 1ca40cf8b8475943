"""Bases of Debian packages: chosen before the compile, fetched and made into layers while it runs.

A base has two layers. The first is the same for every image on the same release: C library, certificates, time zones.
The second has what was asked for. Both depend on nothing but the packages' digests and the compression, so that their
own digests stay the same from commit to commit, and registries have them already.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Self

import msgspec

from cargoship.bases.base import Base
from cargoship.bases.static import CERTIFICATES, static_config, static_users
from cargoship.debian.deb import Deb, read_deb
from cargoship.debian.lock import Order, Parts
from cargoship.debian.mirror import Mirror, Places
from cargoship.debian.orders import Orders
from cargoship.debian.package import Package
from cargoship.debian.resolve import closure
from cargoship.debian.status import records
from cargoship.debian.suites import DebianSpec
from cargoship.debian.sysroot import FORMAT as SYSROOT_FORMAT
from cargoship.debian.sysroot import ZIGS_OWN, Sysroot, find_sysroot, make_sysroot
from cargoship.debian.tree import Tree, folders
from cargoship.elf.read import read_elf
from cargoship.errors import CargoshipError, OutputError
from cargoship.events import Emit, Level, Note
from cargoship.oci.compress import Compression
from cargoship.oci.descriptor import Descriptor
from cargoship.oci.digest import Digest
from cargoship.oci.entry import Entry
from cargoship.oci.files import writing
from cargoship.oci.layer import Layer, build_layer
from cargoship.oci.platform import Platform
from cargoship.oci.store import BlobStore, Memo
from cargoship.platforms import row
from cargoship.registry.exchange import Transport

# Part of every key: raise it when the layers that the same packages give change.
_FORMAT = 1
_IDLE_S = 30 * 24 * 3600
_FETCHERS = 8
_UNPACKED = "unpacked-"
_ABANDONED_S = 24 * 3600
_MAKERS = 2
# The time of everything in these layers. A commit's time would give them another digest with every commit.
_EPOCH = 0


@dataclass(frozen=True)
class Made:
    """A base's layers, and the folders in them that are not root's own."""

    layers: tuple[Layer, ...]
    folders: tuple[Entry, ...]


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
        self._made: dict[tuple[Order, str], Future[Made]] = {}
        self._sysroots: dict[Platform, Future[Sysroot]] = {}

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop what is under way, close the connections, and remove what nobody has used for long."""
        self._mirror.close()
        for pool in (self._makers, self._fetchers):
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
        key = (order, compression.label)
        if key not in self._made:
            self._made[key] = self._makers.submit(self.make, order, parts, compression)
        if parts.build and platform not in self._sysroots:
            self._sysroots[platform] = self._makers.submit(self._sysroot, parts.build, platform)
        owner = partial(self._owner, spec, platform)
        base = Base(str(spec), None, None, (), static_config(), has_loader=True, owner=owner)
        work = _Work(self, order, parts, compression, self._sysroots.get(platform), self._made[key])
        return replace(base, unfinished=_Unfinished(base, work))

    def sysroots(self) -> dict[Platform, Sysroot]:
        """The headers and libraries of `build_packages`, for the platforms that have some; waits for them."""
        return {platform: future.result() for platform, future in self._sysroots.items()}

    def tell(self, text: str) -> None:
        """Say something to the user."""
        self._emit(Note(text))

    def ready(self) -> None:
        """All bases of this run were asked for."""
        self.orders.forget()

    def make(self, order: Order, parts: Parts, compression: Compression) -> Made:
        """The layers of a base; raises MirrorUnreachable, ContentInvalid, OutputError."""
        key = _key(parts, compression)
        found = self._recall(key, compression)
        if found is not None:
            return found
        self._emit(Note(f"making the base {order}", Level.VERBOSE))
        packages = (*parts.base, *parts.packages)
        with self._unpacked(packages) as debs:
            contents = _entries(parts.base, debs)
            layers = [self._layer(contents.values(), compression, f"cargoship: {order.base}")]
            if parts.packages:
                below, contents = contents, _entries(packages, debs)
                more = [entry for path, entry in contents.items() if below.get(path) != entry]
                layers.append(self._layer(more, compression, f"cargoship: {', '.join(order.packages)}"))
            made = Made(tuple(layers), tuple(folders(contents.values())))
        with contextlib.suppress(OutputError):
            self._remember(key, made)
        return made

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
        with self._unpacked(packages) as debs:
            return make_sysroot(root, name, multiarch, packages, debs)

    @contextlib.contextmanager
    def _unpacked(self, packages: Sequence[Package]) -> Iterator[dict[Package, Deb]]:
        root = self._store.root
        with writing(root):
            root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=_UNPACKED, dir=root) as scratch:
            _sweep(root, Path(scratch).stat().st_mtime)
            read = self._fetchers.map(lambda package: self._read(package, scratch), packages)
            yield dict(zip(packages, read, strict=True))

    def _read(self, package: Package, scratch: str) -> Deb:
        blob = self._mirror.package(package)
        return read_deb(blob.path, scratch=Path(scratch, f"{package.name}.tar"), what=str(package))

    def _layer(self, entries: Iterable[Entry], compression: Compression, created_by: str) -> Layer:
        return build_layer(entries, store=self._store, compression=compression, epoch=_EPOCH, created_by=created_by)

    def _recall(self, key: str, compression: Compression) -> Made | None:
        """What the same packages gave before, without a look into them."""
        memo = self._store.recall(key)
        if memo is None:
            return None
        document = self._store.find(Descriptor("", Digest.parse(memo.digest), memo.size_bytes))
        if document is None:
            return None
        try:
            kept = msgspec.json.decode(document.path.read_bytes(), type=_Kept)
            layers = []
            for one in kept.layers:
                descriptor = Descriptor(compression.media_type, Digest.parse(one.digest), one.size_bytes)
                blob = self._store.find(descriptor)
                if blob is None:
                    return None
                layers.append(Layer(blob, Digest.parse(one.diff_id), one.created_by))
            entries = [Entry.directory(each.path, each.mode, each.uid, each.gid) for each in kept.folders]
        except (OSError, ValueError, CargoshipError):  # a damaged cache costs time alone
            return None
        return Made(tuple(layers), tuple(entries))

    def _remember(self, key: str, made: Made) -> None:
        layers = [
            _KeptLayer(str(each.descriptor.digest), each.descriptor.size_bytes, str(each.diff_id), each.created_by)
            for each in made.layers
        ]
        kept = _Kept(layers, [_KeptFolder(each.path, each.mode, each.uid, each.gid) for each in made.folders])
        blob = self._store.add_bytes("", msgspec.json.encode(kept))
        digest = str(blob.descriptor.digest)
        self._store.remember(key, Memo(digest, blob.descriptor.size_bytes, digest))


class _KeptLayer(msgspec.Struct):
    digest: str
    size_bytes: int
    diff_id: str
    created_by: str


class _KeptFolder(msgspec.Struct):
    path: str
    mode: int
    uid: int
    gid: int


class _Kept(msgspec.Struct):
    layers: list[_KeptLayer]
    folders: list[_KeptFolder]


@dataclass(frozen=True)
class _Work:
    """What was begun for a base, and what it is begun with."""

    bases: DebianBases
    order: Order
    parts: Parts
    compression: Compression
    sysroot: Future[Sysroot] | None
    made: Future[Made]

    def finish(self, programs: Iterable[Path]) -> Made:
        """The layers, with the packages of those libraries that programs need and the compiler was given."""
        if self.sysroot is None:
            return self.made.result()
        needed = {name for path in programs for name in read_elf(path).needed}
        owners = {self.sysroot.result().libraries.get(name) for name in needed} - {None}
        there = {package.name for package in (*self.parts.base, *self.parts.packages)}
        wanted = sorted(str(owner) for owner in owners if owner not in there)
        if not wanted:
            return self.made.result()
        more = [package for package in closure(self.parts.build, wanted) if package.name not in there]
        packages = tuple(sorted((*self.parts.packages, *more), key=lambda package: package.name))
        asked = tuple(sorted({*self.order.packages, *wanted}))
        self.bases.tell(f"into the image for {self.order.platform}, for programs need them: {', '.join(wanted)}")
        # the compiler's packages are none of the image's
        order = replace(self.order, packages=asked, build_packages=())
        parts = replace(self.parts, packages=packages)
        return self.bases.make(order, parts, self.compression)


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


def _sweep(root: Path, now: float) -> None:
    """Remove what killed runs left behind; `now` by the clock of the same file system, in seconds."""
    for folder in root.glob(f"{_UNPACKED}*"):
        with contextlib.suppress(OSError):
            if now - folder.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(folder)


def _entries(packages: Sequence[Package], debs: Mapping[Package, Deb]) -> dict[str, Entry]:
    """What these packages make, by path, with what no package of them brings."""
    tree = Tree()
    for package in packages:
        tree.add(package, debs[package])
    for entry in static_users():
        tree.add_entry(entry)
    tree.add_entry(Entry.file(CERTIFICATES, tree.certificates()))
    # where the OpenSSL of Debian looks; the package openssl brings these links, and its program with them
    tree.add_entry(Entry.symlink("usr/lib/ssl/cert.pem", f"/{CERTIFICATES}"))
    tree.add_entry(Entry.symlink("usr/lib/ssl/certs", "/etc/ssl/certs"))
    # what the maintainer scripts of base-files and tzdata would have made
    tree.add_entry(Entry.file("etc/timezone", b"Etc/UTC\n"))
    tree.add_entry(Entry.symlink("etc/localtime", "/usr/share/zoneinfo/Etc/UTC"))
    contents = {entry.path: entry for entry in tree.entries()}
    for entry in records(tree.installed, contents):
        contents[entry.path] = entry
    return contents


def _key(parts: Parts, compression: Compression) -> str:
    facts = [_FORMAT, compression.label, *([each.digest.hex for each in part] for part in (parts.base, parts.packages))]
    return hashlib.sha256(b"debian" + msgspec.json.encode(facts)).hexdigest()
