"""Standard libraries, allocators and what watches reads: built here, and kept as units are, for empty machines.

More than time hangs on it: units are compiled against one standard library, to the bit, and building it again need not
give the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from cargoship.oci.digest import Digest
from cargoship.oci.files import atomic_folder
from cargoship.unitcache.keys.key import FORMAT
from cargoship.unitcache.packs.index import UnitEntry, UnitIndex
from cargoship.unitcache.packs.pack import UnitFile
from cargoship.unitcache.stores.store import Store
from cargoship.unitcache.unpacking import unpack_units

Libraries = Mapping[Digest, Path]
"""Folders by their keys. A folder's name stands for all that the library is made from."""
_KINDS = {
    "std": "standard library", "allocators": "allocator", "watching": "library that watches reads",
    "probes": "health probe",
}  # fmt: skip
"""By the folder of all that are of a kind."""


class _Incomplete(Exception):
    """The store has promised a library that it has not."""


def libraries_at(folders: Iterable[Path]) -> dict[Digest, Path]:
    """Libraries by their keys, with the places where they are, or would be made."""
    return {Digest.of(f"{_kind(folder)} {FORMAT} {folder.name}".encode()): folder for folder in folders}


def restore_libraries(libraries: Libraries, store: Store, index: UnitIndex) -> list[str]:
    """Put those in their places that are not there, and in the store; which ones. Raises CacheUnavailable, OSError."""
    brought = []
    for key, folder in libraries.items():
        entry = index.entries.get(key)
        if entry is None or folder.exists():
            continue
        with contextlib.suppress(_Incomplete):
            with atomic_folder(folder) as made:
                if key not in unpack_units(store, index, [entry], made, stamp_ns=0).keys:
                    raise _Incomplete
            brought.append(f"{_kind(folder)} {folder.name}")
    return brought


def library_files(folder: Path) -> list[UnitFile]:
    """A library's files, for a pack."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [UnitFile(path.relative_to(folder).as_posix(), path) for path in paths]


def described(entry: UnitEntry, folder: Path) -> UnitEntry:
    """The entry of a library, which has nothing to be looked for but its key."""
    return replace(entry, name=f"{_kind(folder)} {folder.name}", parts={_kind(folder): folder.name})


def _kind(folder: Path) -> str:
    return _KINDS[folder.parent.name]
