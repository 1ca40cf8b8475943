"""Folders for one run: locked while it lives, so that the next run can tell those of killed ones, and remove them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

_NAME = "[0-9a-f]" * 16


@contextlib.contextmanager
def scratch(prefix: str, near: Path | None = None) -> Iterator[Path]:
    """A new folder in `near` or among temporary files, that is removed at the end; nobody else may enter it.

    Folders of that prefix go too whose runs were killed. Raises OSError.
    """
    place = near or Path(tempfile.gettempdir())
    place.mkdir(parents=True, exist_ok=True)
    for path in abandoned(place, prefix):
        remove(path)
    with contextlib.ExitStack() as held:
        folder = _new(place, prefix, held)
        try:
            yield folder
        finally:
            # tempfile's own removal, before Python 3.11.9, changes the modes of what links in closed folders lead to
            remove(folder)


def abandoned(place: Path, prefix: str) -> Iterator[Path]:
    """Folders that `scratch` made for runs that are no more; each is locked until the next is asked for."""
    for path in sorted(place.glob(f"{prefix}{_NAME}")):
        with contextlib.suppress(OSError), contextlib.ExitStack() as held:
            known = path.lstat()
            if stat.S_ISDIR(known.st_mode) and known.st_uid == os.geteuid():
                _lock(path, held)
                yield path


def remove(folder: Path) -> None:
    """Remove a folder, folders in it included that must not be written to; whatever cannot be removed stays."""
    for place, names, _ in os.walk(folder):
        with contextlib.suppress(OSError):
            Path(place).chmod(0o700)
        for name in names:
            path = Path(place, name)
            if not path.is_symlink():
                with contextlib.suppress(OSError):
                    path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _new(place: Path, prefix: str, held: contextlib.ExitStack) -> Path:
    while True:
        folder = place / f"{prefix}{secrets.token_hex(8)}"
        folder.mkdir(mode=0o700)
        try:
            _lock(folder, held)
        except (BlockingIOError, FileNotFoundError):
            continue  # another run has found it before it was locked
        except OSError:
            return folder  # some network file systems have no locks: there nothing is taken for abandoned
        if folder.exists():
            return folder


def _lock(folder: Path, held: contextlib.ExitStack) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    held.callback(os.close, handle)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
