"""Writing files so that they are either whole or absent, and saying plainly when that is impossible."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from cargoship.errors import OutputError


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
def atomic_file(path: Path, *, private: bool = False) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of `path` when the block ends well, and is removed when it does not.

    The folder is made if need be. Only this user can read a `private` file, from its first byte on. The file is not
    forced to the disk. Raises OutputError when it cannot be written.
    """
    unfinished = path.parent / f".{path.name[:64]}.{secrets.token_hex(8)}.tmp"
    with writing(path, temporary=unfinished):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700 if private else 0o777)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666)
        stream = os.fdopen(descriptor, "wb")
    try:
        with writing(path, temporary=unfinished):
            with stream:
                yield stream
            unfinished.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise


def write_atomically(path: Path, data: bytes) -> None:
    """Write a small file whole; raises OutputError."""
    with atomic_file(path) as stream:
        stream.write(data)
