"""What a layer says: one item for each entry of its archive, as a value that can be kept."""

from __future__ import annotations

import enum

import msgspec

from cargoship.elf.facts import ElfFacts
from cargoship.oci.digest import Digest

FORMAT = 1
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


class Item(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
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


class LayerFacts(msgspec.Struct, frozen=True, array_like=True):
    """Everything that is asked of a layer, in the order of its archive."""

    diff_id: str
    items: tuple[Item, ...]

    def is_of(self, diff_id: Digest) -> bool:
        """Whether the layer's uncompressed bytes are what its image's config promises."""
        return self.diff_id == str(diff_id)
