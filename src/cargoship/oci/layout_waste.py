"""What a layout holds of no use: blobs that cargoship has put there, and that nothing in it names any more."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from cargoship.errors import ContentInvalid
from cargoship.oci.content import manifest_of, walk
from cargoship.oci.descriptor import INDEX_TYPES, MANIFEST_TYPES, Descriptor
from cargoship.oci.digest import Digest
from cargoship.oci.files import write_atomically
from cargoship.oci.layout_reader import FolderFiles, LayoutReader, open_regular
from cargoship.oci.manifest import MANIFEST_BYTES_MAX
from cargoship.oci.referrer import TAG

WRITTEN = ".cargoship-blobs.json"
"""The names of the blobs in a layout that cargoship has put there: what it may take away."""
_WRITTEN_BYTES_MAX = 16 << 20
_NAME = re.compile(rb"\b(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})\b")


def note_written(root: Path, digests: Iterable[Digest]) -> None:
    """Say that blobs are cargoship's, before they are put there; raises OutputError."""
    known = _written(root)
    if new := {str(digest) for digest in digests} - known:
        _write(root, known | new)


def drop_waste(root: Path) -> int:
    """Remove what cargoship has written to the layout and nothing in it names; how many bytes that were.

    Whatever looks like a digest in `index.json`, or in a document that is named there, counts as named, so that kinds
    of documents that are not known here keep what they need. Raises OutputError; nothing is removed where a document
    cannot be read.
    """
    ours = _written(root)
    try:
        named = _named(root) if ours else frozenset()
    except (OSError, ContentInvalid):
        return 0
    freed_bytes = 0
    for name in sorted(ours - named):
        path = _path(root, name)
        with contextlib.suppress(OSError):
            size_bytes = path.lstat().st_size
            path.unlink()
            freed_bytes += size_bytes
    if ours - named:
        _write(root, ours & named)
    return freed_bytes


def without_orphans(root: Path, entries: Sequence[Descriptor]) -> tuple[Descriptor, ...]:
    """The entries without those that cargoship wrote about an image which no entry names any more.

    All of them where a document cannot be read.
    """
    ours = _written(root)
    reader = LayoutReader(FolderFiles(root))
    known: set[Digest] = set()
    subjects: dict[Digest, Digest] = {}
    try:
        for entry in entries:
            blob = reader.find(entry)
            if blob is not None and blob.descriptor.media_type in MANIFEST_TYPES:
                subject = manifest_of(blob).subject
                if subject is not None and not entry.annotations.get(TAG) and str(entry.digest) in ours:
                    subjects[entry.digest] = subject.digest
                    continue
            known.add(entry.digest)
            if blob is not None and blob.descriptor.media_type in INDEX_TYPES:
                known.update(child.digest for child in walk(reader, blob).manifests)
    except ContentInvalid:
        return tuple(entries)
    while new := {digest for digest, subject in subjects.items() if subject in known} - known:
        known |= new
    return tuple(entry for entry in entries if entry.digest in known)


def _named(root: Path) -> frozenset[str]:
    named: set[str] = set()
    pending = [root / "index.json"]
    while pending:
        path = pending.pop()
        with open_regular(path) as stream:
            data = stream.read(MANIFEST_BYTES_MAX + 1)
        if len(data) > MANIFEST_BYTES_MAX or not data.lstrip().startswith(b"{"):
            continue  # content, and no document
        for name in {each.decode() for each in _NAME.findall(data)} - named:
            named.add(name)
            if os.path.lexists(_path(root, name)):
                pending.append(_path(root, name))
    return frozenset(named)


def _path(root: Path, name: str) -> Path:
    algorithm, _, digest = name.partition(":")
    return root / "blobs" / algorithm / digest


def _written(root: Path) -> frozenset[str]:
    """What the list names; nothing where it is damaged, for then nothing can be shown to be cargoship's."""
    try:
        with open_regular(root / WRITTEN) as stream:
            names = msgspec.json.decode(stream.read(_WRITTEN_BYTES_MAX), type=list[str])
    except (OSError, ContentInvalid, msgspec.MsgspecError, UnicodeDecodeError):
        return frozenset()
    return frozenset(name for name in names if _NAME.fullmatch(name.encode()))


def _write(root: Path, names: frozenset[str]) -> None:
    write_atomically(root / WRITTEN, msgspec.json.encode(sorted(names)))
