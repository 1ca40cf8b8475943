"""The root file system as a value: layers laid over each other, and paths followed inside of it.

Knows what a container engine does with layers (image-spec, layer.md) and what a kernel does with paths. Nothing of the
machine's own file system is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from msgspec import Struct

from cargoship.elf.facts import ElfFacts
from cargoship.rootfs.item import Files, Item, ItemKind, LayerFacts

_LINKS_MAX = 40  # MAXSYMLINKS of Linux
_PARTS_MAX = 4096
_NOTHING: dict[str, FileNode] = {}
"""What is in everything that is no folder: a million files need no dictionary each."""
_REMOVALS = {ItemKind.GONE, ItemKind.EMPTIED}
_NO_FILES: list[tuple[Files, int]] = []


@dataclass(eq=False, slots=True)
class FileNode:
    """Something in the root file system; a folder has `children`.

    Plain files that nobody has asked for are kept as their layers say them, many in one value. What a folder has by a
    name of its own stands over them; of theirs, the last one counts.
    """

    kind: ItemKind
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    size_bytes: int = 0
    link: str = ""
    elf: ElfFacts | None = None
    content: bytes | None = field(default=None, repr=False)
    layer: int = -1
    """Index of the layer that it comes from, and its path there."""
    path: str = ""
    own: dict[str, FileNode] = field(default_factory=dict, repr=False)
    """What a folder has by name, files in `files` not among it."""
    files: list[tuple[Files, int]] = field(default_factory=list, repr=False)
    """Files in a folder, each with its layer."""

    @property
    def children(self) -> dict[str, FileNode]:
        """What is in a folder, by name."""
        if self.files:
            own = self.own.copy()
            self.own.clear()
            for files, layer in self.files:
                self.own.update((item.path.rpartition("/")[2], node_of(item, layer)) for item in files.items())
            self.own.update(own)
            self.files.clear()
        return self.own

    def child(self, name: str) -> FileNode | None:
        """One of its children."""
        found = self.own.get(name)
        if found is None:
            for files, layer in reversed(self.files):
                if (item := files.item(name)) is not None:
                    found = self.own[name] = node_of(item, layer)
                    break
        return found

    def take(self, files: Files, layer: int) -> None:
        """Have files of a layer, in the place of what is there by their names."""
        for name in files.each() if self.own else ():
            self.own.pop(name, None)
        self.files.append((files, layer))

    @property
    def is_empty(self) -> bool:
        """Whether nothing is in it."""
        return not self.own and not self.files

    @property
    def is_folder(self) -> bool:
        """Whether it can have something in it."""
        return self.kind is ItemKind.FOLDER

    @property
    def is_file(self) -> bool:
        """Whether it is a plain file."""
        return self.kind is ItemKind.FILE

    @property
    def is_executable(self) -> bool:
        """Whether anybody may execute it."""
        return self.is_file and bool(self.mode & 0o111)


class ResolvedPath(Struct, frozen=True):
    """Where a path really leads: absolute, without symbolic links."""

    path: str
    node: FileNode
    passed: tuple[FileNode, ...] = ()
    """The folders that were looked into on the way, those before links included."""


def node_of(item: Item, layer: int) -> FileNode:
    """What an item of a layer puts there."""
    folder = item.kind is ItemKind.FOLDER
    return FileNode(
        item.kind,
        item.mode,
        item.uid,
        item.gid,
        item.size_bytes,
        item.link,
        item.elf,
        item.content,
        layer,
        item.path,
        {} if folder else _NOTHING,
        [] if folder else _NO_FILES,
    )


class FileTree:
    """The root file system of layers, lowest first."""

    def __init__(self, layers: Sequence[LayerFacts] = ()) -> None:
        self.root = FileNode(ItemKind.FOLDER)
        for index, layer in enumerate(layers):
            self.add(layer.items, index)

    def add(self, items: Iterable[Item | Files], layer: int) -> None:
        """Lay another layer on top."""
        items = tuple(items)
        # whiteouts concern lower layers only, wherever they stand in the archive
        for item in items:
            if isinstance(item, Item) and item.kind in _REMOVALS:
                self._remove(item)
        for item in items:
            if isinstance(item, Files):
                folder, _ = self._parent(f"{item.folder}/" if item.folder else "", make=True, layer=layer)
                if folder is not None:
                    folder.take(item, layer)
            elif item.kind not in _REMOVALS:
                self._put(item, layer)

    def _remove(self, item: Item) -> None:
        if item.kind is ItemKind.EMPTIED:
            found = self.find(item.path)
            if found is not None and found.node.is_folder:
                found.node.own.clear()
                found.node.files.clear()
            return
        folder, name = self._parent(item.path, make=False)
        if folder is not None and folder.child(name) is not None:
            folder.children.pop(name, None)

    def find(self, path: str, *, follow: bool = True) -> ResolvedPath | None:
        """What a path leads to; None for nothing, a link that leads nowhere, or one that leads in circles.

        `follow` tells whether a symbolic link at the very end is followed.
        """
        return self._walk(path, follow=follow, make=False)

    def is_circle(self, path: str) -> bool:
        """Whether a path leads to a link, and from there in a circle or further than any kernel follows."""
        last = self.find(path, follow=False)
        seen: set[int] = set()
        while last is not None and last.node.kind is ItemKind.LINK:
            if id(last.node) in seen or len(seen) > _LINKS_MAX:
                return True
            seen.add(id(last.node))
            last = self.find(f"{last.path.rpartition('/')[0]}/{last.node.link}" if not last.node.link.startswith("/")
                             else last.node.link, follow=False)  # fmt: skip
        return False

    def _walk(self, path: str, *, follow: bool, make: bool) -> ResolvedPath | None:
        """See `find`; with `make` folders that are missing come to be, at the end of links that lead nowhere too."""
        names: list[str] = []
        nodes = [self.root]
        passed: list[FileNode] = []
        pending = _parts(path)
        links = 0
        while pending:
            part = pending.pop()
            if not passed or passed[-1] is not nodes[-1]:
                passed.append(nodes[-1])
            if part == "..":
                if names:
                    names.pop()
                    nodes.pop()
                continue
            node = nodes[-1].child(part)
            if node is None and make and nodes[-1].is_folder:
                node = nodes[-1].own[part] = FileNode(ItemKind.FOLDER)
            if node is None:
                return None
            if node.kind is ItemKind.LINK and (pending or follow):
                links += 1
                if links > _LINKS_MAX or len(pending) > _PARTS_MAX:
                    return None
                if node.link.startswith("/"):
                    names, nodes = [], [self.root]
                pending += _parts(node.link)
                continue
            names.append(part)
            nodes.append(node)
        return ResolvedPath("/" + "/".join(names), nodes[-1], tuple(passed))

    def files_below(self, path: str) -> Iterator[ResolvedPath]:
        """The plain files directly in a folder, by name."""
        found = self.find(path)
        for name, node in sorted(found.node.children.items()) if found is not None else ():
            if node.is_file:
                yield ResolvedPath(f"{found.path.rstrip('/')}/{name}" if found else name, node)

    def _put(self, item: Item, layer: int) -> None:
        folder, name = self._parent(item.path, make=True, layer=layer)
        if folder is None:
            return
        if item.kind is ItemKind.SAME:
            target = self.find(item.link, follow=False)
            if target is not None and not target.node.is_folder:
                folder.own[name] = target.node
            return
        node = node_of(item, layer)
        if node.is_folder and (below := folder.child(name)) is not None and below.is_folder:
            node.own, node.files = below.own, below.files
        folder.own[name] = node

    def _parent(self, path: str, *, make: bool, layer: int = -1) -> tuple[FileNode | None, str]:
        """The folder that holds a path's last part, links on the way followed; with `make` it is made.

        Each layer is unpacked on its own: a folder that it does not name takes the place of a lower layer's link.
        """
        above, _, name = path.rpartition("/")
        node = self.root
        for part in above.split("/") if above else ():
            below = node.child(part)
            if make and below is not None and below.kind is ItemKind.LINK and below.layer != layer:
                below = node.own[part] = FileNode(ItemKind.FOLDER, layer=layer)
            if below is None or not below.is_folder:
                break
            node = below
        else:
            return node, name
        found = self._walk(above, follow=True, make=make)
        return (found.node if found is not None and found.node.is_folder else None), name


def _parts(path: str) -> list[str]:
    """The parts of a path, last first."""
    return [part for part in reversed(path.split("/")) if part not in {"", "."}]
