"""Reading an image layout that anyone may have made: every digest and size is checked, everything is bounded."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec

from cargoship.errors import ContentInvalid, UsageError
from cargoship.oci.config import CONFIG_BYTES_MAX, decode_config
from cargoship.oci.descriptor import INDEX_TYPES, MANIFEST_TYPES, Descriptor
from cargoship.oci.digest import Digest
from cargoship.oci.image import Image, is_image_config
from cargoship.oci.index import Index, index_of, nearest, no_such_platform
from cargoship.oci.layer import Layer
from cargoship.oci.manifest import MANIFEST_BYTES_MAX, decode_index, decode_json, decode_manifest
from cargoship.oci.platform import Platform

_DEPTH_MAX = 4
_MANIFESTS_MAX = 1000
_NAMES = ("org.opencontainers.image.ref.name", "io.containerd.image.name")


def read_layout(root: Path, *, select: Digest | str | None = None) -> Index:
    """The index that `select` names in the layout: by digest, by tag or by whole name; None for the only one.

    A single image comes as an index of that image. Every blob's digest and size is checked. Raises UsageError when
    there is no such entry or more than one, ContentInvalid for anything that is not what it should be.
    """
    return read_index(FolderFiles(root), select)


def read_index(files: Files, select: Digest | str | None) -> Index:
    """As `read_layout`, wherever the files of the layout are."""
    reader = LayoutReader(files)
    descriptor = reader.select(select)
    if descriptor.media_type in INDEX_TYPES:
        return reader.index(descriptor)
    return index_of([reader.image(descriptor)], annotations={})


def read_image(root: Path, *, select: Digest | str | None = None, platform: Platform) -> Image:
    """The image for a platform out of what `select` names; no other image's blobs are looked at.

    Raises as `read_layout` does, and PlatformUnknown that says what the layout has.
    """
    reader = LayoutReader(FolderFiles(root))
    candidates = reader.leaves(reader.select(select))
    platforms = [reader.platform(candidate) for candidate in candidates]
    position = nearest(platforms, platform)
    if position is None:
        raise no_such_platform(str(root), platform, [found for found in platforms if found is not None])
    return reader.image(candidates[position])


class _LayoutFile(msgspec.Struct, rename="camel"):
    image_layout_version: str


class Files(Protocol):
    """The files of a layout, by their names in it; as text, the place where they are."""

    def open(self, name: str) -> BinaryIO:
        """A seekable stream of one that is a regular file; raises ContentInvalid."""
        ...


@dataclass(frozen=True)
class FolderFiles(Files):
    """Files in the folder `root`; opening one never follows a symlink out of it."""

    root: Path

    def open(self, name: str) -> BinaryIO:
        """See `Files.open`."""
        return open_regular(self.root / name)

    def __str__(self) -> str:
        """The folder."""
        return str(self.root)


@dataclass(frozen=True)
class _CheckedBlob:
    """A blob in a layout."""

    descriptor: Descriptor
    files: Files

    def open(self) -> BinaryIO:
        return self.files.open(_name(self.descriptor.digest))


class LayoutReader:
    """What is in a layout."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._manifests = 0
        text = self._read("oci-layout", MANIFEST_BYTES_MAX)
        version = decode_json(text, _LayoutFile, f"{files}/oci-layout").image_layout_version
        if version != "1.0.0":
            raise ContentInvalid(f"{files} is an image layout of version {version}; only 1.0.0 is supported")

    def entries(self) -> tuple[Descriptor, ...]:
        """The entries of `index.json`; raises ContentInvalid."""
        return decode_index(self._read("index.json", MANIFEST_BYTES_MAX)).manifests

    def select(self, select: Digest | str | None) -> Descriptor:
        """The entry of that digest or name; see `read_layout`."""
        entries = self.entries()
        if select is None:
            found = {entry.digest: entry for entry in entries}
        elif isinstance(select, Digest):
            found = {entry.digest: entry for entry in entries if entry.digest == select}
        else:
            found = {
                entry.digest: entry
                for entry in entries
                if select in [entry.annotations.get(annotation) for annotation in _NAMES]
            }
        if len(found) == 1:
            return next(iter(found.values()))
        wanted = "" if select is None else f" {select}"
        names = ", ".join(_names(entries)) or "no names"
        if not found:
            raise UsageError(f"the image layout {self._files} has no image{wanted}", hint=f"it has {names}")
        raise UsageError(f"the image layout {self._files} has several images{wanted}", hint=f"name one: it has {names}")

    def index(self, descriptor: Descriptor, depth: int = 1) -> Index:
        """An index with everything in it, checked."""
        raw = self.document(descriptor)
        children: list[Image] = []
        nested: list[Index] = []
        for child in self._children(descriptor, raw, depth):
            if child.media_type in INDEX_TYPES:
                nested.append(self.index(child, depth + 1))
            else:
                children.append(self.image(child))
        return Index(raw, tuple(children), tuple(nested))

    def leaves(self, descriptor: Descriptor, depth: int = 1) -> tuple[Descriptor, ...]:
        """The manifests of images that a descriptor leads to."""
        if descriptor.media_type not in INDEX_TYPES:
            return (descriptor,)
        found: list[Descriptor] = []
        for child in self._children(descriptor, self.document(descriptor), depth):
            found += self.leaves(child, depth + 1)
        return tuple(found)

    def _children(self, descriptor: Descriptor, raw: bytes, depth: int) -> tuple[Descriptor, ...]:
        children = decode_index(raw, descriptor.media_type).manifests
        self._manifests += len(children)
        if depth > _DEPTH_MAX or self._manifests > _MANIFESTS_MAX:
            raise ContentInvalid(f"index {descriptor.digest} is nested too deep, or has too many manifests")
        return children

    def platform(self, descriptor: Descriptor) -> Platform | None:
        """The platform that a manifest is for, from its config where the index does not say; None: no image."""
        if descriptor.platform is not None:
            return descriptor.platform
        manifest = decode_manifest(self.document(descriptor), descriptor.media_type)
        if not is_image_config(manifest.config):
            return None
        return decode_config(self._blob_bytes(manifest.config, CONFIG_BYTES_MAX)).platform

    def image(self, descriptor: Descriptor) -> Image:
        """An image, every blob of it checked."""
        raw = self.document(descriptor)
        manifest = decode_manifest(raw, descriptor.media_type)
        raw_config = self._blob_bytes(manifest.config, CONFIG_BYTES_MAX)
        blobs = [self._checked(layer) for layer in manifest.layers]
        if not is_image_config(manifest.config):
            layers = tuple(Layer(blob, blob.descriptor.digest) for blob in blobs)
            return Image(raw, raw_config, layers)
        config = decode_config(raw_config)
        if len(config.diff_ids) != len(blobs):
            raise ContentInvalid(
                f"image {descriptor.digest} has {len(blobs)} layers, and its config has {len(config.diff_ids)}"
            )
        history = config.history if len(config.history) == len(blobs) else ("",) * len(blobs)
        return Image(raw, raw_config, tuple(map(Layer, blobs, config.diff_ids, history)))

    def document(self, descriptor: Descriptor) -> bytes:
        """A manifest or index; raises ContentInvalid, also for a media type that is neither."""
        if descriptor.media_type not in MANIFEST_TYPES | INDEX_TYPES:
            raise ContentInvalid(f"{descriptor.digest} is {descriptor.media_type}, neither a manifest nor an index")
        return self._blob_bytes(descriptor, MANIFEST_BYTES_MAX)

    def _blob_bytes(self, descriptor: Descriptor, bytes_max: int) -> bytes:
        if descriptor.size_bytes > bytes_max:
            raise ContentInvalid(f"{descriptor.digest} has {descriptor.size_bytes} bytes; more than {bytes_max}")
        data = self._read(_name(descriptor.digest), descriptor.size_bytes)
        _compare(descriptor, Digest.of(data), len(data))
        return data

    def _checked(self, descriptor: Descriptor) -> _CheckedBlob:
        blob = _CheckedBlob(descriptor, self._files)
        with blob.open() as stream:
            size_bytes = stream.seek(0, os.SEEK_END)
            stream.seek(0)
            if size_bytes != descriptor.size_bytes:  # before hours are spent on hashing a file that cannot be right
                raise ContentInvalid(f"{descriptor.digest} has {size_bytes} bytes, not {descriptor.size_bytes}")
            _compare(descriptor, *Digest.of_stream(stream))
        return blob

    def _read(self, name: str, bytes_max: int) -> bytes:
        with self._files.open(name) as stream:
            data = stream.read(bytes_max + 1)
        if len(data) > bytes_max:
            raise ContentInvalid(f"{self._files}: {name} is larger than {bytes_max} bytes")
        return data


def _name(digest: Digest) -> str:
    return f"blobs/sha256/{digest.hex}"


def open_regular(path: Path) -> BinaryIO:
    """Open a file that is a regular one and no symlink; raises ContentInvalid."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ContentInvalid(f"{path} cannot be read: {os.strerror(error.errno or 0)}") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ContentInvalid(f"{path} is not a regular file")
    return os.fdopen(handle, "rb")


def _names(entries: Sequence[Descriptor]) -> list[str]:
    return sorted({name for entry in entries for annotation in _NAMES if (name := entry.annotations.get(annotation))})


def _compare(descriptor: Descriptor, digest: Digest, size_bytes: int) -> None:
    if (digest, size_bytes) != (descriptor.digest, descriptor.size_bytes):
        raise ContentInvalid(f"blob {descriptor.digest} is damaged: {size_bytes} bytes with the digest {digest}")
