"""Which files of a project change, from when somebody begins to watch, and whether that is the build's own doing."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from cargoship.bases.distributions import LOCK_NAMES
from cargoship.context import Context
from cargoship.errors import OutputError
from cargoship.events import CompileProgress, Event, LayerAssembled, SourcesWritten, UnitFinished, UnitsRestored
from cargoship.oci.digest import Digest
from cargoship.reading import read_file

if TYPE_CHECKING:
    from watchfiles import Change

_HIDDEN_CODE = frozenset({".cargo", ".sqlx", ".env"})
"""cargo's settings, and what macros read."""
_STEP_MS = 50
_MOST_MS = 300
"""Editors write several files, or one in steps: how long it must have been quiet, and how long that is waited for."""
_ROUND_MS = 100


class FileChanges:
    """Changes in `folders` since this was entered, however late somebody asks for them.

    What is in `but` does not count, nor do hidden folders, what editors leave while they save, and the files that this
    process itself writes its output to.
    """

    def __init__(self, folders: Sequence[Path], *, but: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self._but = tuple(but)
        self._own: dict[Path, Digest | None] = {}
        self._lock = threading.Lock()
        self._outputs = frozenset(_outputs())
        self._events: Generator[set[tuple[Change, str]]] | None = None

    def __enter__(self) -> Self:
        """Begin to watch; raises OutputError where the system does not let so many folders be watched."""
        self._events = self._watch()
        # a generator does nothing until it is asked; what has changed until now is in whatever is done next
        next(self._events)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Watch no more."""
        if self._events is not None:
            self._events.close()

    def __iter__(self) -> Iterator[bool]:
        """True when files have changed since the last answer, false several times a second meanwhile."""
        for events in self._events or ():
            # each of them: all are noted as seen
            counting = [path for change, path in events if self._counts(change, Path(path))]
            yield bool(counting)

    def made(self, paths: Iterable[Path]) -> None:
        """Take note that the build has written these: as they are now they are no change. From any thread."""
        contents = {path: _content(path) for path in paths}
        with self._lock:
            self._own |= contents

    def _watch(self) -> Generator[set[tuple[Change, str]]]:
        import watchfiles  # noqa: PLC0415 - loaded when used

        self._is_editors = watchfiles.DefaultFilter()
        try:
            # no filter there: one that lets nothing through, as in the midst of a build, would not come back from it
            yield from watchfiles.watch(
                *self._folders, watch_filter=None, rust_timeout=_ROUND_MS, yield_on_timeout=True, debounce=_MOST_MS,
                # a database's folder in a project is nobody's code
                step=_STEP_MS, ignore_permission_denied=True,
            )  # fmt: skip
        except (OSError, RuntimeError) as error:  # its own errors are RuntimeErrors
            raise OutputError(
                f"changes cannot be watched: {error}",
                hint="raise fs.inotify.max_user_watches and max_user_instances, or set WATCHFILES_FORCE_POLLING=1",
            ) from error

    def _counts(self, change: Change, path: Path) -> bool:
        return self._is_code(path) and self._is_editors(change, str(path)) and not self._is_own(path)

    def _is_code(self, path: Path) -> bool:
        if any(path.is_relative_to(each) for each in self._but):
            return False
        inside = next((path.relative_to(each) for each in self._folders if path.is_relative_to(each)), path)
        if any(part.startswith(".") and part not in _HIDDEN_CODE for part in inside.parts):
            return False
        return not self._outputs or _identity(path) not in self._outputs

    def _is_own(self, path: Path) -> bool:
        with self._lock:
            if path not in self._own:
                return False
            if self._own[path] == _content(path):
                return True
            # what others have made of it is theirs, and so is what it becomes then
            del self._own[path]
        return False


class OwnFiles:
    """What an attempt writes into a workspace: lock files, and what build scripts were seen to write."""

    def __init__(self, changes: FileChanges, root: Path) -> None:
        self._changes = changes
        self._locks = tuple(root / name for name in ("Cargo.lock", *LOCK_NAMES))

    def noted(self, context: Context) -> Context:
        """The context for one attempt, whose events tell what is written."""
        begun = threading.Event()

        def emit(event: Event) -> None:
            match event:
                case SourcesWritten(paths=paths):
                    self._changes.made(map(Path, paths))
                case UnitsRestored() | CompileProgress() | UnitFinished() | LayerAssembled() if not begun.is_set():
                    # what is chosen for a build is chosen now; who changes a lock file later is somebody else
                    begun.set()
                    self._changes.made(self._locks)
                case _:
                    pass
            context.emit(event)

        return replace(context, emit=emit)


def _content(path: Path) -> Digest | None:
    """What is in a file; None where there is none that can be read."""
    try:
        return Digest.of(read_file(path))
    except OSError:
        return None


def _outputs() -> Iterator[tuple[int, int]]:
    """The files that standard output and error are."""
    for number in (1, 2):
        try:
            status = os.fstat(number)
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode):
            yield status.st_dev, status.st_ino


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
