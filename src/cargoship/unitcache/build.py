"""A build as the cache sees it: one invocation of cargo, where it writes, what compiles, and what is known of it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from cargoship.locks import Busy, locked
from cargoship.process import Command
from cargoship.unitcache.builds import BuildKey, programs_of

if TYPE_CHECKING:
    from cargoship.cargo.messages import Artifact
    from cargoship.cargo.unit_graph import UnitGraph
    from cargoship.toolchain.runtime import Runtime
    from cargoship.unitcache.keys.environment import Compilers
    from cargoship.unitcache.keys.key import BuildEnvironment
    from cargoship.unitcache.libraries import Libraries
    from cargoship.unitcache.watching.library import Watcher

_TAG = "CACHEDIR.TAG"
# https://bford.info/cachedir/
_TAG_TEXT = b"Signature: 8a477f597d28d172789f06886806bc55\n# Made by cargoship for cargo.\n"
_LOCKS = (".cargo-lock", ".cargo-build-lock", ".cargo-artifact-lock")
_MARGIN_NS = 20_000_000
"""More than a kernel's clock for files may be behind."""


class Workspace(Struct, frozen=True):
    """Where a build is: the workspace's folder, cargo's folder for what is between, and the lock file."""

    root: Path
    build_dir: Path
    lock: Path | None = None
    target_dir: Path | None = None
    """Cargo's folder for what it has made, where that is another one."""


class Missed(Struct, frozen=True):
    """A build that could not be had as a whole, and why, for people."""

    because: tuple[str, ...] = ()


@dataclass(frozen=True)
class BuildInputs:
    """All that the cache has to know of a build before cargo starts. The first four are needed; the others help."""

    command: Command
    """cargo, exactly as it will be run."""
    env: Mapping[str, str] = field(repr=False)
    """The environment as the user has set it; `command` has what cargoship adds."""
    workspace: Workspace
    compilers: Compilers
    surroundings: BuildEnvironment | None = None
    """What `find_environment` says of these compilers; None: it is asked."""
    graph: Callable[[], UnitGraph] | None = None
    """Gives what cargo has said that it will compile; None: it is asked."""
    build_key: BuildKey | None = None
    """The key of the build as a whole; None: its programs are not kept as those of one build."""
    missed: Missed | None = None
    """Why it could not be had as a whole; None: nobody has looked."""
    libraries: Libraries = field(default_factory=dict)
    """Standard libraries and allocators that were built here, or came from the cache."""
    runtime: Runtime | None = None
    """What Zig compiles of itself for this build."""
    programs: Callable[[Iterable[Artifact]], Mapping[str, Path]] = programs_of
    """What of the build's programs is kept by which name."""
    watcher: Watcher | None = None
    """What sees what units read; None: what they may read is taken in its place."""
    local: bool = True
    """Whether units of local packages are kept too."""


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
def locked_profiles(build_dir: Path, profiles: Iterable[str], *, timeout_s: float | None = 0) -> Iterator[None]:
    """Keep cargo out of the folders of profiles, in its own way.

    Raises Busy after `timeout_s` seconds (None: never), OSError.
    """
    with contextlib.ExitStack() as held:
        for profile in sorted(set(profiles)):
            folder = build_dir / profile
            folder.mkdir(parents=True, exist_ok=True)
            for name in _LOCKS:
                path = folder / name
                if name != _LOCKS[0] and not path.exists():
                    continue
                try:
                    held.enter_context(locked(path, timeout_s=timeout_s))
                except Busy as error:
                    raise Busy(str(folder)) from error
        yield
