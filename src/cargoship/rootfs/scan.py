"""From a layer to its facts, and to single files of it."""

from __future__ import annotations

import io
import re
import tarfile
import tempfile
from collections.abc import Sequence

import msgspec

from cargoship.elf.facts import ElfFacts
from cargoship.elf.read import is_elf, read_elf_stream
from cargoship.errors import CannotStart, ContentInvalid
from cargoship.oci.descriptor import Blob
from cargoship.oci.digest import SHA256, Algorithm
from cargoship.rootfs.archive import LayerArchive, entry_path
from cargoship.rootfs.attributes import refused_attribute
from cargoship.rootfs.headers import Header
from cargoship.rootfs.item import Files, Item, ItemKind, LayerFacts
from cargoship.rootfs.tree import FileTree

_OPAQUE = ".wh..wh..opq"
_GONE = ".wh."
_AUFS = ".wh..wh."
_NO_NAMES = ("", ".", "..")
"""What a whiteout cannot remove: containerd refuses it, and Docker would remove the folder itself, or the one above."""
_LIBRARY = re.compile(r"\.so(\.|$)")
_LIBRARY_BYTES_MAX = 1 << 30
_IN_MEMORY_BYTES = 32 << 20
# Users and groups; what glibc's and musl's loaders read.
_KEPT = re.compile(r"etc/(passwd|group|ld\.so\.cache|ld\.so\.conf|ld\.so\.conf\.d/[^/]+|ld-musl-[^/]+\.path)")
_KEPT_BYTES_MAX = 8 << 20
_HELD_BYTES_MAX = 64 << 20
"""Of all such files and the facts of all libraries of a layer: real ones have a megabyte or two."""

_KINDS = {
    tarfile.DIRTYPE: ItemKind.FOLDER,
    tarfile.SYMTYPE: ItemKind.LINK,
    tarfile.LNKTYPE: ItemKind.SAME,
    tarfile.CHRTYPE: ItemKind.OTHER,
    tarfile.BLKTYPE: ItemKind.OTHER,
    tarfile.FIFOTYPE: ItemKind.OTHER,
}

_TAKEN = {tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, *_KINDS}
_FAULTS_MAX = 4
_TOGETHER_MAX = 4096
_NAME_BYTES_MAX = 255
"""NAME_MAX of Linux."""
_ID_MAX = (1 << 32) - 1


def scan_layer(blob: Blob, algorithm: Algorithm = SHA256) -> LayerFacts:
    """Read a layer to its end, and name it by `algorithm`; raises ContentInvalid, and what reading the blob raises."""
    items = _Items(str(blob.descriptor.digest))
    faults = _Faults()
    with LayerArchive(blob, algorithm) as archive:
        for member, path in archive.entries():
            faults.look(member, path)
            if path:
                folder, _, name = path.rpartition("/")
                if _is_plain(member, path, name):
                    items.add_file(folder, name, member)
                else:
                    items.add(_item(archive, member, path))
        found = items.all()
        return LayerFacts(str(archive.finish()), found, faults.found(found))


class _Items:
    """Items in order, with plain files put together."""

    def __init__(self, layer: str) -> None:
        self._layer = layer
        self._held_bytes = 0
        self._items: list[Item | Files] = []
        self._folder = ""
        self._rights = (0, 0, 0)
        self._files: list[tuple[str, int]] = []

    def add(self, item: Item) -> None:
        self._finish()
        if item.content or item.elf is not None:
            self._held_bytes += len(item.content or b"") + _weight(item.elf)
            if self._held_bytes > _HELD_BYTES_MAX:
                raise ContentInvalid(
                    f"layer {self._layer} has more files that users and libraries are looked up in than any root file "
                    f"system: over {_HELD_BYTES_MAX >> 20} MiB of them",
                    hint="it looks as if it were made to fill memory",
                )
        self._items.append(item)

    def add_file(self, folder: str, name: str, member: Header) -> None:
        rights = (member.mode & 0o7777, member.uid, member.gid)
        if folder != self._folder or rights != self._rights or len(self._files) >= _TOGETHER_MAX:
            self._finish()
            self._folder, self._rights = folder, rights
        self._files.append((name, member.size))

    def all(self) -> tuple[Item | Files, ...]:
        self._finish()
        return tuple(self._items)

    def _finish(self) -> None:
        if self._files:
            self._items.append(Files.of(self._folder, self._rights, self._files))
            self._files.clear()


def _weight(facts: ElfFacts | None) -> int:
    """About how many bytes the texts of a library's facts take."""
    if facts is None:
        return 0
    texts = (facts.needed, facts.rpath, facts.runpath, facts.defines, *(each.names for each in facts.requires))
    return sum(len(each) for group in texts for each in group) + len(facts.soname or "")


def _is_plain(member: Header, path: str, name: str) -> bool:
    """Whether nothing of a file counts but that it is there."""
    return (
        member.type == tarfile.REGTYPE
        and ".so" not in name
        and not name.startswith(_GONE)
        and not path.startswith("etc/")
        and 0 <= member.uid <= _ID_MAX
        and 0 <= member.gid <= _ID_MAX
    )


class _Faults:
    """What engines refuse in a good archive (moby and containers/storage, pkg/archive; vbatts/tar-split)."""

    def __init__(self) -> None:
        # by their hashes, for a million names are much: of two different ones these are not the same
        self._seen: set[int] = set()
        self._folders: set[str] = set()
        self._links: list[tuple[str, str]] = []
        self._found: list[str] = []

    def look(self, member: Header, path: str) -> None:
        # as tar-split has it: what an entry is called, not what it is
        name, seen = hash(f"/{path}" if member.name[:1] == "/" else path), self._seen
        if name in seen:
            self._add(f"has /{path} twice")
        seen.add(name)
        if len(member.name) > _NAME_BYTES_MAX and any(
            len(part.encode("utf-8", "replace")) > _NAME_BYTES_MAX for part in path.split("/")
        ):
            self._add(f"has /{path[:60]}..., a name that no file system takes")
        if _GONE in path and _removes_no_name(path):
            self._add(f"has the whiteout /{path}, which names nothing in its folder")
        elif _GONE in path and (place := place_of(member, path)).kind is ItemKind.GONE and self._was(place.path):
            self._add(f"has /{place.path} and takes it away behind it")
        if (attribute := refused_attribute(member.attributes)) is not None:
            self._add(f"has /{path} with the attribute {attribute}")
        if member.type != tarfile.REGTYPE:
            self._look_at_type(member, path)

    def _look_at_type(self, member: Header, path: str) -> None:
        if member.type == tarfile.DIRTYPE:
            self._folders.add(path)
        elif member.type == tarfile.LNKTYPE:
            target = entry_path(member.linkname) or ""
            if target in self._folders or not target:
                self._add(f"has the hard link /{path} to the folder /{target}")
            elif not self._was(target):
                self._links.append((path, target))
        elif member.type not in _TAKEN:
            self._add(f"has /{path}, which is of the type {member.type.decode('latin-1')!r}")

    def _has(self, name: str) -> bool:
        return hash(name) in self._seen

    def _was(self, path: str) -> bool:
        return self._has(path) or self._has(f"/{path}")

    def found(self, items: Sequence[Item | Files]) -> tuple[str, ...]:
        """All of it; links may go through links of the same layer."""
        if self._links:
            own = FileTree()
            own.add(items, 0)
            for path, target in self._links[:_FAULTS_MAX]:
                there = own.find(target, follow=False)
                if self._has(target) or there is None or there.node.is_folder:
                    self._add(f"has the hard link /{path} to /{target}, which is not in the layer before it")
        return tuple(self._found)

    def _add(self, fault: str) -> None:
        if len(self._found) < _FAULTS_MAX:
            self._found.append(fault)


def read_from_layer(blob: Blob, path: str, bytes_max: int) -> bytes | None:
    """The content of one file of a layer, None if it is larger; the last entry of a path counts. Raises the same."""
    content = None
    with LayerArchive(blob) as archive:
        for member, found in archive.entries(only=path):
            if found == path:
                content = archive.content(member, bytes_max)
        archive.finish()
    return content


def elf_in_layer(blob: Blob, path: str) -> ElfFacts | None:
    """The facts of one program of a layer; None for what is no ELF file. Raises the same."""
    facts = None
    with LayerArchive(blob) as archive:
        for member, found in archive.entries(only=path):
            if found == path:
                facts = _elf(archive, member, path)
        archive.finish()
    return facts


def _removes_no_name(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.startswith(_GONE) and name.removeprefix(_GONE) in _NO_NAMES


def is_library(path: str) -> bool:
    """Whether a file of that path may be a shared library or a loader; /etc/ld.so.cache is none."""
    return not is_kept(path) and _LIBRARY.search(path.rpartition("/")[2]) is not None


def is_kept(path: str) -> bool:
    """Whether the content of a file of that path is kept with a layer's facts."""
    return _KEPT.fullmatch(path) is not None


def place_of(member: Header, path: str) -> Item:
    """What an entry of an archive does, by its header alone."""
    folder, _, name = path.rpartition("/")
    if name == _OPAQUE:
        return Item(folder, ItemKind.EMPTIED)
    if name.startswith(_AUFS):
        return Item(path, ItemKind.OTHER)
    if name.startswith(_GONE):
        gone = name.removeprefix(_GONE)
        if gone in _NO_NAMES:
            return Item(path, ItemKind.OTHER)
        return Item(f"{folder}/{gone}" if folder else gone, ItemKind.GONE)
    kind = _KINDS.get(member.type, ItemKind.FILE)
    link = member.linkname if kind is ItemKind.LINK else ""
    if kind is ItemKind.SAME:
        link = entry_path(member.linkname) or ""
    uid, gid = (min(max(each, 0), _ID_MAX) for each in (member.uid, member.gid))
    size_bytes = max(member.size, 0) if kind is ItemKind.FILE else 0
    return Item(path, kind, member.mode & 0o7777, uid, gid, size_bytes, link)


def _item(archive: LayerArchive, member: Header, path: str) -> Item:
    place = place_of(member, path)
    if place.kind is not ItemKind.FILE:
        return place
    if is_library(path):
        return msgspec.structs.replace(place, elf=_elf(archive, member, path))
    if is_kept(path):
        return msgspec.structs.replace(place, content=archive.content(member, _KEPT_BYTES_MAX))
    return place


def _elf(archive: LayerArchive, member: Header, path: str) -> ElfFacts | None:
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
