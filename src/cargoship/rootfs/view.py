"""A root file system that can be asked: where paths lead, and what is in files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct, field

from cargoship.elf.facts import ElfFacts
from cargoship.elf.read import is_elf, read_elf
from cargoship.errors import CannotStart
from cargoship.oci.descriptor import MediaType
from cargoship.oci.layer import Layer
from cargoship.oci.tar import EntryKind, LayerEntry, arrange
from cargoship.printable import printable
from cargoship.rootfs.item import Item, ItemKind, LayerFacts
from cargoship.rootfs.layer_cache import LayerCache
from cargoship.rootfs.scan import elf_in_layer, is_kept, is_library, read_from_layer
from cargoship.rootfs.tree import FileTree, ResolvedPath

_KINDS = {EntryKind.FILE: ItemKind.FILE, EntryKind.DIRECTORY: ItemKind.FOLDER, EntryKind.SYMLINK: ItemKind.LINK}
_PLAIN = frozenset({MediaType.OCI_LAYER, "application/vnd.oci.image.layer.nondistributable.v1.tar"})
"""Types that containerd believes; under all others it looks how a layer is packed (images.DiffCompression)."""
_PACKED = frozenset({"gzip", "zstd"})
"""What it knows behind them; it takes what is packed in another way (`tar+xz`) for a plain tar."""
_CONTENT_BYTES_MAX = 8 << 20
_SCRIPT_BYTES_MAX = 64 << 20
_START_BYTES = 512


class RootFs(Struct, frozen=True):
    """What layers make, with `own` files of this machine over them, by their path.

    Contents that were not kept with a layer's facts are read from the layer when they are asked for: that raises
    ContentInvalid, and what opening its blob raises.
    """

    tree: FileTree
    layers: tuple[Layer, ...] = ()
    own: Mapping[str, LayerEntry] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    """Why engines will not unpack some of the layers, each a sentence."""
    layer_cache: LayerCache | None = None
    """Knows the programs among the files of this machine; None: each is read."""

    def find(self, path: str) -> ResolvedPath | None:
        """What a path leads to."""
        return self.tree.find(path)

    def content(self, found: ResolvedPath) -> bytes:
        """A small file; what is larger than such files are is taken for empty."""
        node = found.node
        if node.content is not None:
            return node.content
        return self._read(found, _CONTENT_BYTES_MAX)

    def elf(self, found: ResolvedPath) -> ElfFacts | None:
        """The facts of a program or library; None for what is no valid ELF file."""
        node = found.node
        if node.elf is None and node.is_file:
            if node.layer >= len(self.layers):
                entry = self.own.get(node.path)
                node.elf = None if entry is None else _facts(entry, self.layer_cache)
            elif not is_library(node.path):
                node.elf = elf_in_layer(self.layers[node.layer].blob, node.path)
        return node.elf

    def start(self, found: ResolvedPath) -> bytes:
        """The beginning of a program, for what is asked of scripts."""
        node = found.node
        if node.content is not None:
            return node.content[:_START_BYTES]
        return self._read(found, _SCRIPT_BYTES_MAX)[:_START_BYTES]

    def _read(self, found: ResolvedPath, bytes_max: int) -> bytes:
        node = found.node
        if not node.is_file:
            return b""
        if node.layer >= len(self.layers):
            entry = self.own.get(node.path)
            return b"" if entry is None else _bytes(entry, bytes_max)
        return read_from_layer(self.layers[node.layer].blob, node.path, bytes_max) or b""


def view_of(layers: Sequence[Layer], layer_cache: LayerCache, entries: Iterable[LayerEntry] = ()) -> RootFs:
    """The root file system of layers with entries over them; raises as `LayerCache.facts` does."""
    return _view(tuple(layers), layer_cache.facts(layers), tuple(entries), layer_cache)


def known_view_of(
    layers: Sequence[Layer], layer_cache: LayerCache, entries: Iterable[LayerEntry] = ()
) -> RootFs | None:
    """The same where the layers have been read before, else None."""
    facts = layer_cache.known(layers)
    return None if facts is None else _view(tuple(layers), facts, tuple(entries), layer_cache)


def view_of_entries(entries: Iterable[LayerEntry]) -> RootFs:
    """What entries make on their own, whatever they are going to stand on."""
    return _view((), (), tuple(entries), None)


def _view(
    layers: tuple[Layer, ...],
    facts: tuple[LayerFacts, ...],
    entries: tuple[LayerEntry, ...],
    layer_cache: LayerCache | None,
) -> RootFs:
    tree = FileTree(facts)
    arranged = arrange(entries)
    tree.add((_item(entry) for entry in arranged), len(layers))
    faults = tuple(
        f"layer {layer.descriptor.digest} {fault}"
        for layer, each in zip(layers, facts, strict=True)
        for fault in (*_of_its_type(layer), *each.faults)
    )
    return RootFs(tree, layers, {entry.path: entry for entry in arranged}, faults, layer_cache)


def _of_its_type(layer: Layer) -> Iterator[str]:
    """Of one that is called a plain tar: the digest of what is in it is its own, then."""
    own, inside = layer.descriptor.digest, layer.diff_id
    if own.algorithm != inside.algorithm or own == inside:
        return
    base, *packed = layer.descriptor.media_type.split("+")
    if base in _PLAIN and not packed:
        yield "is packed, and its type says that it is a plain tar"
    elif base in _PLAIN and max(packed) not in _PACKED:
        yield f"is packed, and its type is {printable(layer.descriptor.media_type)}"


def _item(entry: LayerEntry) -> Item:
    kept = entry.kind is EntryKind.FILE and is_kept(entry.path)
    return Item(
        entry.path, _KINDS[entry.kind], entry.mode, entry.uid, entry.gid, link=entry.link or "",
        content=_bytes(entry, _CONTENT_BYTES_MAX) if kept else None,
    )  # fmt: skip


def _bytes(entry: LayerEntry, bytes_max: int) -> bytes:
    match entry.source:
        case bytes():
            return entry.source[:bytes_max]
        case Path():
            with entry.source.open("rb") as stream:
                return stream.read(bytes_max)
        case None:
            return b""
        case _:
            with entry.source.open() as stream:
                return stream.read(bytes_max)


def _facts(entry: LayerEntry, layer_cache: LayerCache | None) -> ElfFacts | None:
    if not isinstance(entry.source, Path) or not is_elf(_bytes(entry, 4)):
        return None
    try:
        return read_elf(entry.source) if layer_cache is None else layer_cache.program(entry.source)
    except CannotStart:
        return None
