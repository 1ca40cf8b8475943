"""A root file system unpacked into a folder, so that something can be run in it.

Layers come from anybody. Nothing that they say about places is followed on this machine: where things go is known by
the tree, whose paths have no links in them, and links are made when everything else is there. It is for running: owners
are those of a sandbox, and times do not matter. `oci.unpack` keeps both as layers say, for layers that were made here.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from cargoship.errors import ContentInvalid, OutputError
from cargoship.oci.files import writing
from cargoship.oci.layer import Layer
from cargoship.oci.tar import LayerEntry
from cargoship.printable import printable
from cargoship.rootfs.archive import LayerArchive
from cargoship.rootfs.headers import Header
from cargoship.rootfs.item import ItemKind
from cargoship.rootfs.tree import FileNode, FileTree
from cargoship.rootfs.view import RootFs
from cargoship.scratch import scratch

_PIECE_BYTES = 1 << 20
_SPARE_BYTES = 256 << 20

Owner = Callable[[int, int], tuple[int, int] | None]
"""Whom a file of a user and a group in the image belongs to here; None for the one who unpacks it."""


@contextlib.contextmanager
def private(prefix: str, near: Path | None = None) -> Iterator[Path]:
    """A new folder to unpack into, in `near` or among temporary files, that is removed at the end.

    Nobody else may enter it: a set-user-ID program of an image may be the caller's own file here. Raises OutputError.
    """
    with contextlib.ExitStack() as held:
        with writing(near or Path(tempfile.gettempdir())):
            folder = held.enter_context(scratch(prefix, near))
        yield folder


def unpack_root(root: RootFs, folder: Path, owner: Owner) -> None:
    """Unpack into a new folder. Devices are left out.

    Raises OutputError where the folder cannot be written or the disk is too small, ContentInvalid for damaged layers
    and files with holes that are not read, and what opening blobs raises.
    """
    with writing(folder):
        folder.mkdir(parents=True)
        _unpack(root, folder, owner)


def _unpack(root: RootFs, folder: Path, owner: Owner) -> None:
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
        _settle(folder / path, nodes[path], owner)
    _settle_root(folder, owner)


def _walk(tree: FileTree) -> Iterator[tuple[str, FileNode]]:
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
    with LayerArchive(layer.blob) as archive:
        for member, path in archive.entries():
            places = wanted.get((index, path))
            if places is None:
                continue
            if member.is_closed:
                raise _closed(layer, member, path)
            if not member.is_file:
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


def _closed(layer: Layer, member: Header, path: str) -> ContentInvalid:
    """Why a file with holes is not made; without it a program would run in another root file system than its own."""
    why = (
        f"{member.size} bytes that are nearly all holes, more than its layer gives reason to expect"
        if member.beyond
        else "holes in a form that Docker and podman refuse"
    )
    return ContentInvalid(
        f"cannot unpack /{printable(path)} of layer {layer.descriptor.digest}: it has {why}",
        hint="make the layer again, by a tar without --sparse",
    )


def _own_files(
    own: Mapping[str, LayerEntry], index: int, wanted: Mapping[tuple[int, str], list[str]], folder: Path
) -> None:
    for (number, path), places in wanted.items():
        source = own[path].source if number == index else None
        for place in places:
            match source:
                case None:
                    pass
                case Path():
                    shutil.copyfile(source, folder / place)
                case bytes():
                    (folder / place).write_bytes(source)
                case _:
                    with source.open() as stream, (folder / place).open("wb") as file:
                        shutil.copyfileobj(stream, file, _PIECE_BYTES)


def _settle_root(folder: Path, owner: Owner) -> None:
    owned = owner(0, 0)
    if owned is not None:
        os.chown(folder, *owned)
    folder.chmod(0o755)


def _settle(path: Path, node: FileNode, owner: Owner) -> None:
    if node.kind is ItemKind.OTHER:
        return  # a device, or a pipe
    owned = owner(node.uid, node.gid)
    if owned is not None:
        os.chown(path, *owned, follow_symlinks=False)
    if node.kind is not ItemKind.LINK:
        # after the owner, whose change takes the set-user-id bit away
        path.chmod(node.mode & 0o7777)
