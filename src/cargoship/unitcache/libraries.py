"""Standard libraries and allocators that were built here, kept as units are, so that an empty machine has them too.

More than time hangs on it: units are compiled against one standard library, to the bit, and building it again need not
give the same.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from cargoship.oci.digest import Digest
from cargoship.unitcache.index import Entry, Index
from cargoship.unitcache.key import FORMAT
from cargoship.unitcache.pack import UnitFile
from cargoship.unitcache.store import Store
from cargoship.unitcache.unpacking import restore as unpack

Libraries = Mapping[Digest, Path]
"""Folders by their keys. A folder's name stands for all that the library is made from."""
_KINDS = {"std": "standard library", "allocators": "allocator"}
"""By the folder of all that are of a kind."""


def libraries_at(folders: Iterable[Path]) -> dict[Digest, Path]:
    """Libraries by their keys, with the places where they are, or would be made."""
    return {Digest.of(f"{_kind(folder)} {FORMAT} {folder.name}".encode()): folder for folder in folders}


def bring(libraries: Libraries, store: Store, index: Index) -> list[str]:
    """Put those in their places that are not there, and in the store; which ones. Raises CacheUnavailable, OSError."""
    brought = []
    for key, folder in libraries.items():
        entry = index.entries.get(key)
        if entry is None or folder.exists():
            continue
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".making-", dir=folder.parent) as scratch:
            made = Path(scratch) / "made"
            made.mkdir()
            if key in unpack(store, index, [entry], made, stamp_ns=0).keys:
                with contextlib.suppress(OSError):  # another run was quicker
                    made.rename(folder)
                    brought.append(f"{_kind(folder)} {folder.name}")
            shutil.rmtree(made, ignore_errors=True)
    return brought


def files_of(folder: Path) -> list[UnitFile]:
    """A library's files, for a pack."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [UnitFile(path.relative_to(folder).as_posix(), path) for path in paths]


def described(entry: Entry, folder: Path) -> Entry:
    """The entry of a library, which has nothing to be looked for but its key."""
    return replace(entry, name=f"{_kind(folder)} {folder.name}", parts={_kind(folder): folder.name})


def _kind(folder: Path) -> str:
    return _KINDS[folder.parent.name]
