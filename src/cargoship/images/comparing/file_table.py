"""What layers leave of each other, as a table of files with a digest of each content: read once, never unpacked.

Layers come from anybody: everything is counted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import msgspec

from cargoship.errors import ContentInvalid
from cargoship.oci.layer import Layer
from cargoship.rootfs.archive import LayerArchive, entry_path
from cargoship.rootfs.headers import Header
from cargoship.rootfs.item import Item, ItemKind
from cargoship.rootfs.scan import place_of

ENTRIES_MAX = 3_000_000
"""Files and folders of all layers of an image that are held in memory; each takes some hundred bytes."""
_DIGEST_BYTES = 16
_TEXT_MAX = 1024
"""Characters of a time, or of a file's extended attributes, that are held as they are; of more a digest."""


class FileEntry(msgspec.Struct, frozen=True, gc=False):
    """What a layer says of a path. `content` is a digest, empty for what has none; `layer` counts from the lowest."""

    kind: ItemKind
    mode: int
    uid: int
    gid: int
    size_bytes: int
    mtime: str
    link: str
    content: bytes
    layer: int
    device: str = ""
    attributes: tuple[tuple[str, str], ...] = ()

    def is_like(self, other: FileEntry) -> bool:
        """Whether nothing differs that a container could see; `layer` is none of that."""
        return self._seen() == other._seen()

    def _seen(self) -> tuple[object, ...]:
        return (
            self.content, self.mtime, self.mode, self.uid, self.gid, self.size_bytes, self.kind, self.link,
            self.device, self.attributes,
        )  # fmt: skip


class FileTable:
    """Entries by path, as layers follow each other. `is_whole` where there is nothing below them.

    Where there is, what a layer removes is an entry too: there may be something of that name below.
    """

    def __init__(self, *, is_whole: bool) -> None:
        self.entries: dict[str, FileEntry] = {}
        self._inside: dict[str, set[str]] = {}
        self._is_whole = is_whole

    def add(self, path: str, entry: FileEntry) -> None:
        """Put an entry over what is there; raises ContentInvalid where there are too many."""
        if entry.kind is ItemKind.EMPTIED:
            self._empty(path)
            if self._is_whole:
                return
            path += "/"
        elif entry.kind is ItemKind.GONE:
            self._remove(path)
            if self._is_whole:
                return
        elif entry.kind is not ItemKind.FOLDER:
            self._empty(path)
        self.entries[path] = entry
        self._note(path)
        if len(self.entries) + len(self._inside) > ENTRIES_MAX:
            raise ContentInvalid(f"an image has more than {ENTRIES_MAX} files and folders: that is not compared")

    def _note(self, path: str) -> None:
        """Let the folders above know of a path."""
        while path:
            above = path.rstrip("/").rpartition("/")[0]
            inside = self._inside.setdefault(above, set())
            if path in inside:
                return
            inside.add(path)
            path = above

    def _empty(self, path: str) -> None:
        pending = list(self._inside.pop(path, ()))
        while pending:
            each = pending.pop()
            self.entries.pop(each, None)
            pending += self._inside.pop(each, ())

    def _remove(self, path: str) -> None:
        self._empty(path)
        self.entries.pop(path, None)


def table_of(layers: Sequence[Layer], *, is_whole: bool) -> FileTable:
    """The files of layers, lowest first; raises ContentInvalid for damaged ones, and what opening blobs raises."""
    table = FileTable(is_whole=is_whole)
    for number, layer in enumerate(layers):
        with LayerArchive(layer.blob, layer.diff_id.algorithm) as archive:
            # what a layer removes is of the layers below it, wherever that stands in its archive
            own: list[tuple[str, FileEntry]] = []
            for member, path in archive.entries():
                if not path:
                    continue
                found, entry = _entry(archive, member, path, number)
                if entry.kind in {ItemKind.GONE, ItemKind.EMPTIED}:
                    table.add(found, entry)
                else:
                    own.append((found, entry))
                if len(own) > ENTRIES_MAX:
                    raise ContentInvalid(f"a layer has more than {ENTRIES_MAX} files and folders: that is not compared")
            for found, entry in own:
                table.add(found, entry)
            if archive.finish() != layer.diff_id:
                raise ContentInvalid(f"layer {layer.descriptor.digest} is not the one that its image's config names")
    return table


def _entry(archive: LayerArchive, member: Header, path: str, layer: int) -> tuple[str, FileEntry]:
    place: Item = place_of(member, path)
    link, content = place.link, b""
    if place.kind is ItemKind.FILE:
        hashing = hashlib.blake2b(digest_size=_DIGEST_BYTES)
        if member.is_closed:
            # it is not read as what it is: its data, and where they belong, are equal only in equal files
            hashing.update(repr(member.stretches).encode())
        for piece in archive.stored(member) if member.is_closed else archive.pieces(member):
            hashing.update(piece)
        content = hashing.digest()
    is_mark = place.kind in {ItemKind.GONE, ItemKind.EMPTIED}
    return place.path, FileEntry(
        place.kind,
        0 if is_mark else place.mode,
        0 if is_mark else place.uid,
        0 if is_mark else place.gid,
        place.size_bytes,
        "" if is_mark else _held(member.mtime),
        entry_path(link) or link if place.kind is ItemKind.SAME else link,
        content,
        layer,
        member.device,
        _attributes(member),
    )


def _attributes(member: Header) -> tuple[tuple[str, str], ...]:
    found = tuple(sorted(member.attributes.items()))
    if sum(len(name) + len(text) for name, text in found) <= _TEXT_MAX:
        return found
    return ((f"{len(found)} attributes", _held(repr(found))),)


def _held(text: str) -> str:
    """A text, or if it is long a digest of it: a million entries may have a megabyte each."""
    if len(text) <= _TEXT_MAX:
        return text
    return f"blake2b:{hashlib.blake2b(text.encode('utf-8', 'surrogateescape'), digest_size=_DIGEST_BYTES).hexdigest()}"


def contents_of(
    layers: Sequence[Layer], wanted: dict[int, set[str]]
) -> Iterator[tuple[int, str, Header, Iterator[bytes]]]:
    """The contents of some files, by layer and path: each is to be read before the next one is asked for.

    A path that an archive has twice comes twice: the last one counts. Raises as `table_of` does.
    """
    for number, paths in sorted(wanted.items()):
        with LayerArchive(layers[number].blob) as archive:
            for member, path in archive.entries():
                if path in paths and member.is_file:
                    yield number, path, member, archive.pieces(member)
            archive.finish()
