"""A root file system unpacked into a folder, so that something can be run in it.

Layers come from anybody. Nothing that they say about places is followed on this machine: where things go is told by the
tree, whose paths have no links in them, and links are made when everything else is there.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from cargoship.errors import OutputError
from cargoship.oci.files import writing
from cargoship.oci.layer import Layer
from cargoship.oci.tar import Entry
from cargoship.rootfs.archive import Archive
from cargoship.rootfs.item import ItemKind
from cargoship.rootfs.tree import Node, Tree
from cargoship.rootfs.view import RootFs

_PIECE_BYTES = 1 << 20
_SPARE_BYTES = 256 << 20


@contextlib.contextmanager
def unpacked(root: RootFs, folder: Path) -> Iterator[None]:
    """Unpack into a new folder, which is removed at the end; raises as `unpack` does."""
    try:
        unpack(root, folder)
        yield
    finally:
        remove(folder)


def unpack(root: RootFs, folder: Path) -> None:
    """Unpack into a new folder. Devices are left out; owners are set if this is root.

    Raises OutputError where the folder cannot be written or the disk is too small, ContentInvalid for damaged layers,
    and what opening their blobs raises.
    """
    with writing(folder):
        folder.mkdir(parents=True)
        _unpack(root, folder)


def _unpack(root: RootFs, folder: Path) -> None:
    nodes = dict(_walk(root.tree))
    size_bytes = sum(node.size_bytes for node in nodes.values() if node.is_file)
    free_bytes = shutil.disk_usage(folder).free
    if size_bytes + _SPARE_BYTES > free_bytes:
        raise OutputError(
            f"cannot unpack an image into {folder}: {size_bytes >> 20} MiB for {free_bytes >> 20}",
            hint="free some space there",
        )
    folders = {path: node for path, node in nodes.items() if node.is_folder}
    for path in folders:
        (folder / path).mkdir(mode=0o700, exist_ok=True)
    wanted: dict[tuple[int, str], list[str]] = {}
    for path, node in nodes.items():
        if node.is_file:
            wanted.setdefault((node.layer, node.path), []).append(path)
    for index, layer in enumerate(root.layers):
        _files_of(layer, index, wanted, folder)
    _own_files(root.own, len(root.layers), wanted, folder)
    for path, node in nodes.items():
        if node.kind is ItemKind.LINK:
            (folder / path).symlink_to(node.link)
    # the innermost first: a folder that must not be written to is closed when all is in it
    for path in sorted(nodes, reverse=True):
        _settle(folder / path, nodes[path])


def _walk(tree: Tree) -> Iterator[tuple[str, Node]]:
    """Everything by its path, folders before what is in them."""
    pending = [("", tree.root)]
    while pending:
        path, node = pending.pop()
        for name, child in node.children.items():
            # no name in an archive has a slash or is ..; the NUL of none is left either
            here = f"{path}/{name}" if path else name
            yield here, child
            if child.is_folder:
                pending.append((here, child))


def _files_of(layer: Layer, index: int, wanted: Mapping[tuple[int, str], list[str]], folder: Path) -> None:
    if not any(number == index for number, _ in wanted):
        return
    with Archive(layer.blob) as archive:
        for member, path in archive.entries():
            places = wanted.get((index, path))
            if places is None or not member.isreg():
                continue
            first, *others = (folder / place for place in places)
            first.unlink(missing_ok=True)
            with first.open("xb") as file:
                for piece in archive.pieces(member):
                    file.write(piece)
            for other in others:
                other.unlink(missing_ok=True)
                other.hardlink_to(first)
        archive.finish()


def _own_files(own: Mapping[str, Entry], index: int, wanted: Mapping[tuple[int, str], list[str]], folder: Path) -> None:
    for (number, path), places in wanted.items():
        entry = own.get(path) if number == index else None
        for place in places if entry is not None else ():
            match entry.source if entry is not None else None:
                case Path() as source:
                    shutil.copyfile(source, folder / place)
                case bytes() as content:
                    (folder / place).write_bytes(content)
                case _:
                    pass


def _settle(path: Path, node: Node) -> None:
    if not os.path.lexists(path):
        return  # a device, or a file that its layer has under another name
    if os.geteuid() == 0:
        os.chown(path, node.uid, node.gid, follow_symlinks=False)
    if node.kind is not ItemKind.LINK:
        # after the owner, whose change takes the set-user-id bit away
        path.chmod(node.mode & 0o7777)


def remove(folder: Path) -> None:
    """Remove what was unpacked, folders included that must not be written to; whatever cannot be removed stays."""
    for place, names, _ in os.walk(folder):
        with contextlib.suppress(OSError):
            Path(place).chmod(0o700)
        for name in names:
            path = Path(place, name)
            if not path.is_symlink():
                with contextlib.suppress(OSError):
                    path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)
