"""Layers of Debian packages, and packages unpacked for anybody who wants to look into them.

What the same packages gave before is known by their digests, without a look into them.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path

import msgspec
from msgspec import Struct

from cargoship.bases.static import CERTIFICATES, static_users
from cargoship.debian.deb import Deb, read_deb
from cargoship.debian.lock import PackageRequest, ResolvedPackages
from cargoship.debian.mirror import DebianMirror
from cargoship.debian.package import DebianPackage
from cargoship.debian.status import records
from cargoship.debian.tree import PackageTree, special_folders
from cargoship.decoding import decode_json
from cargoship.errors import CargoshipError, OutputError
from cargoship.events import Emit, Level, Note
from cargoship.oci.compress import Compression
from cargoship.oci.descriptor import Descriptor
from cargoship.oci.digest import Digest
from cargoship.oci.entry import LayerEntry
from cargoship.oci.files import sweep, writing
from cargoship.oci.layer import Layer, build_layer
from cargoship.oci.store import BlobStore, Memo

# Part of every key: raise it when the layers that the same packages give change.
_FORMAT = 2
_UNPACKED = "unpacked-"
_ABANDONED_S = 24 * 3600
# The time of everything in these layers. A commit's time would give them another digest with every commit.
_EPOCH = 0


class DebianLayers(Struct, frozen=True):
    """A base's layers, and the folders in them that are not root's own."""

    layers: tuple[Layer, ...]
    folders: tuple[LayerEntry, ...]


class DebianLayerBuilder(Struct, frozen=True):
    """Where packages are fetched, unpacked, and made into layers; safe to share between threads."""

    store: BlobStore
    mirror: DebianMirror
    fetchers: Executor
    emit: Emit

    def make(self, order: PackageRequest, parts: ResolvedPackages, compression: Compression) -> DebianLayers:
        """The layers of a base; raises MirrorUnreachable, ContentInvalid, OutputError."""
        key = _key(parts, compression)
        # not kept with the layers: other requests may lead to the same packages
        said = (f"cargoship: {order.base}", f"cargoship: {', '.join(order.packages)}")
        found = self._recall(key, compression, said)
        if found is not None:
            return found
        self.emit(Note(f"making the base {order}", Level.VERBOSE))
        packages = (*parts.base, *parts.packages)
        with self.unpacked(packages) as debs:
            contents = _entries(parts.base, debs)
            layers = [self._layer(contents.values(), compression, said[0])]
            if parts.packages:
                below, contents = contents, _entries(packages, debs)
                more = [entry for path, entry in contents.items() if below.get(path) != entry]
                layers.append(self._layer(more, compression, said[1]))
            made = DebianLayers(tuple(layers), tuple(special_folders(contents.values())))
        with contextlib.suppress(OutputError):
            self._remember(key, made)
        return made

    @contextlib.contextmanager
    def unpacked(self, packages: Sequence[DebianPackage]) -> Iterator[dict[DebianPackage, Deb]]:
        """Fetch packages and look into them; what they hold is there while the block runs."""
        root = self.store.root
        with writing(root):
            root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=_UNPACKED, dir=root, ignore_cleanup_errors=True) as scratch:
            sweep(root, Path(scratch).stat().st_mtime_ns, pattern=f"{_UNPACKED}*", age_s=_ABANDONED_S)
            # after an error, other threads may still be writing there: then the next sweep has the rest
            read = self.fetchers.map(lambda package: self._read(package, scratch), packages)
            yield dict(zip(packages, read, strict=True))

    def _read(self, package: DebianPackage, scratch: str) -> Deb:
        blob = self.mirror.package(package)
        return read_deb(blob.path, scratch=Path(scratch, f"{package.name}.tar"), what=str(package))

    def _layer(self, entries: Iterable[LayerEntry], compression: Compression, created_by: str) -> Layer:
        return build_layer(entries, store=self.store, compression=compression, epoch=_EPOCH, created_by=created_by)

    def _recall(self, key: str, compression: Compression, said: Sequence[str]) -> DebianLayers | None:
        """What the same packages gave before, without a look into them."""
        memo = self.store.recall(key)
        if memo is None:
            return None
        document = self.store.find(Descriptor("", Digest.parse(memo.digest), memo.size_bytes))
        if document is None:
            return None
        try:
            kept = decode_json(document.path.read_bytes(), _Kept)
            layers = []
            for one, created_by in zip(kept.layers, said, strict=False):
                descriptor = Descriptor(compression.media_type, Digest.parse(one.digest), one.size_bytes)
                blob = self.store.find(descriptor)
                if blob is None:
                    return None
                layers.append(Layer(blob, Digest.parse(one.diff_id), created_by))
            entries = [LayerEntry.directory(each.path, each.mode, each.uid, each.gid) for each in kept.folders]
        except (OSError, ValueError, CargoshipError):  # a damaged cache costs time alone
            return None
        return DebianLayers(tuple(layers), tuple(entries))

    def _remember(self, key: str, made: DebianLayers) -> None:
        layers = [
            _KeptLayer(str(each.descriptor.digest), each.descriptor.size_bytes, str(each.diff_id))
            for each in made.layers
        ]
        kept = _Kept(layers, [_KeptFolder(each.path, each.mode, each.uid, each.gid) for each in made.folders])
        blob = self.store.add_bytes("", msgspec.json.encode(kept))
        digest = str(blob.descriptor.digest)
        self.store.remember(key, Memo(digest, blob.descriptor.size_bytes, digest))


class _KeptLayer(msgspec.Struct):
    digest: str
    size_bytes: int
    diff_id: str


class _KeptFolder(msgspec.Struct):
    path: str
    mode: int
    uid: int
    gid: int


class _Kept(msgspec.Struct):
    layers: list[_KeptLayer]
    folders: list[_KeptFolder]


def _entries(packages: Sequence[DebianPackage], debs: Mapping[DebianPackage, Deb]) -> dict[str, LayerEntry]:
    """What these packages make, by path, with what no package of them brings."""
    tree = PackageTree()
    for package in packages:
        tree.add(package, debs[package])
    for entry in static_users():
        tree.add_entry(entry)
    tree.add_entry(LayerEntry.file(CERTIFICATES, tree.certificates()))
    # where the OpenSSL of Debian looks; the package openssl brings these links, and its program with them
    tree.add_entry(LayerEntry.symlink("usr/lib/ssl/cert.pem", f"/{CERTIFICATES}"))
    tree.add_entry(LayerEntry.symlink("usr/lib/ssl/certs", "/etc/ssl/certs"))
    # what the maintainer scripts of base-files and tzdata would have made
    tree.add_entry(LayerEntry.file("etc/timezone", b"Etc/UTC\n"))
    tree.add_entry(LayerEntry.symlink("etc/localtime", "/usr/share/zoneinfo/Etc/UTC"))
    contents = {entry.path: entry for entry in tree.entries()}
    for entry in records(tree.installed, contents):
        contents[entry.path] = entry
    return contents


def _key(parts: ResolvedPackages, compression: Compression) -> str:
    facts = [_FORMAT, compression.label, *([each.digest.hex for each in part] for part in (parts.base, parts.packages))]
    return hashlib.sha256(b"debian" + msgspec.json.encode(facts)).hexdigest()
