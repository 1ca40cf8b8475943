"""From a layer to its facts, and to single files of it."""

from __future__ import annotations

import io
import re
import tarfile
import tempfile

from cargoship.elf.facts import ElfFacts
from cargoship.elf.read import is_elf, read_elf_stream
from cargoship.errors import CannotStart
from cargoship.oci.descriptor import Blob
from cargoship.rootfs.archive import Archive
from cargoship.rootfs.item import Item, ItemKind, LayerFacts

_OPAQUE = ".wh..wh..opq"
_GONE = ".wh."
_AUFS = ".wh..wh."
_LIBRARY = re.compile(r"\.so(\.|$)")
_LIBRARY_BYTES_MAX = 1 << 30
_IN_MEMORY_BYTES = 32 << 20
# Users and groups; what glibc's and musl's loaders read.
_KEPT = re.compile(r"etc/(passwd|group|ld\.so\.cache|ld\.so\.conf|ld\.so\.conf\.d/[^/]+|ld-musl-[^/]+\.path)")
_KEPT_BYTES_MAX = 8 << 20

_KINDS = {
    tarfile.DIRTYPE: ItemKind.FOLDER,
    tarfile.SYMTYPE: ItemKind.LINK,
    tarfile.LNKTYPE: ItemKind.SAME,
    tarfile.CHRTYPE: ItemKind.OTHER,
    tarfile.BLKTYPE: ItemKind.OTHER,
    tarfile.FIFOTYPE: ItemKind.OTHER,
}


def scan_layer(blob: Blob) -> LayerFacts:
    """Read a layer to its end; raises ContentInvalid, and what opening and reading the blob raises."""
    items = []
    with Archive(blob) as archive:
        for member, path in archive.entries():
            if path:
                items.append(_item(archive, member, path))
        return LayerFacts(archive.finish(), tuple(items))


def read_from_layer(blob: Blob, path: str, bytes_max: int) -> bytes | None:
    """The content of one file of a layer, None if it is larger; the last entry of a path counts. Raises likewise."""
    content = None
    with Archive(blob) as archive:
        for member, found in archive.entries():
            if found == path:
                content = archive.content(member, bytes_max)
        archive.finish()
    return content


def elf_in_layer(blob: Blob, path: str) -> ElfFacts | None:
    """The facts of one program of a layer; None for what is no ELF file. Raises likewise."""
    facts = None
    with Archive(blob) as archive:
        for member, found in archive.entries():
            if found == path:
                facts = _elf(archive, member, path)
        archive.finish()
    return facts


def is_library(path: str) -> bool:
    """Whether a file of that path may be a shared library or a loader; /etc/ld.so.cache is none."""
    return not is_kept(path) and _LIBRARY.search(path.rpartition("/")[2]) is not None


def is_kept(path: str) -> bool:
    """Whether the content of a file of that path is kept with a layer's facts."""
    return _KEPT.fullmatch(path) is not None


def _item(archive: Archive, member: tarfile.TarInfo, path: str) -> Item:
    folder, _, name = path.rpartition("/")
    if name == _OPAQUE:
        return Item(folder, ItemKind.EMPTIED)
    if name.startswith(_AUFS):
        return Item(path, ItemKind.OTHER)
    if name.startswith(_GONE):
        gone = name.removeprefix(_GONE)
        return Item(f"{folder}/{gone}" if folder else gone, ItemKind.GONE)
    kind = _KINDS.get(member.type, ItemKind.FILE)
    link = member.linkname if kind is ItemKind.LINK else ""
    if kind is ItemKind.SAME:
        link = "/".join(part for part in member.linkname.split("/") if part not in {"", "."})
    plain = kind is ItemKind.FILE
    return Item(
        path, kind, member.mode & 0o7777, max(member.uid, 0), max(member.gid, 0), max(member.size, 0) if plain else 0,
        link,
        elf=_elf(archive, member, path) if plain and is_library(path) else None,
        content=archive.content(member, _KEPT_BYTES_MAX) if plain and is_kept(path) else None,
    )  # fmt: skip


def _elf(archive: Archive, member: tarfile.TarInfo, path: str) -> ElfFacts | None:
    """Facts need a file that can be sought in: in memory, or for the few large ones on the disk."""
    if not member.size or member.size > _LIBRARY_BYTES_MAX:
        return None
    with io.BytesIO() if member.size <= _IN_MEMORY_BYTES else tempfile.TemporaryFile() as held:
        for piece in archive.pieces(member):
            if not held.tell() and not is_elf(piece):
                return None
            held.write(piece)
        try:
            return read_elf_stream(held, path)
        except CannotStart:
            # whether anything needs it is found out later
            return None
