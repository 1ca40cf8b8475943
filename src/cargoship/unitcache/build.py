"""A build as the cache sees it: one invocation of cargo, where it writes, and what compiles."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cargoship.process import Command
from cargoship.unitcache.surroundings import Compilers

_TAG = "CACHEDIR.TAG"
# https://bford.info/cachedir/
_TAG_TEXT = b"Signature: 8a477f597d28d172789f06886806bc55\n# Made by cargoship for cargo.\n"
_LOCKS = (".cargo-lock", ".cargo-build-lock", ".cargo-artifact-lock")
_MARGIN_NS = 20_000_000
"""More than a kernel's clock for files may be behind."""


@dataclass(frozen=True)
class Build:
    """What is about to be built."""

    command: Command
    """cargo, exactly as it will be run."""
    env: Mapping[str, str] = field(repr=False)
    """The environment as the user has set it; `command` has what cargoship adds."""
    root: Path
    """The workspace's folder."""
    build_dir: Path
    """Where cargo keeps what is between."""
    lock: Path | None
    compilers: Compilers


class Busy(Exception):
    """Another cargo works in the build directory."""


def prepare_folder(build_dir: Path) -> int:
    """Make a build directory that is not there, as cargo would; the time that restored files get, in ns since 1970.

    The time is before everything that is read from now on: a file that changes later is newer than what was restored,
    and cargo sees it. Raises OSError.
    """
    if not build_dir.is_dir():
        build_dir.mkdir(parents=True)
        (build_dir / _TAG).write_bytes(_TAG_TEXT)
    # the clock of the file system is the one that counts, not ours
    with tempfile.NamedTemporaryFile(prefix=".cargoship-", dir=build_dir) as probe:
        return os.fstat(probe.fileno()).st_mtime_ns - _MARGIN_NS


@contextlib.contextmanager
def locked(build_dir: Path, profiles: Iterable[str]) -> Iterator[None]:
    """Keep cargo out of the folders of profiles, in its own way; raises Busy instead of waiting, OSError."""
    with contextlib.ExitStack() as held:
        for profile in sorted(set(profiles)):
            folder = build_dir / profile
            folder.mkdir(parents=True, exist_ok=True)
            for name in _LOCKS:
                path = folder / name
                if name != _LOCKS[0] and not path.exists():
                    continue
                stream = held.enter_context(path.open("ab"))
                try:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise Busy(str(folder)) from error
        yield
