"""The root file system as a value: layers laid over each other, and paths followed inside of it.

Knows what a container engine does with layers (image-spec, layer.md) and what a kernel does with paths. Nothing of the
machine's own file system is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from cargoship.elf.facts import ElfFacts
from cargoship.rootfs.item import Item, ItemKind, LayerFacts

_LINKS_MAX = 40  # MAXSYMLINKS of Linux
_PARTS_MAX = 4096


@dataclass(eq=False)
class Node:
    """Something in the root file system; a folder has `children`."""

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
    children: dict[str, Node] = field(default_factory=dict, repr=False)

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


@dataclass(frozen=True)
class Found:
    """Where a path really leads: absolute, without symbolic links."""

    path: str
    node: Node


class Tree:
    """The root file system of layers, lowest first."""

    def __init__(self, layers: Sequence[LayerFacts] = ()) -> None:
        self.root = Node(ItemKind.FOLDER)
        for index, layer in enumerate(layers):
            self.add(layer.items, index)

    def add(self, items: Iterable[Item], layer: int) -> None:
        """Lay another layer on top."""
        items = tuple(items)
        # whiteouts concern lower layers only, wherever they stand in the archive
        for item in items:
            if item.kind is ItemKind.GONE:
                folder, name = self._parent(item.path, make=False)
                if folder is not None:
                    folder.children.pop(name, None)
            elif item.kind is ItemKind.EMPTIED:
                found = self.find(item.path)
                if found is not None:
                    found.node.children.clear()
        for item in items:
            if item.kind not in {ItemKind.GONE, ItemKind.EMPTIED}:
                self._put(item, layer)

    def find(self, path: str, *, follow: bool = True) -> Found | None:
        """What a path leads to; None for nothing, a link that leads nowhere, or one that leads in circles.

        `follow` tells whether a symbolic link at the very end is followed.
        """
        return self._walk(path, follow=follow, make=False)

    def _walk(self, path: str, *, follow: bool, make: bool) -> Found | None:
        """See `find`; with `make` folders that are missing come to be, at the end of links that lead nowhere too."""
        names: list[str] = []
        nodes = [self.root]
        pending = _parts(path)
        links = 0
        while pending:
            part = pending.pop()
            if part == "..":
                if names:
                    names.pop()
                    nodes.pop()
                continue
            node = nodes[-1].children.get(part)
            if node is None and make and nodes[-1].is_folder:
                node = nodes[-1].children[part] = Node(ItemKind.FOLDER)
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
        return Found("/" + "/".join(names), nodes[-1])

    def files_below(self, path: str) -> Iterator[Found]:
        """The plain files directly in a folder, by name."""
        found = self.find(path)
        for name, node in sorted(found.node.children.items()) if found is not None else ():
            if node.is_file:
                yield Found(f"{found.path.rstrip('/')}/{name}" if found else name, node)

    def _put(self, item: Item, layer: int) -> None:
        folder, name = self._parent(item.path, make=True)
        if folder is None:
            return
        if item.kind is ItemKind.SAME:
            target = self.find(item.link, follow=False)
            if target is not None and not target.node.is_folder:
                folder.children[name] = target.node
            return
        below = folder.children.get(name)
        node = Node(
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
        )
        if item.kind is ItemKind.FOLDER and below is not None and below.is_folder:
            node.children = below.children
        folder.children[name] = node

    def _parent(self, path: str, *, make: bool) -> tuple[Node | None, str]:
        """The folder that holds a path's last part, links on the way followed; with `make` it is made."""
        above, _, name = path.rpartition("/")
        node = self.root
        for part in above.split("/") if above else ():
            below = node.children.get(part)
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
