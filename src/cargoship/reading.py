"""Files of a project, which may be anything: read whole, if they are files and not too large."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

BYTES_MAX = 64 << 20
"""More than any manifest, lock file or document has."""


def read_file(path: Path, bytes_max: int = BYTES_MAX) -> bytes:
    """A file's bytes. A pipe or a device, which may have no end, is none; links are followed. Raises OSError."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except ValueError as error:  # a zero byte in it
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from error
    with os.fdopen(handle, "rb") as stream:
        status = os.fstat(handle)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        data = stream.read(bytes_max + 1)
    if len(data) > bytes_max:
        most = f"{bytes_max >> 20} MiB" if bytes_max >> 20 else f"{bytes_max >> 10} KiB"
        raise OSError(errno.EFBIG, f"it has more than {most}", str(path))
    return data


def read_utf8(path: Path) -> str:
    """A file's text, with lines that end as everywhere and without a mark; raises OSError, UnicodeDecodeError."""
    return read_file(path).decode("utf-8-sig").replace("\r\n", "\n")


def real_path(path: Path) -> Path:
    """Where a path leads when links are followed, as far as it exists; links in a circle stay as they are.

    Path.resolve raises RuntimeError for those before Python 3.13; what is done with the path fails with OSError then.
    """
    return Path(os.path.realpath(path))


def is_file(path: Path) -> bool:
    """Whether there is a file; no, for what none can be called. Raises OSError where nobody may look."""
    return _asked(path.is_file)


def is_folder(path: Path) -> bool:
    """Whether there is a folder, in the same way."""
    return _asked(path.is_dir)


def is_there(path: Path) -> bool:
    """Whether there is anything, in the same way."""
    return _asked(path.exists)


def _asked(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except ValueError:  # a zero byte in it
        return False
    except OSError as error:
        if error.errno in {errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL}:
            return False
        raise
