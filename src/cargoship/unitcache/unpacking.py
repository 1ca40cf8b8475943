"""Reading units out of packs, into a build directory: several packs at a time, with bounded memory.

Nothing in an index or a pack is believed before it is checked: the digest of each frame before it is unpacked, what it
unpacks to while that happens, and its paths before the first file is written.
"""

from __future__ import annotations

import errno
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path, PurePosixPath

from msgspec import Struct, field

from cargoship.errors import CacheUnavailable, CargoshipError, ContentInvalid
from cargoship.http.budget import Budget
from cargoship.http.parallel import each
from cargoship.oci.digest import Digest
from cargoship.oci.zstd import DecompressionParameter, ZstdDecompressor, ZstdError
from cargoship.unitcache.builddir.unit_writer import Read, site
from cargoship.unitcache.packs.frame import (
    CONTENT,
    FRAME_BYTES_MAX,
    UNIT_BYTES_MAX,
    WINDOW_LOG,
    FileKind,
    FileRecord,
    head_end,
    read_head,
)
from cargoship.unitcache.packs.index import UnitEntry, UnitIndex
from cargoship.unitcache.packs.memory import MemoryLimit
from cargoship.unitcache.stores.store import PackSource, Store

_JOBS = 2
"""Threads that unpack: processors do it, and each thread keeps memory for the largest unit that it has had."""
_PIECE_BYTES = 256 * 1024
"""Units are unpacked in pieces. Larger ones would each be new memory, which the kernel clears page by page: that cost
more than all the rest of a restore."""
_MEMORY_BYTES = 64 << 20
_IN_THE_WAY = {errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ENAMETOOLONG, errno.ELOOP}
"""What only the one unit has to do with whose file cannot be written."""


class UnpackResult(Struct, frozen=True):
    """What a restore came to."""

    keys: frozenset[Digest] = frozenset()
    """Units that are in their places."""
    failed: Mapping[Digest, str] = field(default_factory=dict)
    """Units that are not, and why: their packs are gone, or are not what the index promised."""
    damaged: frozenset[Digest] = frozenset()
    """Those of them that are not what the index promised: nobody can have them any more."""
    unpacked: int = 0
    """Bytes of all files."""
    read: int = 0
    """Bytes of all frames."""


def unpack_units(
    store: Store,
    index: UnitIndex,
    wanted: Iterable[UnitEntry],
    into: Path,
    *,
    stamp_ns: int,
    keep: bool = False,
    jobs: int = _JOBS,
) -> UnpackResult:
    """Put units into the build directory `into`; every file gets the modification time `stamp_ns`.

    With `keep`, files that exist already stay as they are. `index` is where the entries are from. A unit that cannot be
    restored is no error, but a build directory that cannot be written is: CacheUnavailable.
    """
    listed = _listed(index, wanted)
    if not listed.packs:
        return UnpackResult(failed=listed.failed, damaged=frozenset(listed.failed))
    try:
        with site(into, stamp_ns=stamp_ns, keep=keep) as place:
            return _unpacked(store, index, listed, lambda _, rows, read: place.place(rows, read), jobs)
    except OSError as error:
        raise CacheUnavailable(f"cannot write {into}: {error.strerror or error}") from error


def unpack_single(
    store: Store,
    index: UnitIndex,
    wanted: Iterable[UnitEntry],
    choose: Callable[[FileRecord], bool],
    into: Path,
    *,
    jobs: int = _JOBS,
) -> dict[Digest, Path]:
    """Write one file of each unit, the one that `choose` takes, into `into`: its place, by the unit's key.

    A unit that cannot be restored has none, and nor has one with several such files, or without any. Nothing else of a
    unit is written, and no folder is made: each costs as much as a file. Raises CacheUnavailable for a folder that
    cannot be written.
    """
    found: dict[Digest, Path] = {}

    def put(entry: UnitEntry, rows: Sequence[FileRecord], read: Read) -> int:
        chosen = [row for row in rows if row.kind in CONTENT and choose(row)]
        if len(chosen) != 1:
            raise ContentInvalid(f"{entry.name or entry.key} has {len(chosen)} files of the kind that is wanted")
        place = into / f"{entry.key.hex}{PurePosixPath(chosen[0].path).suffix}"
        for row in rows:
            if row is chosen[0]:
                _write(place, row, read)
            elif row.kind in CONTENT:
                for _ in read(row.size):
                    pass
        found[entry.key] = place
        return chosen[0].size

    try:
        into.mkdir(parents=True, exist_ok=True)
        done = _unpacked(store, index, _listed(index, {entry.key: entry for entry in wanted}.values()), put, jobs)
    except OSError as error:
        raise CacheUnavailable(f"cannot write {into}: {error.strerror or error}") from error
    return {key: place for key, place in found.items() if key in done.keys}


def _write(place: Path, row: FileRecord, read: Read) -> None:
    mode = 0o777 if row.kind is FileKind.PROGRAM else 0o666
    with open(place, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as stream:
        stream.writelines(read(row.size))


Put = Callable[[UnitEntry, Sequence[FileRecord], Read], int]
"""Puts a unit where it belongs; how many bytes that were. Raises ContentInvalid, OSError."""


class _Listed(Struct, frozen=True):
    """Units by the packs that they are in, and those of which there is none."""

    packs: Mapping[Digest, Sequence[UnitEntry]]
    failed: dict[Digest, str]


def _listed(index: UnitIndex, wanted: Iterable[UnitEntry]) -> _Listed:
    packs: dict[Digest, list[UnitEntry]] = defaultdict(list)
    failed: dict[Digest, str] = {}
    for entry in wanted:
        if entry.pack not in index.packs:
            failed[entry.key] = "its pack is gone"
        else:
            packs[entry.pack].append(entry)
    return _Listed(packs, failed)


def _unpacked(store: Store, index: UnitIndex, listed: _Listed, put: Put, jobs: int) -> UnpackResult:
    """Read units, each of which is `put` into its place; raises what that raises which concerns more than one unit."""
    failed = listed.failed
    gone = frozenset(failed)
    budget = Budget()
    work = _Work(store, put, MemoryLimit(_MEMORY_BYTES), budget)
    # the largest first, so that none is left over at the end
    ordered = sorted(listed.packs.items(), key=lambda item: -sum(entry.unpacked for entry in item[1]))
    tasks = [(pack, index.packs[pack].size, entries) for pack, entries in ordered]
    if len(tasks) > jobs:
        # more of them travel at a time than are unpacked
        store.prefetch(index, [entry for _, entries in ordered for entry in entries])
    # closed at once after an error or Ctrl-C: then nobody waits for a connection that has stalled
    with closing(each(work.pack, tasks, jobs=jobs, budget=budget)) as done:
        results = list(done)
    for result in results:
        failed |= result.failed
    return UnpackResult(
        frozenset().union(*(result.keys for result in results)),
        failed,
        gone.union(*(result.damaged for result in results)),
        sum(result.unpacked for result in results),
        sum(result.read for result in results),
    )


class _Work(Struct, frozen=True):
    store: Store
    put: Put
    room: MemoryLimit
    budget: Budget

    def pack(self, task: tuple[Digest, int, Sequence[UnitEntry]]) -> UnpackResult:
        """The units of one pack, of which the size is known."""
        pack, size, entries = task
        keys, failed, damaged, unpacked, read = set(), {}, set(), 0, 0
        ordered = sorted(entries, key=lambda entry: entry.offset)
        try:
            with self.store.open_pack(pack, size, ordered) as source:
                for entry in ordered:
                    self.budget.check()
                    try:
                        unpacked += self._unit(source, entry, size)
                    except ContentInvalid as error:
                        failed[entry.key] = error.message
                        damaged.add(entry.key)
                    except OSError as error:
                        if error.errno not in _IN_THE_WAY:
                            raise
                        failed[entry.key] = f"{error.filename2 or error.filename}: {error.strerror}"
                    else:
                        keys.add(entry.key)
                        read += entry.length
        except CargoshipError as error:
            # what was not read yet
            failed |= {each.key: error.message for each in ordered if each.key not in keys and each.key not in failed}
        return UnpackResult(frozenset(keys), failed, frozenset(damaged), unpacked, read)

    def _unit(self, source: PackSource, entry: UnitEntry, size: int) -> int:
        check_bounds(entry, size)
        memory = _PIECE_BYTES + min(entry.unpacked, 1 << WINDOW_LOG)
        with self.room.taken(entry.length + memory):
            content = FrameReader(verified_frame(source, entry), entry.unpacked)
            rows = content.rows()
            return self.put(entry, rows, content.read)


def check_bounds(entry: UnitEntry, size: int) -> None:
    """Raise ContentInvalid for an entry that cannot be in a pack of `size` bytes, or is too large for any use."""
    inside = entry.offset >= 0 and 0 < entry.length <= FRAME_BYTES_MAX and entry.offset + entry.length <= size
    if not inside or not 0 < entry.unpacked <= UNIT_BYTES_MAX:
        raise ContentInvalid(f"the index places {entry.name or entry.key} outside of its pack")


def verified_frame(source: PackSource, entry: UnitEntry) -> bytes:
    """The bytes of a frame, which are what the index promised; raises ContentInvalid."""
    data = source.frame(entry)
    if Digest.of(data) != entry.frame:
        raise ContentInvalid(f"the bytes of {entry.name or entry.key} are not what the index promised")
    return data


class FrameReader:
    """The content of a frame, from its start, as it is asked for; raises ContentInvalid for what is none."""

    def __init__(self, data: bytes, unpacked: int) -> None:
        self._data = data
        self._size = unpacked
        self._decompressor = ZstdDecompressor(options={DecompressionParameter.window_log_max: WINDOW_LOG})
        self._piece = memoryview(b"")
        self._come = 0

    def rows(self) -> tuple[FileRecord, ...]:
        """The unit's files; afterwards `read` gives their content. Everything about them is checked."""
        start = self._next()
        while (end := head_end(start)) is None or end > len(start):
            # rare: a head that is longer than a piece
            more = self._next()
            if not more:
                raise ContentInvalid("a unit ends before its content")
            start = memoryview(b"".join((start, more)))
        self._piece = start[end:]
        return read_head(start[:end], self._size)

    def read(self, size: int) -> Iterator[memoryview]:
        """The next `size` bytes."""
        while size:
            if not self._piece:
                self._piece = self._next()
                if not self._piece:
                    raise ContentInvalid("a unit ends before its content")
            piece, self._piece = self._piece[:size], self._piece[size:]
            size -= len(piece)
            yield piece

    def _next(self) -> memoryview:
        if self._decompressor.eof:
            return memoryview(b"")
        data, self._data = self._data, b""
        try:
            # one byte more than there should be tells that there is more
            piece = self._decompressor.decompress(data, max_length=min(_PIECE_BYTES, self._size - self._come + 1))
        except ZstdError as error:
            raise ContentInvalid(f"a unit cannot be unpacked: {error}") from error
        self._come += len(piece)
        if self._come > self._size:
            raise ContentInvalid(f"a unit unpacks to more than the {self._size} bytes that it should have")
        return memoryview(piece)
