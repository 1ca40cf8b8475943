"""Layers: a tar archive, compressed, in a store of blobs (image-spec, layer.md)."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from cargoship.errors import OutputError
from cargoship.oci.compress import Compression
from cargoship.oci.descriptor import Blob, Descriptor
from cargoship.oci.digest import Digest, Hashing
from cargoship.oci.entry import file_status
from cargoship.oci.files import Writer
from cargoship.oci.store import BlobStore, Memo
from cargoship.oci.tar import LayerEntry, arrange, write_tar

__all__ = ["BlobStore", "Layer", "build_layer"]

# Part of every memo's key: raise it when the bytes that this module makes from the same input change.
_FORMAT = 1
# Time stamps come from the kernel's tick (at most 10 ms) on most file systems, from a clock of whole seconds, or of
# two seconds, on some.
_FINE_NS = 20_000_000
_COARSE_NS = 2_000_000_000
_SECOND_NS = 1_000_000_000


class Layer(Struct, frozen=True):
    """A layer's blob, the digest of its uncompressed tar, and who made it (for the image's history)."""

    blob: Blob
    diff_id: Digest
    created_by: str = ""

    @property
    def descriptor(self) -> Descriptor:
        """What the blob is."""
        return self.blob.descriptor


def build_layer(
    entries: Iterable[LayerEntry],
    *,
    store: BlobStore,
    compression: Compression,
    epoch: int,
    created_by: str,
    below: Iterable[LayerEntry] = (),
) -> Layer:
    """Make a layer, or find the one that the same entries gave before.

    Same entries, compression and epoch (seconds) give the same bytes. In one pass the tar is written, hashed,
    compressed, hashed again and put into the store; nothing is held in memory whole. An input that has not changed
    since is neither read nor compressed again. `below` are folders of the layers below, which keep their owners and
    rights when something is put into them. Raises IncludeInvalid, ContentInvalid (a file changed while it was
    read), OutputError.
    """
    arranged = arrange(entries, below=below)
    inputs = _survey(arranged, compression, epoch)
    memo = store.recall(inputs.key)
    if memo is not None:
        descriptor = Descriptor(compression.media_type, Digest.parse(memo.digest), memo.size_bytes)
        if (blob := store.find(descriptor)) is not None:
            return Layer(blob, Digest.parse(memo.diff_id), created_by)
    with store.writer() as unfinished:
        started_ns = unfinished.started_ns
        with compression.open_writer(unfinished) as compressor:
            tar = _HashingWriter(compressor)
            write_tar(arranged, tar, epoch=epoch)
        blob = store.commit(unfinished, compression.media_type)
    layer = Layer(blob, tar.digest, created_by)
    if inputs.settled(started_ns) and _survey(arranged, compression, epoch) == inputs:
        descriptor = blob.descriptor
        # the layer is there: a memo that cannot be kept costs time alone
        with contextlib.suppress(OutputError):
            store.remember(inputs.key, Memo(str(descriptor.digest), descriptor.size_bytes, str(layer.diff_id)))
    return layer


class _HashingWriter:
    """Passes bytes on and hashes them."""

    def __init__(self, out: Writer) -> None:
        self._out = out
        self._hashing = Hashing()

    def write(self, data: bytes, /) -> int:
        self._hashing.update(data)
        self._out.write(data)
        return len(data)

    @property
    def digest(self) -> Digest:
        return self._hashing.digest


class _Inputs(Struct, frozen=True):
    """The key of an input, and the latest time stamps among its files: of whole seconds, and of finer ones."""

    key: str
    latest_fine_ns: int
    latest_coarse_ns: int

    def settled(self, started_ns: int) -> bool:
        """Whether a change after `started_ns` would have given some file another time stamp."""
        return self.latest_fine_ns + _FINE_NS < started_ns and self.latest_coarse_ns + _COARSE_NS < started_ns


def _survey(entries: tuple[LayerEntry, ...], compression: Compression, epoch: int) -> _Inputs:
    """Look at every entry without reading files: a file is known by place, inode, size and time stamps."""
    latest_fine_ns = latest_coarse_ns = 0
    facts: list[object] = [_FORMAT, compression.label, epoch]
    for entry in entries:
        source = entry.source
        match source:
            case None:
                content: object = entry.link
            case bytes():
                content = Digest.of(source).hex
            case Path():
                status = file_status(entry.path, source)
                content = (
                    str(source),
                    status.st_dev,
                    status.st_ino,
                    status.st_size,
                    status.st_mtime_ns,
                    status.st_ctime_ns,
                )
                for stamp_ns in (status.st_mtime_ns, status.st_ctime_ns):
                    if stamp_ns % _SECOND_NS:
                        latest_fine_ns = max(latest_fine_ns, stamp_ns)
                    else:
                        latest_coarse_ns = max(latest_coarse_ns, stamp_ns)
            case _:
                content = source.descriptor.digest.hex
        facts.append((entry.path, entry.kind.value, entry.mode, entry.uid, entry.gid, content))
    key = hashlib.sha256(msgspec.json.encode(facts)).hexdigest()
    return _Inputs(key, latest_fine_ns, latest_coarse_ns)
