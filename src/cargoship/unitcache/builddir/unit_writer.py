"""Putting one unit's files into a build directory, with few operations of the file system and nothing half done.

What has a folder of its own (a fingerprint, what a build script made) is written into a staging folder, which is then
renamed; what lies among other units' files is written straight into its place. The fingerprint comes last: a process
that is killed leaves units without one, and cargo compiles these again.

Places are plain text here: a build has thousands of files, and a Path for each costs as much as writing it.

Nothing outside of the directory can be reached: rows were checked (`frame`), no file is put into a folder that is a
link, and none is opened through one.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import secrets
import shutil
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct, field

from cargoship.errors import ContentInvalid
from cargoship.oci.files import sweep
from cargoship.unitcache.builddir.unit_folders import in_fingerprint_folder, last_fingerprint, own_folder
from cargoship.unitcache.packs.frame import CONTENT, STAGING, FileKind, FileRecord, parents

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
# A folder that was not written to for so long has lost its process.
_TAKEN = frozenset({errno.ENOTEMPTY, errno.EEXIST})

Read = Callable[[int], Iterator[bytes | memoryview]]
"""The next so many bytes of a unit, in pieces."""


class BuildDirWriter:
    """The build directory `root`, in which files get the modification time `stamp_ns`. Shared between threads."""

    def __init__(self, root: Path, staging: Path, *, stamp_ns: int, keep: bool) -> None:
        self._root = root
        self._staging = staging
        self._times = (stamp_ns, stamp_ns)
        self._keep = keep
        self._folders: dict[str, None] = {"": None}
        self._lock = threading.Lock()
        self._numbers = itertools.count()

    def place(self, rows: Sequence[FileRecord], read: Read) -> int:
        """Put a unit into its places; how many bytes that were. Raises ContentInvalid, OSError, and what `read` raises.

        After an error nothing of it is there, but for files that were there before and have been replaced.
        """
        unit = _Unit()
        try:
            self._write_all(unit, rows, read)
            for path in sorted(unit.late, key=last_fingerprint):
                self._move(unit.late[path], path)
            for path in sorted(unit.own, key=last_fingerprint):
                self._move_folder(unit, path)
        except BaseException:
            for made in unit.made:
                Path(made).unlink(missing_ok=True)
            for staged in (*unit.own.values(), *unit.late.values()):
                _remove(staged)
            raise
        return sum(row.size for row in rows)

    def stamp_folders(self) -> None:
        """Give the folders that were used the same time: scripts may have named one as what they depend on."""
        for path in self._folders:
            if path:
                with contextlib.suppress(OSError):
                    os.utime(self._root / path, ns=self._times, follow_symlinks=False)

    def _write_all(self, unit: _Unit, rows: Sequence[FileRecord], read: Read) -> None:
        for row in rows:
            if row.kind in CONTENT:
                self._write(unit, row, read)
        for row in rows:
            if row.kind is FileKind.FOLDER:
                unit.folders[row.path] = self._folder(unit, row.path)
            elif row.kind is FileKind.LINK:
                self._link(unit, row)
            elif row.kind is FileKind.SAME:
                self._join(unit, row)

    def _write(self, unit: _Unit, row: FileRecord, read: Read) -> None:
        place = self._prepared(unit, row.path)
        mode = 0o777 if row.kind is FileKind.PROGRAM else 0o666
        try:
            descriptor = os.open(place, _FLAGS, mode)
        except FileExistsError:
            if self._keep and stat.S_ISREG(os.lstat(place).st_mode):
                unit.where[row.path] = place
                for _ in read(row.size):
                    pass
                return
            place = self._staged(unit, row.path)
            descriptor = os.open(place, _FLAGS, mode)
        unit.wrote(row.path, place)
        try:
            for piece in read(row.size):
                view = memoryview(piece)
                while view:
                    view = view[os.write(descriptor, view) :]
            os.utime(descriptor, ns=self._times)
        finally:
            os.close(descriptor)

    def _link(self, unit: _Unit, row: FileRecord) -> None:
        place = self._free(unit, row.path)
        Path(place).symlink_to(row.target)
        unit.wrote(row.path, place)
        os.utime(place, ns=self._times, follow_symlinks=False)

    def _join(self, unit: _Unit, row: FileRecord) -> None:
        place = self._free(unit, row.path)
        os.link(unit.where[row.target], place)
        unit.wrote(row.path, place)

    def _free(self, unit: _Unit, path: str) -> str:
        """Where something that is no file is made: nothing is there."""
        place = self._prepared(unit, path)
        return self._staged(unit, path) if os.path.lexists(place) else place

    def _folder(self, unit: _Unit, path: str) -> str:
        """Make a folder; where it is for now."""
        root = own_folder(path + "/")
        if root is None:
            self._ensure(path)
            return f"{self._root}/{path}" if path else str(self._root)
        staged = unit.own.get(root)
        if staged is None:
            staged = unit.own[root] = self._new()
            Path(staged).mkdir()
        if path == root:
            return staged
        place = f"{staged}{path[len(root) :]}"
        Path(place).mkdir(parents=True, exist_ok=True)
        return place

    def _prepared(self, unit: _Unit, path: str) -> str:
        """Where a file is written: its folder exists, and is a real one."""
        folder, _, name = path.rpartition("/")
        place = unit.folders.get(folder)
        if place is None:
            place = unit.folders[folder] = self._folder(unit, folder)
        # seen only when all else is in its place
        if own_folder(path) is None and in_fingerprint_folder(path):
            return self._staged(unit, path)
        return f"{place}/{name}"

    def _staged(self, unit: _Unit, path: str) -> str:
        return unit.late.setdefault(path, self._new())

    def _new(self) -> str:
        return f"{self._staging}/{next(self._numbers)}"

    def _move(self, staged: str, path: str) -> None:
        place = self._root / path
        if self._keep and place.is_file():
            Path(staged).unlink()
            return
        Path(staged).replace(place)

    def _move_folder(self, unit: _Unit, path: str) -> None:
        """A unit's own folder as a whole, or its files one by one where there is such a folder already."""
        self._ensure(path.rpartition("/")[0])
        staged = unit.own[path]
        try:
            Path(staged).rename(self._root / path)
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
            self._merge_folder(staged, path)
            return
        inside = {folder for used in unit.folders for folder in (*parents(used), used) if folder.startswith(path + "/")}
        with self._lock:
            self._folders |= dict.fromkeys((path, *inside))

    def _merge_folder(self, staged: str, path: str) -> None:
        for folder, _, files in os.walk(staged):
            inside = path + folder.removeprefix(staged)
            self._ensure(inside)
            for name in sorted(os.listdir(folder)):  # noqa: PTH208 - a walk gives text
                found = f"{folder}/{name}"
                if name in files or os.path.islink(found):  # noqa: PTH114 - the same
                    self._move(found, f"{inside}/{name}")
        _remove(staged)

    def _ensure(self, path: str) -> None:
        """Make a folder, and those that it is in; raises ContentInvalid where a link or a file stands in the way."""
        if path in self._folders:
            return
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


class _Unit(Struct):
    """What was written for one unit so far."""

    where: dict[str, str] = field(default_factory=dict)
    """Each of its files, by its path in the build directory, and where it is now."""
    own: dict[str, str] = field(default_factory=dict)
    """Its own folders, and where they are staged."""
    late: dict[str, str] = field(default_factory=dict)
    """Files that take somebody's place, and where they are staged."""
    made: list[str] = field(default_factory=list)
    """Files that were written straight into their places."""
    folders: dict[str, str] = field(default_factory=dict)
    """Folders that exist, and where they are now."""

    def wrote(self, path: str, place: str) -> None:
        """Note a file that exists now."""
        self.where[path] = place
        if own_folder(path) is None and path not in self.late:
            self.made.append(place)


def _remove(place: str) -> None:
    staged = Path(place)
    if staged.is_dir() and not staged.is_symlink():
        shutil.rmtree(staged, ignore_errors=True)
    else:
        staged.unlink(missing_ok=True)


@contextlib.contextmanager
def site(root: Path, *, stamp_ns: int, keep: bool) -> Iterator[BuildDirWriter]:
    """A build directory, made if need be; raises OSError.

    With `keep`, a file that exists already stays as it is.
    """
    folder = root / STAGING
    folder.mkdir(parents=True, exist_ok=True)
    if not stat.S_ISDIR(folder.lstat().st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    staging = folder / f"{os.getpid()}-{secrets.token_hex(8)}"
    staging.mkdir()
    sweep(folder, staging.stat().st_mtime_ns)
    try:
        made = BuildDirWriter(root, staging, stamp_ns=stamp_ns, keep=keep)
        yield made
        made.stamp_folders()
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        with contextlib.suppress(OSError):
            folder.rmdir()
