"""What a layer says: one item for each entry of its archive, as a value that can be kept."""

from __future__ import annotations

import enum
import sys
from array import array
from collections.abc import Iterable, Iterator

import msgspec

from cargoship.elf.facts import ElfFacts
from cargoship.oci.digest import Digest

FORMAT = 9
"""Part of every kept value's name: raised when what is read from the same bytes changes."""


class ItemKind(enum.Enum):
    """What an item does to the root file system."""

    FILE = "f"
    FOLDER = "d"
    LINK = "l"
    """A symbolic link."""
    SAME = "h"
    """Another name of a file (a hard link)."""
    OTHER = "o"
    """A device, a pipe."""
    GONE = "w"
    """Removes what a lower layer has under this name (image-spec, layer.md, whiteouts)."""
    EMPTIED = "q"
    """Removes everything that lower layers have in this folder (opaque whiteouts)."""


class Item(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True, gc=False, tag="i"):
    """One entry. `path` is relative and normal; `link` a symlink's text, or the path that a hard link names."""

    path: str
    kind: ItemKind
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    size_bytes: int = 0
    link: str = ""
    elf: ElfFacts | None = None
    """Of libraries and loaders."""
    content: bytes | None = None
    """Of the few files that decide who a user is and where libraries are looked for."""


class Files(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="f"):
    """Plain files that follow each other in one folder of an archive, with one mode and owner: a million are few.

    `names` has a NUL after each, and one before the first; no name has one. `sizes` are 64 bits each.
    """

    folder: str
    mode: int
    uid: int
    gid: int
    names: str
    sizes: bytes

    @classmethod
    def of(cls, folder: str, rights: tuple[int, int, int], files: Iterable[tuple[str, int]]) -> Files:
        """Files by name and size in bytes; `rights` are mode, user and group."""
        names, sizes = zip(*files, strict=True)
        return cls(folder, *rights, "\0" + "\0".join(names) + "\0", array("Q", sizes).tobytes())

    def each(self) -> list[str]:
        """Their names, in order."""
        return self.names[1:-1].split("\0")

    def item(self, name: str) -> Item | None:
        """The last one of that name."""
        at = self.names.rfind(f"\0{name}\0")
        return None if at < 0 else self._item(name, self.names.count("\0", 0, at))

    def items(self) -> Iterator[Item]:
        """All of them."""
        for number, name in enumerate(self.each()):
            yield self._item(name, number)

    def _item(self, name: str, number: int) -> Item:
        size_bytes = int.from_bytes(self.sizes[8 * number : 8 * number + 8], sys.byteorder)
        path = f"{self.folder}/{name}" if self.folder else name
        return Item(path, ItemKind.FILE, self.mode, self.uid, self.gid, size_bytes)


class LayerFacts(msgspec.Struct, frozen=True, array_like=True):
    """Everything that is asked of a layer, in the order of its archive."""

    diff_id: str
    items: tuple[Item | Files, ...]
    faults: tuple[str, ...] = ()
    """What keeps engines from unpacking it, each as the end of a sentence about the layer."""

    def single_items(self) -> Iterator[Item]:
        """All of its items one by one."""
        for each in self.items:
            if isinstance(each, Files):
                yield from each.items()
            else:
                yield each

    def is_of(self, diff_id: Digest) -> bool:
        """Whether the layer's uncompressed bytes are what its image's config promises."""
        return self.diff_id == str(diff_id)

    def is_named_as(self, diff_id: Digest) -> bool:
        """Whether they are known by the algorithm of that digest."""
        return self.diff_id.startswith(f"{diff_id.algorithm}:")
