"""Image layouts: an index and its blobs in a folder (image-spec, image-layout.md, version 1.0.0).

Writing adds to what is there and changes `index.json` last, in one step. Reading trusts nothing.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from msgspec import structs

from cargoship.errors import ContentInvalid
from cargoship.locks import locked
from cargoship.oci.descriptor import Blob, BytesBlob, CompleteImage, Descriptor, FileBlob, MediaType
from cargoship.oci.digest import SHA256, Hashing
from cargoship.oci.files import atomic_file, write_atomically, writing
from cargoship.oci.layout_reader import FolderFiles, LayoutReader, read_image, read_layout
from cargoship.oci.layout_waste import drop_waste, note_written, without_orphans
from cargoship.oci.manifest import IndexManifest, encode_index, encode_json
from cargoship.oci.reference import Reference
from cargoship.oci.referrer import REFERRERS, Referrer, blobs_of, list_of

__all__ = ["LAYOUT_FILE", "REF_NAME", "name_entries", "read_image", "read_layout", "write_layout"]

LAYOUT_FILE = encode_json({"imageLayoutVersion": "1.0.0"})
"""The bytes of the file `oci-layout`."""
REF_NAME = "org.opencontainers.image.ref.name"
"""The tag of an entry; the whole reference where two repositories in one layout have the same tag."""
CONTAINERD_NAME = "io.containerd.image.name"
"""The whole reference of an entry, which containerd, and with it newer Docker engines, take as its name."""

_CHUNK_BYTES = 1 << 20


def write_layout(
    root: Path,
    index: CompleteImage,
    *,
    names: Sequence[Reference],
    drop: bool = False,
    about: Sequence[Referrer] = (),
    as_entries: bool = False,
) -> None:
    """Put an index or image into the layout at `root`, which is made if it is not there, under each of the names.

    What is said `about` it is listed beside its entry, or becomes entries of its own (`beside`).

    An entry that had one of the names loses its place; every other entry stays, also those of other programs. Blobs
    are hard links to the project's own store where the file system allows it, and copies of those that projects share.
    With `drop` those go that cargoship has put there and that nothing in the layout names any more. Raises OutputError,
    and ContentInvalid when the layout that is there, or a blob, is damaged.
    """
    descriptor, further, lists = beside(index.descriptor, about, as_entries=as_entries)
    blobs = (*index.blobs(), *index.manifests(), *blobs_of(about), *lists)
    with writing(root):
        for algorithm in {SHA256, *(blob.descriptor.digest.algorithm for blob in blobs)}:
            (root / "blobs" / algorithm).mkdir(parents=True, exist_ok=True)
    with _locked(root) as alone:
        # before any write, for a layout that cannot be read must not be touched
        known = IndexManifest(MediaType.OCI_INDEX, ())
        if (root / "index.json").exists():
            known = LayoutReader(FolderFiles(root)).listing()
        entries = known.manifests
        if drop:
            places = {
                blob.descriptor.digest: root / "blobs" / blob.descriptor.digest.algorithm / blob.descriptor.digest.hex
                for blob in blobs
            }
            note_written(root, (digest for digest, place in places.items() if not os.path.lexists(place)))
        for blob in blobs:
            digest = blob.descriptor.digest
            _place(root / "blobs" / digest.algorithm / digest.hex, blob)
        if not (root / "oci-layout").exists():
            write_atomically(root / "oci-layout", LAYOUT_FILE)
        for entry in further:
            entries = name_entries(entry, (), existing=entries)
        named = name_entries(descriptor, names, existing=entries)
        named = without_orphans(root, named) if drop else named
        document = structs.replace(known, media_type=MediaType.OCI_INDEX, manifests=named)
        write_atomically(root / "index.json", encode_index(document))
        if drop and alone:
            drop_waste(root)


def beside(
    descriptor: Descriptor, about: Sequence[Referrer], *, as_entries: bool
) -> tuple[Descriptor, tuple[Descriptor, ...], tuple[BytesBlob, ...]]:
    """The entry of an image of which something is said, the entries before it, and the blobs that are needed for them.

    skopeo, podman and crane take a layout of one entry without asking which one is meant, and refuse any other. So what
    is said is in a list that the image's own entry names. Tools that know nothing of it see the image alone. As entries
    it is what oras finds, and what a layout has after `copy --referrers`.
    """
    if not about:
        return descriptor, (), ()
    if as_entries:
        return descriptor, tuple(each.descriptor for each in about), ()
    listed = list_of(about)
    annotations = {**descriptor.annotations, REFERRERS: str(listed.descriptor.digest)}
    return replace(descriptor, annotations=annotations), (), (listed,)


def name_entries(
    descriptor: Descriptor, names: Sequence[Reference], *, existing: Sequence[Descriptor] = ()
) -> tuple[Descriptor, ...]:
    """The entries of an `index.json` after `descriptor` has got the names; without names it has one entry."""
    tagged = tuple(dict.fromkeys(structs.replace(name, tag=name.tag or "latest", digest=None) for name in names))
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
def _locked(root: Path) -> Iterator[bool]:
    """Keep other writers of this layout out; whether that can be had.

    The lock is on the folder itself, so no file is left in it.
    """
    with contextlib.ExitStack() as held:
        # some network file systems have no locks: there, as with most tools, the last writer wins
        alone = False
        with contextlib.suppress(OSError):
            held.enter_context(locked(root))
            alone = True
        yield alone


def _place(path: Path, blob: Blob) -> None:
    descriptor = blob.descriptor
    with writing(path), contextlib.suppress(FileNotFoundError):
        if not path.is_symlink() and path.stat().st_size == descriptor.size_bytes:
            return
        path.unlink()
    if isinstance(blob, FileBlob) and not blob.is_shared and _link(blob, path):
        return
    hashing = Hashing(descriptor.digest.algorithm)
    with blob.open() as source, atomic_file(path) as target:
        while chunk := source.read(_CHUNK_BYTES):
            hashing.update(chunk)
            target.write(chunk)
        if (hashing.digest, hashing.size_bytes) != (descriptor.digest, descriptor.size_bytes):
            hint = f"remove {blob.path}: it is made or downloaded again" if isinstance(blob, FileBlob) else None
            raise ContentInvalid(f"blob {descriptor.digest} has other contents than its digest says", hint=hint)


def _link(blob: FileBlob, path: Path) -> bool:
    try:
        path.hardlink_to(blob.path)
    except OSError:  # another file system, or one without hard links
        return False
    if path.stat().st_size == blob.descriptor.size_bytes:
        return True
    path.unlink()
    return False
