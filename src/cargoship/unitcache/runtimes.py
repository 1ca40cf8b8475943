"""What Zig compiles of itself, kept as units are: stubs of glibc, musl, libc++, the compiler's runtime.

An entry holds what one build has added for one target, so that nothing is ever replaced, and two that save at once keep
what both have made. It is used if every file of Zig's library that its manifests name has the content that it had.
Zig remains the judge: it looks at its manifests as it does at those that it has written itself.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct, field

from cargoship.locks import Busy, locked
from cargoship.oci.digest import Digest
from cargoship.oci.files import replacing
from cargoship.scratch import scratch
from cargoship.toolchain.runtime import Runtime
from cargoship.toolchain.zigcache import (
    MANIFEST_BYTES_MAX,
    MANIFESTS,
    SETTINGS,
    Read,
    files_read,
    portable,
    settled,
)
from cargoship.unitcache.keys.key import FORMAT
from cargoship.unitcache.packs.index import UnitEntry, UnitIndex
from cargoship.unitcache.packs.pack import UnitFile
from cargoship.unitcache.stores.store import Store
from cargoship.unitcache.unpacking import unpack_units

LIBRARY = ":zig library"
"""In the place of a path: the files of Zig's library that an entry was made from."""
_NAME = "runtime of "
"""How names of entries begin."""
_PART, _TARGET = "zig", "zig target"
_KEPT = ".kept"
"""Beside what was made: by keys of entries, the names of what each holds."""
_UNFINISHED = ("tmp", "z")
_BYTES_MAX = 512 << 20
_ENTRIES_MAX = 16
"""Of one target. Zig compiles some parts again where it lies in another folder; not each of them can be kept."""

Tell = Callable[[str], None]
"""Is given a line on what is not used, or not kept, and why."""


class Addition(Struct, frozen=True):
    """What an entry would have to hold: what has been made for a target since the last one."""

    entry: UnitEntry
    """All that is known before it is packed."""
    folder: Path
    files: tuple[UnitFile, ...]
    names: frozenset[str]

    def mark(self) -> None:
        """Remember that it is kept. Raises OSError."""
        _write_mark(self.folder, self.entry.key, self.names)


class _Library(Struct):
    """Digests of files below Zig's library, each read once."""

    root: Path
    _known: dict[str, str] = field(default_factory=dict)

    def digest(self, names: Iterable[str]) -> Digest:
        """Of the content of all these; raises OSError."""
        sha = hashlib.sha256()
        for name in sorted(set(names)):
            if name not in self._known:
                self._known[name] = hashlib.sha256((self.root / name).read_bytes()).hexdigest()
            sha.update(f"{name}\0{self._known[name]}\0".encode())
        return Digest(sha.hexdigest())


def restore_runtime(runtime: Runtime, store: Store, index: UnitIndex, *, tell: Tell) -> list[str]:
    """Put what the store has for these targets where Zig looks for it; which ones. Raises CacheUnavailable, OSError."""
    library = _Library(runtime.library)
    brought = []
    for target, made_by in runtime.targets.items():
        folder = runtime.root / target
        there = _marks(folder)
        for entry in _entries(index, target, made_by):
            if entry.key in there:
                continue
            folder.mkdir(parents=True, exist_ok=True)
            with scratch(".bringing-", folder) as come:
                done = unpack_units(store, index, [entry], come, stamp_ns=0)
                if entry.key not in done.keys:
                    tell(f"{entry.name} is not used: {done.failed.get(entry.key, 'it is not in the cache')}")
                    continue
                found = tuple(_files_of(come))
                unfit = _unfit(entry, come, found, library)
                if unfit:
                    tell(f"{entry.name} is not used: {unfit}")
                    continue
                _put(found, come, folder, runtime.library)
                _write_mark(folder, entry.key, frozenset(file.name for file in found))
                brought.append(target)
    return list(dict.fromkeys(brought))


def kept(runtime: Runtime | None, index: UnitIndex) -> frozenset[Digest]:
    """The keys of the entries for these targets: what a build needs that is like the last one."""
    return frozenset(
        entry.key
        for target, made_by in (runtime.targets if runtime is not None else {}).items()
        for entry in _entries(index, target, made_by)
    )


def additions(runtime: Runtime | None, index: UnitIndex, *, tell: Tell) -> list[Addition]:
    """What was made for these targets and is in no entry. Raises OSError."""
    if runtime is None:
        return []
    library = _Library(runtime.library)
    found = []
    for target, made_by in runtime.targets.items():
        folder = runtime.root / target
        if len(_entries(index, target, made_by)) >= _ENTRIES_MAX:
            tell(f"what Zig has made for {target} is not kept: the cache has {_ENTRIES_MAX} parts of it")
            continue
        if _is_busy(folder):
            tell(f"what Zig has made for {target} is not kept: another Zig is at work there")
            continue
        held = {name for key, names in _marks(folder).items() if key in index.entries for name in names}
        files: dict[str, UnitFile] = {}
        read: set[str] = set()
        for found_there in _files_of(folder):
            if found_there.name not in held:
                files[found_there.name] = found_there.file
                read |= found_there.sources
        if not any(name.partition("/")[0] != SETTINGS for name in files):
            continue
        size = sum(_size(file) for file in files.values())
        if size > _BYTES_MAX:
            tell(f"what Zig has made for {target} is not kept: {size} bytes are more than {_BYTES_MAX}")
            continue
        parts = {"format": FORMAT, _PART: made_by, _TARGET: target}
        key = Digest.of("\0".join(["zig runtime", *parts.values(), *sorted(files)]).encode())
        nothing = Digest.of(b"")
        entry = UnitEntry(
            key, nothing, 0, 0, nothing, 0,
            name=f"{_NAME}{made_by.partition(' by ')[0]} for {target}", parts=parts,
            inputs={LIBRARY: library.digest(read)},
        )  # fmt: skip
        found.append(Addition(entry, folder, tuple(files.values()), frozenset(files)))
    return found


def _entries(index: UnitIndex, target: str, made_by: str) -> list[UnitEntry]:
    return [
        entry
        for entry in index.named(_NAME)
        if entry.parts.get(_TARGET) == target
        and entry.parts.get(_PART) == made_by
        and entry.parts.get("format") == FORMAT
    ]


class _Found(Struct, frozen=True):
    """A file that can travel."""

    name: str
    """Stands for the content."""
    file: UnitFile
    read: tuple[Read, ...] = ()
    """What a manifest names."""

    @property
    def sources(self) -> frozenset[str]:
        """What it was made from of Zig's library."""
        return frozenset(each.path for each in self.read if each.in_library)


def _files_of(folder: Path) -> Iterator[_Found]:
    """All that can travel; manifests, which are bytes, are read once for all that is done with them."""
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        name = path.relative_to(folder).as_posix()
        top = name.partition("/")[0]
        if top.startswith(".") or top in _UNFINISHED or path.is_symlink() or not path.is_file():
            continue
        if top != MANIFESTS:
            # a compilation that was ended may have left a part of a file, which the next one completes
            yield _Found(f"{name} {path.stat().st_size}", UnitFile(name, path))
            continue
        # one that is unfinished, or names files of a project, is none of ours
        with contextlib.suppress(ValueError, OSError):
            manifest = _read(path)
            read = files_read(manifest)
            data = portable(manifest, read)
            yield _Found(f"{name} {Digest.of(data).short}", UnitFile(name, data), read)


def _unfit(entry: UnitEntry, come: Path, found: Iterable[_Found], library: _Library) -> str:
    """Why what has come cannot be used; nothing where it was made from files that Zig's library has here too."""
    readable = {file.file.path for file in found if isinstance(file.file.source, bytes)}
    there = {f"{MANIFESTS}/{path.name}" for path in _manifests(come)}
    if readable != there:
        return f"{len(there - readable)} of its {len(there)} manifests cannot be read"
    try:
        same = library.digest(name for file in found for name in file.sources) == entry.inputs.get(LIBRARY)
    except (ValueError, OSError) as error:
        return f"it was made from a file that Zig's library does not have: {error}"
    return "" if same else "it was made from another content of Zig's library"


def _put(found: Iterable[_Found], come: Path, folder: Path, library: Path) -> None:
    """Move what is not there yet into a target's folder, manifests last. Raises OSError."""
    manifests = []
    for each in found:
        place = folder / each.file.path
        if isinstance(each.file.source, bytes):
            manifests.append((each.file.path, each.file.source, each.read))
        elif not (place.is_file() and place.stat().st_size == _size(each.file)):
            place.parent.mkdir(parents=True, exist_ok=True)
            each.file.source.replace(place)
    (folder / MANIFESTS).mkdir(exist_ok=True)
    for path, manifest, read in manifests:
        place = folder / path
        # what Zig has written here itself is better; an empty one is of a compilation that was ended
        if place.is_file() and place.stat().st_size:
            continue
        with contextlib.suppress(ValueError, FileNotFoundError):
            made = settled(manifest, read, library=library, cache=folder)
            (come / path).write_bytes(made)
            (come / path).replace(place)


def _is_busy(folder: Path) -> bool:
    """Whether a Zig compiles for this target now: it holds the lock of a manifest that it is to write."""
    for path in _manifests(folder):
        try:
            with locked(path, shared=True, timeout_s=0):
                pass
        except Busy:
            return True
    return False


def _manifests(folder: Path) -> list[Path]:
    place = folder / MANIFESTS
    return sorted(path for path in place.iterdir() if path.is_file()) if place.is_dir() else []


def _read(path: Path) -> bytes:
    if path.stat().st_size > MANIFEST_BYTES_MAX:
        raise ValueError(f"{path.name} is too large")
    return path.read_bytes()


def _size(file: UnitFile) -> int:
    return len(file.source) if isinstance(file.source, bytes) else file.source.stat().st_size


def _marks(folder: Path) -> Mapping[Digest, frozenset[str]]:
    place = folder / _KEPT
    found = {}
    for path in place.iterdir() if place.is_dir() else ():
        with contextlib.suppress(ValueError, OSError):
            found[Digest(path.name)] = frozenset(path.read_text(encoding="utf-8").splitlines())
    return found


def _write_mark(folder: Path, key: Digest, names: frozenset[str]) -> None:
    place = folder / _KEPT
    with replacing(place / key.hex) as stream:
        stream.write("".join(f"{name}\n" for name in sorted(names)).encode())
