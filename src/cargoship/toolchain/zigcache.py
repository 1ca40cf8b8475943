"""Zig's cache of what it has compiled of itself, as another machine can use it.

    h/<hex>     a manifest: what one thing was made from, each file with size, inode, time and digest
    o/<hex>/    things that were made
    b/<hex>/    settings as a source file, which manifests name
    tmp/, z/    unfinished things, and what only helps Zig to compile its own language again

Paths of manifests are relative to Zig's library and to the cache, so that both may lie elsewhere. Inodes and times are
of one machine: where they differ Zig reads the file again, but holds it against a digest that it has not computed, if
the file is what a compilation was started with (a C source, say), and so compiles again. Therefore manifests travel
without inodes and times, and get those of the machine where they arrive.

Format: `Manifest.File` in Zig's lib/std/Build/Cache.zig, version 0.17. What cannot be read so does not travel.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

MANIFESTS = "h"
SETTINGS = "b"
MANIFEST_BYTES_MAX = 16 << 20

# size, inode, time in ns, digest, flags; then the path and a zero byte
_HEAD = struct.Struct("<QQq16sB")
_PLACE = struct.Struct("<Qq")
_PLACE_AT = 8
_IS_FOLDER, _BY_TIME = 1, 2
_PREFIX_SHIFT = 2
_LIBRARY = 1
# of the build, which is the cache itself where Zig compiles its own libraries, and of the machine
_CACHES = frozenset({2, 3})


class Read(Struct, frozen=True):
    """A file that a manifest names."""

    at: int
    """Where in the manifest."""
    size: int
    in_library: bool
    """Below Zig's library, or else below the cache."""
    path: str


def files_read(manifest: bytes) -> tuple[Read, ...]:
    """What a manifest names; raises ValueError for one that cannot be used on another machine, or is unfinished."""
    return tuple(_files(manifest))


def portable(manifest: bytes, read: Iterable[Read]) -> bytes:
    """A manifest without what is of one machine; `read` is what `files_read` says of it."""
    made = bytearray(manifest)
    for each in read:
        _PLACE.pack_into(made, each.at + _PLACE_AT, 0, 0)
    return bytes(made)


def settled(manifest: bytes, read: Iterable[Read], *, library: Path, cache: Path) -> bytes:
    """A manifest for the files as they are here, of which somebody knows that their content is the same.

    `read` is what `files_read` says of it. Raises ValueError for a file of another size, OSError for one that is not
    there.
    """
    made = bytearray(manifest)
    roots = {True: str(library), False: str(cache)}
    for each in read:
        status = os.stat(f"{roots[each.in_library]}/{each.path}")  # noqa: PTH116 - thousands, beside a restore
        if status.st_size != each.size:
            raise ValueError(f"{each.path} has another size")
        _PLACE.pack_into(made, each.at + _PLACE_AT, status.st_ino, status.st_mtime_ns)
    return bytes(made)


def _files(manifest: bytes) -> Iterator[Read]:
    at = 0
    # a last zero byte stands for the end
    while at < len(manifest) - 1:
        try:
            size, _, _, _, flags = _HEAD.unpack_from(manifest, at)
        except struct.error as error:
            raise ValueError("it ends within a file") from error
        start = at + _HEAD.size
        end = manifest.find(b"\0", start)
        path = manifest[start:end].decode() if end > start else ""
        prefix = flags >> _PREFIX_SHIFT
        if flags & (_IS_FOLDER | _BY_TIME) or (prefix != _LIBRARY and prefix not in _CACHES) or not _is_below(path):
            raise ValueError("it names what is not Zig's own")
        yield Read(at, size, prefix == _LIBRARY, path)
        at = end + 1
    if at != len(manifest) - 1 or manifest[at]:
        raise ValueError("it has no end")


def _is_below(path: str) -> bool:
    # thousands are looked at while units are put in place: no PurePath for each
    return bool(path) and not path.startswith("/") and ".." not in path.split("/")
