"""Writing files and folders so that they are either whole or absent, and saying plainly when that is impossible."""

from __future__ import annotations

import contextlib
import enum
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from cargoship.errors import OutputError

ABANDONED_S = 3600.0
"""Nobody writes a file for so long."""
_FOLDER_ABANDONED_S = 24 * 3600.0
"""A folder's time is that of the last thing that was put into it."""
_MAKING = ".making-"
_STREAMS = ("/proc/", "/dev/fd/")
"""What /dev/stdout and its kin lead to."""


class Writer(Protocol):
    """What bytes can be written to."""

    def write(self, data: bytes, /) -> object:
        """Take all of the bytes."""
        ...


_ADVICE = {
    errno.ENOENT: "choose another place",
    errno.ENOSPC: "free some space there, or choose another place",
    errno.EDQUOT: "free some space there, or choose another place",
    errno.EROFS: "the file system is mounted read-only; choose another place",
    errno.EACCES: "give this user the right to write there, or choose another place",
    errno.EPERM: "give this user the right to write there, or choose another place",
    errno.ENOTDIR: "a part of the path is a file; remove it or choose another place",
    errno.EISDIR: "a folder stands where the file belongs; remove it or choose another place",
    errno.ENAMETOOLONG: "choose a shorter path",
}


def output_error(path: Path, error: OSError, *, temporary: Path | None = None) -> OutputError:
    """What a failed write to `path`, perhaps through a temporary file, means to a person."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    if error.filename is not None and str(path) not in str(error.filename) and str(temporary) != str(error.filename):
        # something else that was read or written on the way
        reason = f"{error.filename}: {reason}"
    return OutputError(f"cannot write {path}: {reason}", hint=_ADVICE.get(error.errno or 0))


@contextlib.contextmanager
def writing(path: Path, *, temporary: Path | None = None) -> Iterator[None]:
    """Turn an OSError inside the block into an OutputError that names `path`."""
    try:
        yield
    except OSError as error:
        raise output_error(path, error, temporary=temporary) from error


@contextlib.contextmanager
def replacing(path: Path, *, private: bool = False, unfinished: Path | None = None) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of `path` when the block ends well, and is removed when it does not.

    The folder is made if need be. Only this user can read a `private` file, from its first byte on. The file is not
    forced to the disk. `unfinished` is its name until then (default: beside `path`). Raises OSError.
    """
    _refuse_stream(path)
    unfinished = unfinished or _unfinished(path)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700 if private else 0o777)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
        unfinished.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise


@contextlib.contextmanager
def atomic_file(path: Path, *, private: bool = False) -> Iterator[BinaryIO]:
    """See `replacing`; raises OutputError when the file cannot be written."""
    unfinished = _unfinished(path)
    with (
        writing(path, temporary=unfinished),
        replacing(path, private=private, unfinished=unfinished) as stream,
    ):
        yield stream


def write_atomically(path: Path, data: bytes) -> None:
    """Write a small file whole; raises OutputError."""
    with atomic_file(path) as stream:
        stream.write(data)


def write_output(path: Path, data: bytes) -> None:
    """Write what a person has asked for where they have named: a file whole; a device, pipe or stream gets the bytes.

    Raises OutputError.
    """
    if not is_stream(path):
        write_atomically(path, data)
        return
    # at its end: standard output may be a file that has something in it
    with writing(path), path.open("ab") as stream:
        stream.write(data)


def replace_link(path: Path, target: Path | str) -> None:
    """Make `path` a symbolic link to `target`, whatever link or file is there. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = _unfinished(path)
    unfinished.symlink_to(target)
    unfinished.replace(path)


class Taken(enum.Enum):
    """What is done about a place where a folder with something in it has appeared by the time it is needed."""

    KEEP = "somebody else was quicker, with the same content: that one stays"
    REPLACE = "it is replaced"
    REFUSE = "it is an error"


@contextlib.contextmanager
def atomic_folder(path: Path, *, taken: Taken = Taken.KEEP) -> Iterator[Path]:
    """Fill a new folder that becomes `path` when the block ends well, and is removed when it does not.

    The folder around it is made if need be; what killed runs have left there is removed. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    making = path.parent / f"{_MAKING}{secrets.token_hex(8)}"
    making.mkdir()
    try:
        sweep(path.parent, making.stat().st_mtime_ns, pattern=f"{_MAKING}{'[0-9a-f]' * 16}", age_s=_FOLDER_ABANDONED_S)
        yield making
        try:
            if taken is Taken.REPLACE and path.exists():
                # one that is not empty cannot be replaced in one step: it steps aside for a moment
                old = making.with_name(f"{making.name}-old")
                path.rename(old)
                making.rename(path)
                shutil.rmtree(old, ignore_errors=True)
            else:
                making.rename(path)
        except OSError:
            if taken is not Taken.KEEP or not path.is_dir():
                raise
    finally:
        shutil.rmtree(making, ignore_errors=True)


def sweep(folder: Path, now_ns: int, *, pattern: str = "*", age_s: float = ABANDONED_S) -> None:
    """Remove what killed processes have left in a folder: all that is older than `age_s` seconds. Never fails.

    `now_ns` is the time by the clock of the same file system, in nanoseconds since 1970.
    """
    for path in folder.glob(pattern):
        with contextlib.suppress(OSError):
            status = path.lstat()
            if now_ns - status.st_mtime_ns <= age_s * 1_000_000_000:
                continue
            if stat.S_ISDIR(status.st_mode):
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def is_stream(path: Path) -> bool:
    """Whether a path leads to a device, a pipe or a stream, which is written to and never replaced."""
    try:
        kind = path.stat().st_mode
        leads_out = path.is_symlink() and str(path.readlink()).startswith(_STREAMS)
    except OSError:
        # it is not there, or what is tried next says why not
        return False
    return leads_out or not (stat.S_ISREG(kind) or stat.S_ISDIR(kind))


def _refuse_stream(path: Path) -> None:
    """Raise OSError for what is no file: root would put one into the place of /dev/null, or of the link /dev/stdout."""
    if is_stream(path):
        # without a number, whose words would be others
        raise OSError("it is a device, a pipe or a stream, and would be replaced by a file: name a file")


def _unfinished(path: Path) -> Path:
    return path.parent / f".{path.name[:64]}.{secrets.token_hex(8)}.tmp"
