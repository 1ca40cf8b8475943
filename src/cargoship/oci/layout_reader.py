"""Reading an image layout that anyone may have made: every digest and size is checked, everything is bounded."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import msgspec
from msgspec import Struct

from cargoship.errors import ContentInvalid, UsageError
from cargoship.events import count
from cargoship.oci.config import CONFIG_BYTES_MAX, decode_config
from cargoship.oci.content import kept_away, names_manifest, not_there, walk
from cargoship.oci.descriptor import INDEX_TYPES, MANIFEST_TYPES, BytesBlob, Descriptor, MediaType
from cargoship.oci.digest import Digest, Hashing
from cargoship.oci.image import Image, is_image
from cargoship.oci.index import Index, index_of
from cargoship.oci.manifest import (
    MANIFEST_BYTES_MAX,
    IndexManifest,
    decode_content,
    decode_index,
    decode_manifest,
    is_generic,
    kind_of,
)
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.oci.tree import choose_image

_NAMES = ("org.opencontainers.image.ref.name", "io.containerd.image.name")
_PIECE_BYTES = 1 << 20


def read_layout(root: Path, *, select: Digest | str | None = None) -> Index:
    """The index that `select` names in the layout: by digest, by tag or by whole name; None for the only one.

    A single image comes as an index of that image. Every blob's digest and size is checked. Raises UsageError when
    there is no such entry or more than one, ContentInvalid for anything that is not what it should be.
    """
    return read_index(FolderFiles(root), select)


def read_index(files: LayoutFiles, select: Digest | str | None) -> Index:
    """As `read_layout`, wherever the files of the layout are."""
    reader = LayoutReader(files)
    root = reader.root(select)
    if root.descriptor.media_type in INDEX_TYPES:
        # also sees to it that there is an end to what is in it
        walk(reader, root)
        return reader.index(root)
    return index_of([reader.image(root)], annotations={})


def read_image(root: Path, *, select: Digest | str | None = None, platform: Platform) -> Image:
    """The image for a platform out of what `select` names; no other image's blobs are looked at.

    Raises as `read_layout` does, and PlatformUnknown that says what the layout has.
    """
    reader = LayoutReader(FolderFiles(root))
    return reader.image(choose_image(reader, reader.root(select), platform, what=str(root)))


class _LayoutFile(msgspec.Struct, rename="camel"):
    image_layout_version: str


class LayoutFiles(Protocol):
    """The files of a layout, by their names in it; as text, the place where they are."""

    def open(self, name: str) -> BinaryIO:
        """A seekable stream of one that is a regular file; raises ContentInvalid."""
        ...

    def has(self, name: str) -> bool:
        """Whether there is one of that name, whatever it is."""
        ...


@dataclass(frozen=True)
class FolderFiles(LayoutFiles):
    """Files in the folder `root`; opening one never follows a symlink out of it."""

    root: Path

    def open(self, name: str) -> BinaryIO:
        """See `LayoutFiles.open`."""
        return open_regular(self.root / name)

    def has(self, name: str) -> bool:
        """See `LayoutFiles.has`."""
        return os.path.lexists(self.root / name)

    def __str__(self) -> str:
        """The folder."""
        return str(self.root)


class _LayoutBlob(Struct, frozen=True):
    """A blob in a layout, verified while it is read."""

    descriptor: Descriptor
    files: LayoutFiles

    def open(self) -> BinaryIO:
        return cast("BinaryIO", io.BufferedReader(_Verified(self.open_unverified(), self)))

    @property
    def is_away(self) -> bool:
        """Whether it is not here, and need not be."""
        return self.descriptor.is_its_makers and not self.files.has(_name(self.descriptor.digest))

    def open_unverified(self) -> BinaryIO:
        """The file; raises ContentInvalid."""
        if self.is_away:
            raise kept_away(self.descriptor)
        return self.files.open(_name(self.descriptor.digest))


class _Verified(io.RawIOBase):
    """Passes a blob on; its end raises ContentInvalid where its bytes were not those of the digest.

    Of a part of it that is sought nobody can say: a registry that gets a blob in pieces compares the whole.
    """

    def __init__(self, stream: BinaryIO, blob: _LayoutBlob) -> None:
        super().__init__()
        self._stream = cast("io.BufferedReader", stream)
        self._descriptor = blob.descriptor
        self._hashing = Hashing(blob.descriptor.digest.algorithm)
        self._is_whole = True

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        place = self._stream.seek(offset, whence)
        self._is_whole = self._is_whole and place == self._hashing.size_bytes
        return place

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override] # io passes nothing else
        # where the reader wants it: what is only passed on is in memory once
        count = self._stream.readinto(buffer[:_PIECE_BYTES])
        if not self._is_whole:
            return count
        self._hashing.update(buffer[:count])
        if not count or self._hashing.size_bytes > self._descriptor.size_bytes:
            _compare(self._descriptor, self._hashing.digest, self._hashing.size_bytes)
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()


class LayoutReader:
    """What is in a layout: a `Content`."""

    def __init__(self, files: LayoutFiles) -> None:
        self._files = files
        text = self._read("oci-layout", MANIFEST_BYTES_MAX)
        version = decode_content(text, _LayoutFile, f"{files}/oci-layout").image_layout_version
        if version != "1.0.0":
            raise ContentInvalid(f"{files} is an image layout of version {version}; only 1.0.0 is supported")

    def entries(self) -> tuple[Descriptor, ...]:
        """The entries of `index.json`; raises ContentInvalid."""
        return self.listing().manifests

    def listing(self) -> IndexManifest:
        """All of `index.json`; raises ContentInvalid."""
        return decode_index(self._read("index.json", MANIFEST_BYTES_MAX))

    def select(self, select: Digest | str | None) -> Descriptor:
        """The entry of that digest or name; see `read_layout`."""
        entries = self.entries()
        if select is None:
            found = {entry.digest: entry for entry in entries}
            # what is about an image is an entry too, and has no name
            named = {entry.digest: entry for entry in entries if any(map(entry.annotations.get, _NAMES))}
            found = named if len(named) == 1 else found
        elif isinstance(select, Digest):
            found = {entry.digest: entry for entry in entries if entry.digest == select}
        else:
            # engines write whole names into archives, and take short ones
            found = _called(entries, select) or _called(entries, _whole_name(select))
        if len(found) == 1:
            return next(iter(found.values()))
        wanted = "" if select is None else f" {select}"
        names = ", ".join(_names(entries)) or "no names"
        if not found:
            raise UsageError(f"the image layout {self._files} has no image{wanted}", hint=f"it has {names}")
        raise UsageError(f"the image layout {self._files} has several images{wanted}", hint=f"name one: it has {names}")

    def root(self, select: Digest | str | None) -> BytesBlob:
        """The manifest or index of an entry; raises as `select` does, and ContentInvalid."""
        descriptor = self.select(select)
        found = self.find(descriptor)
        if found is None:
            raise ContentInvalid(f"{self._files} has no {_name(descriptor.digest)}, which its index.json names")
        if found.descriptor.media_type not in MANIFEST_TYPES | INDEX_TYPES:
            kind = found.descriptor.media_type
            raise ContentInvalid(f"{descriptor.digest} is {kind}, neither a manifest nor an index")
        return found

    def find(self, descriptor: Descriptor) -> BytesBlob | None:
        """See `Content.find`; raises ContentInvalid."""
        if not self._files.has(_name(descriptor.digest)):
            return None
        data = self._blob_bytes(descriptor, MANIFEST_BYTES_MAX)
        media_type = kind_of(data, descriptor.media_type, str(descriptor.digest))
        if media_type != descriptor.media_type and not is_generic(descriptor.media_type):
            raise ContentInvalid(f"{descriptor.digest} is {media_type}, and not {descriptor.media_type}")
        return BytesBlob(Descriptor(media_type, descriptor.digest, len(data)), data)

    def find_index(self, digest: Digest) -> BytesBlob | None:
        """An index that is known by its digest alone; None where it is not there. Raises ContentInvalid."""
        name = _name(digest)
        if not self._files.has(name):
            return None
        data = self._read(name, MANIFEST_BYTES_MAX)
        descriptor = Descriptor(MediaType.OCI_INDEX, digest, len(data))
        _compare(descriptor, Digest.of(data, digest.algorithm), len(data))
        return BytesBlob(descriptor, data)

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return str(self._files)

    def config(self, descriptor: Descriptor) -> bytes:
        """See `Content.config`; raises ContentInvalid."""
        return self._blob_bytes(descriptor, CONFIG_BYTES_MAX)

    def blob(self, descriptor: Descriptor) -> _LayoutBlob:
        """See `Content.blob`; raises ContentInvalid for one that is not there, or has another size.

        A layer that its maker alone may give out raises it when it is opened: an image may be known without.
        """
        blob = _LayoutBlob(descriptor, self._files)
        if blob.is_away:
            return blob
        with blob.open_unverified() as stream:
            size_bytes = stream.seek(0, os.SEEK_END)
        if size_bytes != descriptor.size_bytes:
            raise ContentInvalid(f"{descriptor.digest} has {size_bytes} bytes, not {descriptor.size_bytes}")
        return blob

    def index(self, root: BytesBlob, known: dict[Digest, Index] | None = None) -> Index:
        """An index with everything in it, checked; `known` are indexes that were read before."""
        known = {} if known is None else known
        children: list[Image] = []
        nested: list[Index] = []
        for child in decode_index(root.data, root.descriptor.media_type).manifests:
            blob = self.find(child)
            if blob is None:
                raise not_there(child, root)
            if blob.descriptor.media_type in INDEX_TYPES:
                if child.digest not in known:
                    known[child.digest] = self.index(blob, known)
                nested.append(known[child.digest])
            elif not names_manifest(blob.descriptor):
                kind = blob.descriptor.media_type
                raise ContentInvalid(f"{child.digest} is {kind}, neither a manifest nor an index")
            else:
                children.append(self.image(blob))
        return Index(root.data, tuple(children), tuple(nested), root.descriptor.digest.algorithm)

    def image(self, root: BytesBlob) -> Image:
        """An image, every blob of it checked."""
        from cargoship.oci.layer import Layer  # noqa: PLC0415 - makes layers too, which copies do not need

        raw, descriptor = root.data, root.descriptor
        manifest = decode_manifest(raw, descriptor.media_type)
        raw_config = self.config(manifest.config)
        blobs = [self._checked(layer) for layer in manifest.layers]
        if not is_image(manifest):
            layers = tuple(Layer(blob, blob.descriptor.digest) for blob in blobs)
            return Image(raw, raw_config, layers, descriptor.digest.algorithm)
        config = decode_config(raw_config)
        if len(config.diff_ids) != len(blobs):
            raise ContentInvalid(
                f"image {descriptor.digest} has {count(len(blobs), 'layer')}, and its config has {len(config.diff_ids)}"
            )
        history = config.history if len(config.history) == len(blobs) else ("",) * len(blobs)
        layers = tuple(map(Layer, blobs, config.diff_ids, history))
        return Image(raw, raw_config, layers, descriptor.digest.algorithm)

    def _blob_bytes(self, descriptor: Descriptor, bytes_max: int) -> bytes:
        if descriptor.size_bytes > bytes_max:
            raise ContentInvalid(f"{descriptor.digest} has {descriptor.size_bytes} bytes; more than {bytes_max}")
        data = self._read(_name(descriptor.digest), descriptor.size_bytes)
        _compare(descriptor, Digest.of(data, descriptor.digest.algorithm), len(data))
        return data

    def _checked(self, descriptor: Descriptor) -> _LayoutBlob:
        # its size before hours are spent on hashing a file that cannot be right
        blob = self.blob(descriptor)
        with blob.open_unverified() as stream:
            _compare(descriptor, *Digest.of_stream(stream, descriptor.digest.algorithm))
        return blob

    def _read(self, name: str, bytes_max: int) -> bytes:
        with self._files.open(name) as stream:
            data = stream.read(bytes_max + 1)
        if len(data) > bytes_max:
            raise ContentInvalid(f"{self._files}: {name} is larger than {bytes_max} bytes")
        return data


def _name(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.hex}"


def open_regular(path: Path) -> BinaryIO:
    """Open a file that is a regular one and no symlink; raises ContentInvalid."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ContentInvalid(f"{path} is a link, and links are not followed in an image layout") from error
        raise ContentInvalid(f"{path} cannot be read: {os.strerror(error.errno or 0)}") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ContentInvalid(f"{path} is not a regular file")
    return os.fdopen(handle, "rb")


def _called(entries: Sequence[Descriptor], name: str) -> dict[Digest, Descriptor]:
    return {entry.digest: entry for entry in entries if name in map(entry.annotations.get, _NAMES)}


def _whole_name(name: str) -> str:
    """`docker.io/library/app:latest` for `app`; what is no name of an image as it is."""
    try:
        reference = Reference.parse(name)
    except UsageError:
        return name
    return str(reference if reference.tag or reference.digest else reference.with_tag("latest"))


def _names(entries: Sequence[Descriptor]) -> list[str]:
    return sorted({name for entry in entries for annotation in _NAMES if (name := entry.annotations.get(annotation))})


def _compare(descriptor: Descriptor, digest: Digest, size_bytes: int) -> None:
    if (digest, size_bytes) != (descriptor.digest, descriptor.size_bytes):
        raise ContentInvalid(f"blob {descriptor.digest} is damaged: {size_bytes} bytes with the digest {digest}")
