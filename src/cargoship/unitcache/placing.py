"""Putting one unit's files into a build directory: staged first, and then renamed into their places.

Nothing outside of the directory can be reached: rows were checked (`frame`), and no file is put into a folder that is
a link. A process that is killed leaves files in the staging folder, or a unit without its fingerprint, which is placed
last: cargo compiles such a unit again.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cargoship.errors import ContentInvalid
from cargoship.unitcache.frame import STAGING, Kind, Row, parents

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
# A folder that was not written to for so long has lost its process.
_ABANDONED_NS = 3600 * 1_000_000_000

Read = Callable[[int], Iterator[bytes | memoryview]]
"""The next so many bytes of a unit, in pieces."""


class Site:
    """The build directory `root`, in which files get the modification time `stamp_ns`. Shared between threads."""

    def __init__(self, root: Path, staging: Path, *, stamp_ns: int, keep: bool) -> None:
        self._root = root
        self._staging = staging
        self._times = (stamp_ns, stamp_ns)
        self._keep = keep
        self._folders: dict[str, None] = {"": None}
        self._lock = threading.Lock()

    def place(self, rows: Sequence[Row], read: Read) -> int:
        """Put a unit into its places; how many bytes that were. Raises ContentInvalid, OSError, and what `read` raises.

        Nothing is in its place before all was read.
        """
        own = self._staging / secrets.token_hex(8)
        own.mkdir()
        try:
            staged = []
            for number, row in enumerate(rows):
                if row.kind in {Kind.FILE, Kind.PROGRAM}:
                    staged.append((row, self._write(own / str(number), row, read)))
            for number, row in enumerate(rows):
                if row.kind is Kind.LINK:
                    path = own / str(number)
                    path.symlink_to(row.target)
                    os.utime(path, ns=self._times, follow_symlinks=False)
                    staged.append((row, path))
            for row in rows:
                self._ensure(row.path if row.kind is Kind.FOLDER else row.path.rpartition("/")[0])
            places = {row.path: path for row, path in staged}
            for row in rows:
                if row.kind is Kind.SAME:
                    twin = own / f"same-{len(places)}"
                    twin.hardlink_to(places[row.target])
                    places[row.path] = twin
            for name in sorted(places, key=_last_fingerprint):
                self._move(places[name], name)
        finally:
            shutil.rmtree(own, ignore_errors=True)
        return sum(row.size for row in rows)

    def stamp_folders(self) -> None:
        """Give the folders that were used the same time: scripts may have named one as what they depend on."""
        for path in self._folders:
            if path:
                with contextlib.suppress(OSError):
                    os.utime(self._root / path, ns=self._times, follow_symlinks=False)

    def _write(self, path: Path, row: Row, read: Read) -> Path:
        descriptor = os.open(path, _FLAGS, 0o777 if row.kind is Kind.PROGRAM else 0o666)
        try:
            for piece in read(row.size):
                view = memoryview(piece)
                while view:
                    view = view[os.write(descriptor, view) :]
            os.utime(descriptor, ns=self._times)
        finally:
            os.close(descriptor)
        return path

    def _move(self, staged: Path, path: str) -> None:
        place = self._root / path
        if self._keep and place.is_file():
            return
        staged.replace(place)

    def _ensure(self, path: str) -> None:
        """Make a folder, and those that it is in; raises ContentInvalid where a link or a file stands in the way."""
        for folder in (*reversed(tuple(parents(path))), path):
            if folder in self._folders:
                continue
            place = self._root / folder
            with contextlib.suppress(FileExistsError):
                place.mkdir()
            if not stat.S_ISDIR(place.lstat().st_mode):
                raise ContentInvalid(f"{place} is no folder, and a unit would write into it")
            with self._lock:
                self._folders[folder] = None


def _last_fingerprint(path: str) -> tuple[bool, str]:
    names = path.split("/")
    return ".fingerprint" in names or "fingerprint" in names, path


@contextlib.contextmanager
def site(root: Path, *, stamp_ns: int, keep: bool) -> Iterator[Site]:
    """A build directory, made if need be; raises OSError.

    With `keep`, a file that exists already stays as it is.
    """
    folder = root / STAGING
    folder.mkdir(parents=True, exist_ok=True)
    if not stat.S_ISDIR(folder.lstat().st_mode):
        raise NotADirectoryError(20, "no folder", str(folder))
    staging = folder / f"{os.getpid()}-{secrets.token_hex(8)}"
    staging.mkdir()
    _sweep(folder, staging.stat().st_mtime_ns)
    try:
        made = Site(root, staging, stamp_ns=stamp_ns, keep=keep)
        yield made
        made.stamp_folders()
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        with contextlib.suppress(OSError):
            folder.rmdir()


def _sweep(folder: Path, now_ns: int) -> None:
    """Remove what killed processes left behind."""
    with os.scandir(folder) as found:
        for entry in found:
            with contextlib.suppress(OSError):
                if now_ns - entry.stat(follow_symlinks=False).st_mtime_ns > _ABANDONED_NS:
                    shutil.rmtree(entry.path, ignore_errors=True)
