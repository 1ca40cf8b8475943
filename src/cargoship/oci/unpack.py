"""Layers unpacked into a folder: files and folders, with their rights, times and, for root, owners.

For layers that were made here, on any system. Those of strangers, with links and deletions, and other owners than they
say, are unpacked by `rootfs.unpack`, of which a sandbox is made.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from cargoship.errors import ContentInvalid
from cargoship.oci.decompress import open_reader
from cargoship.oci.layer import Layer


def unpack_layers(layers: Iterable[Layer], into: Path) -> None:
    """Unpack layers, the lowest first, into a new folder.

    For layers that were made here: they hold files and folders alone, and delete nothing. Owners are set where this
    process may set them, as tar does. Raises ContentInvalid for anything else and for a path that leaves the folder,
    OSError where the folder cannot be written.
    """
    into.mkdir(parents=True)
    folders: dict[Path, tarfile.TarInfo] = {}
    for layer in layers:
        with layer.blob.open() as raw, open_reader(raw) as stream:
            try:
                _unpack_one(stream, into, folders)
            except tarfile.TarError as error:
                raise ContentInvalid(f"layer {layer.descriptor.digest} is no tar archive: {error}") from error
    # the innermost first: a folder that must not be written to is closed when all is in it
    for path, member in sorted(folders.items(), reverse=True):
        _settle(path, member)


def _unpack_one(stream: BinaryIO, into: Path, folders: dict[Path, tarfile.TarInfo]) -> None:
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        for member in tar:
            path = into / _inside(member)
            if member.isdir():
                path.mkdir(parents=True, exist_ok=True)
                folders[path] = member
            elif member.isreg() and (content := tar.extractfile(member)) is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.unlink(missing_ok=True)
                with content, path.open("xb") as file:
                    shutil.copyfileobj(content, file, 1 << 20)
                _settle(path, member)
            else:
                raise ContentInvalid(f"{member.name!r} in a layer is neither a file nor a folder")


def _inside(member: tarfile.TarInfo) -> PurePosixPath:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise ContentInvalid(f"{member.name!r} in a layer leads out of it")
    return path


def _settle(path: Path, member: tarfile.TarInfo) -> None:
    if os.geteuid() == 0:
        os.chown(path, member.uid, member.gid)
    # after the owner, whose change takes the set-user-id bit away
    path.chmod(member.mode & 0o7777)
    os.utime(path, (member.mtime, member.mtime))
