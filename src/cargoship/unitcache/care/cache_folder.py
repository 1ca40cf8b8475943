"""What else cargoship keeps on this machine, below its cache folder, and what of it has not been used for long.

Standard libraries, sysroots, compiler wrappers and what Zig compiled for them are made again when they are missing. A
run marks what it uses (`toolchain.marks`), so that a folder without a mark for weeks belongs to another version of Rust
or Zig.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from cargoship.errors import CacheUnavailable
from cargoship.oci.store import BlobStore

_DAY_S = 24 * 3600
_DAY_NS = _DAY_S * 1_000_000_000
BOUNDED = ("std", "startfiles", "sysroots", "wrappers", "runtime", "allocators", "answers")
"""Folders whose entries are made again when they are missed."""
LAYERS = "made"
"""The folder of layers that are the same for every project."""


class CacheFolder(Struct, frozen=True):
    """A folder of the cache: how many things are in it, and their bytes on the disk."""

    name: str
    entries: int
    size: int


def cache_folders(cache_dir: Path, *, leave_out: str) -> tuple[CacheFolder, ...]:
    """Everything below the cache folder but `leave_out`; raises CacheUnavailable."""
    with _reading(cache_dir):
        if not cache_dir.is_dir():
            return ()
        found = sorted(path for path in cache_dir.iterdir() if path.name != leave_out and path.is_dir())
        return tuple(CacheFolder(path.name, _count(path), size_of_tree(path)) for path in found)


def remove_unused(cache_dir: Path, *, days: int) -> int:
    """Remove what has not been used for so many days; the bytes that were freed.

    Raises CacheUnavailable, OutputError.
    """
    freed = 0
    with _reading(cache_dir):
        if not cache_dir.is_dir():
            return 0
        with tempfile.TemporaryFile(dir=cache_dir) as probe:
            # the clock of the file system is what marks are made by
            unused_ns = os.fstat(probe.fileno()).st_mtime_ns - days * _DAY_NS
        for name in BOUNDED:
            for entry in _entries(cache_dir / name):
                if entry.lstat().st_mtime_ns < unused_ns and not _is_lock(entry):
                    freed += size_of_tree(entry)
                    _remove(entry)
    return freed + BlobStore(cache_dir / LAYERS).prune(idle_s=days * _DAY_S)


def size_of_tree(path: Path) -> int:
    """Bytes on the disk of a file, or of everything below a folder; a file with several names counts once."""
    seen: set[tuple[int, int]] = set()
    total = 0
    waiting = [path]
    while waiting:
        current = waiting.pop()
        with contextlib.suppress(FileNotFoundError, PermissionError):
            status = current.lstat()
            if stat.S_ISDIR(status.st_mode):
                waiting.extend(current.iterdir())
            elif (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                total += status.st_blocks * 512
    return total


def _count(folder: Path) -> int:
    return sum(not _is_lock(entry) for entry in folder.iterdir())


def _is_lock(entry: Path) -> bool:
    return entry.name.startswith(".lock")


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []


def _remove(entry: Path) -> None:
    """Under another name first, so that nobody finds a half of it."""
    if entry.is_symlink() or not entry.is_dir():
        entry.unlink(missing_ok=True)
        return
    with contextlib.suppress(FileNotFoundError):
        dead = entry.with_name(f".dead-{os.getpid()}-{entry.name}")
        entry.rename(dead)
        shutil.rmtree(dead, ignore_errors=True)


@contextlib.contextmanager
def _reading(cache_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CacheUnavailable(f"cannot look after {cache_dir}: {error.strerror or error}") from error
