"""What the tests keep on this machine between runs and checkouts: cargoship's own cache folder.

Compiled units, standard libraries, what Zig compiles of itself, and allocators are in it, as they are for a user. It is
apart from the cache of the person who runs the tests. The folder's name holds a digest of cargoship's sources that
decide how something is compiled, so nothing that other sources have compiled is taken for their work: inside of it
cargoship's own keys tell apart what differs by project, compiler, Zig, flags and environment.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import platformdirs

from support.programs import REPOSITORY

_SOURCES = REPOSITORY / "src" / "cargoship"
# what compilers are started with; what merely decides whether to start them is tested with caches of its own
_DECIDING = ("toolchain", "cargo/command.py", "platforms.py", "compile.py", "cook.py", "run_cargo.py")
# standard libraries are expensive, and these alone have a say in them: they are shared where these are equal
_DECIDING_STD = (*(f"toolchain/{name}.py" for name in ("sysroot", "startfiles", "rust", "zig")), "platforms.py")
_SHARED = ("std", "startfiles")
_KEPT_MAX = 4
_IN_USE_S = 24 * 3600


def kept_root() -> Path:
    """Where everything is that the tests keep."""
    named = os.environ.get("SHIP_TESTS_CACHE")
    return Path(named) if named else platformdirs.user_cache_path("cargoship-tests")


def cache_folder() -> Path:
    """The folder, made if it is not there; the least recently used of many others are removed."""
    root = kept_root()
    folder = root / f"compiled-{_digest(_DECIDING)}"
    shared = {name: root / f"{name}-{_digest(_DECIDING_STD)}" for name in _SHARED}
    for each in (folder, *shared.values()):
        each.mkdir(parents=True, exist_ok=True)
        os.utime(each)
    for name, target in shared.items():
        # another process of the same run may be as far
        with contextlib.suppress(FileExistsError):
            (folder / name).symlink_to(Path("..") / target.name)
    for pattern in ("compiled-*", *(f"{name}-*" for name in _SHARED)):
        _forget(root, pattern)
    return folder


def _digest(names: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for path in _files(names):
        data = path.read_bytes()
        digest.update(f"{path.relative_to(_SOURCES)}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()[:12]


def _files(names: Iterable[str]) -> Iterator[Path]:
    for name in names:
        place = _SOURCES / name
        if not place.exists():
            raise FileNotFoundError(f"{place} decides how something is compiled: where is it now?")
        found = [place] if place.is_file() else place.rglob("*")
        yield from sorted(path for path in found if path.is_file() and "__pycache__" not in path.parts)


def _forget(root: Path, pattern: str) -> None:
    """Bound what is kept: a folder a set of sources, a gigabyte each; one that may be in use stays."""
    folders = sorted(root.glob(pattern), key=lambda path: path.stat().st_mtime, reverse=True)
    for folder in folders[_KEPT_MAX:]:
        if time.time() - folder.stat().st_mtime > _IN_USE_S:
            shutil.rmtree(folder, ignore_errors=True)
