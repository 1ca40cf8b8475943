"""Image layouts: an index and its blobs in a folder (image-spec, image-layout.md, version 1.0.0).

Writing adds to what is there and changes `index.json` last, in one step. Reading trusts nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from cargoship.errors import ContentInvalid
from cargoship.oci.descriptor import Blob, Descriptor, FileBlob, MediaType
from cargoship.oci.files import atomic_file, write_atomically, writing
from cargoship.oci.index import Index
from cargoship.oci.layout_reader import FolderFiles, LayoutReader, read_image, read_layout
from cargoship.oci.manifest import IndexManifest, encode_index, encode_json
from cargoship.oci.reference import Reference

__all__ = ["LAYOUT_FILE", "REF_NAME", "name_entries", "read_image", "read_layout", "write_layout"]

LAYOUT_FILE = encode_json({"imageLayoutVersion": "1.0.0"})
"""The bytes of the file `oci-layout`."""
REF_NAME = "org.opencontainers.image.ref.name"
"""The tag of an entry; the whole reference where two repositories in one layout have the same tag."""
CONTAINERD_NAME = "io.containerd.image.name"
"""The whole reference of an entry, which containerd, and with it newer Docker engines, take as its name."""

_CHUNK_BYTES = 1 << 20


def write_layout(root: Path, index: Index, *, names: Sequence[Reference]) -> None:
    """Put an index into the layout at `root`, which is made if it is not there, under each of the names.

    An entry that had one of the names loses its place; every other entry stays, also those of other programs. Blobs
    are hard links to the store where the file system allows it. Raises OutputError, and ContentInvalid when the
    layout that is there, or a blob, is damaged.
    """
    with writing(root):
        (root / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
    with _locked(root):
        # before any write, for a layout that cannot be read must not be touched
        entries = LayoutReader(FolderFiles(root)).entries() if (root / "index.json").exists() else ()
        for blob in (*index.blobs(), *index.manifests()):
            _place(root / "blobs" / "sha256" / blob.descriptor.digest.hex, blob)
        if not (root / "oci-layout").exists():
            write_atomically(root / "oci-layout", LAYOUT_FILE)
        named = name_entries(index.descriptor, names, existing=entries)
        write_atomically(root / "index.json", encode_index(IndexManifest(MediaType.OCI_INDEX, named)))


def name_entries(
    descriptor: Descriptor, names: Sequence[Reference], *, existing: Sequence[Descriptor] = ()
) -> tuple[Descriptor, ...]:
    """The entries of an `index.json` after `descriptor` has got the names; without names it has one entry."""
    tagged = tuple(dict.fromkeys(replace(name, tag=name.tag or "latest", digest=None) for name in names))
    replaced = {str(name) for name in tagged}
    tags = {name.tag for name in tagged}
    kept = []
    for entry in existing:
        full = entry.annotations.get(CONTAINERD_NAME)
        tag = entry.annotations.get(REF_NAME)
        if full is None and tag is None and entry.digest == descriptor.digest:
            continue
        if full in replaced or (full is None and (tag in tags or tag in replaced)):
            continue
        kept.append(entry)
    if not tagged:
        return (*kept, descriptor)
    taken = {entry.annotations.get(REF_NAME) for entry in kept}
    for name in tagged:
        short = name.tag if name.tag not in taken else str(name)
        taken.add(short)
        annotations = {REF_NAME: short or str(name), CONTAINERD_NAME: str(name)}
        kept.append(replace(descriptor, annotations={**descriptor.annotations, **annotations}))
    return tuple(kept)


@contextlib.contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Keep other writers of this layout out; the lock is on the folder itself, so no file is left in it."""
    with writing(root):
        handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # some network file systems have no locks: there, as with most tools, the last writer wins
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _place(path: Path, blob: Blob) -> None:
    descriptor = blob.descriptor
    with writing(path), contextlib.suppress(FileNotFoundError):
        if not path.is_symlink() and path.stat().st_size == descriptor.size_bytes:
            return
        path.unlink()
    if isinstance(blob, FileBlob) and _link(blob, path):
        return
    sha256 = hashlib.sha256()
    size_bytes = 0
    with blob.open() as source, atomic_file(path) as target:
        while chunk := source.read(_CHUNK_BYTES):
            sha256.update(chunk)
            size_bytes += len(chunk)
            target.write(chunk)
        if (sha256.hexdigest(), size_bytes) != (descriptor.digest.hex, descriptor.size_bytes):
            raise ContentInvalid(f"blob {descriptor.digest} has other contents than its digest says")


def _link(blob: FileBlob, path: Path) -> bool:
    try:
        path.hardlink_to(blob.path)
    except OSError:  # another file system, or one without hard links
        return False
    if path.stat().st_size == blob.descriptor.size_bytes:
        return True
    path.unlink()
    return False
