"""A store in a folder, for one machine: the default. It keeps itself below a size.

    <root>/1/index          the index; replaced as a whole
    <root>/1/packs/<hex>    packs; their modification time is that of their last use
    <root>/1/tmp/           files that are not finished
    <root>/1/lock           held while the index changes

`1` is the format's version. Any number of processes may read and write at once, and any may be killed at any time:
readers see the index before a change or after it, and a pack that is in no index is removed by the next change.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from cargoship.errors import CacheUnavailable, ContentInvalid
from cargoship.locks import Busy, locked
from cargoship.oci.digest import Digest
from cargoship.oci.files import replacing, sweep
from cargoship.unitcache.packs.index import FORMAT, UnitEntry, UnitIndex
from cargoship.unitcache.packs.index_format import INDEX_BYTES_MAX, decode_unit_index, encode_unit_index
from cargoship.unitcache.packs.pack import Pack
from cargoship.unitcache.packs.signatures import pruned
from cargoship.unitcache.stores.store import LocalStore, PackSource, Saved, check_may_save

DEFAULT_BYTES_MAX = 10 << 30
_LOCK_S = 60.0
_ROOM = 0.9
"""How full a store is after it had to make room: not each save should have to."""


@dataclass(frozen=True)
class DirectoryStore(LocalStore):
    """The folder `root`, made when something is saved; `bytes_max` is what its packs may have together."""

    root: Path
    bytes_max: int = DEFAULT_BYTES_MAX
    writable: bool = True

    @property
    def name(self) -> str:
        """See Store."""
        return str(self.root)

    def load(self) -> UnitIndex:
        """See Store. An index that is damaged counts as none: the next save makes a new one."""
        with self._reading():
            try:
                with (self._folder / "index").open("rb") as stream:
                    data = stream.read(INDEX_BYTES_MAX + 1)
            except FileNotFoundError:
                return UnitIndex()
        try:
            return decode_unit_index(data)
        except ContentInvalid:
            return UnitIndex()

    @contextlib.contextmanager
    def open_pack(self, pack: Digest, size: int, wanted: Sequence[UnitEntry]) -> Iterator[PackSource]:  # noqa: ARG002 - Store
        """See Store."""
        path = self.pack_path(pack)
        with self._reading():
            stream = path.open("rb", buffering=0)
        with stream:
            # somebody else's store, which cannot be written, makes no room either
            with contextlib.suppress(OSError):
                os.utime(stream.fileno())
            yield _File(self, stream)

    def save(self, packs: Sequence[Pack], change: Callable[[UnitIndex], UnitIndex]) -> Saved:
        """See Store."""
        check_may_save(self)
        with self._writing(), self._locked():
            index = self.load()
            sent = [pack for pack in packs if self._put(pack)]
            index = change(index.with_packs({pack.digest: pack.info for pack in packs}))
            index = self._with_room(index)
            self._write_index(index)
            self._remove_strangers(index.packs)
            return Saved(index, len(sent), sum(pack.size for pack in sent))

    def close(self) -> None:
        """See Store."""

    @property
    def scratch(self) -> Path:
        """See LocalStore."""
        return self._folder / "tmp"

    def pack_path(self, pack: Digest) -> Path:
        """Where a pack is, or would be."""
        return self._folder / "packs" / pack.hex

    @property
    def _folder(self) -> Path:
        return self.root / str(FORMAT)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise CacheUnavailable(f"cannot read {self.name}: {error.strerror or error}") from error

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            hint = "free some space there, or choose another place" if error.errno == errno.ENOSPC else None
            raise CacheUnavailable(f"cannot write {self.name}: {error.strerror or error}", hint=hint) from error

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        for folder in ("packs", "tmp"):
            (self._folder / folder).mkdir(parents=True, exist_ok=True)
        try:
            with locked(self._folder / "lock", timeout_s=_LOCK_S):
                yield
        except Busy as error:
            raise CacheUnavailable(f"{self.name} was locked by another process for {_LOCK_S:.0f} s") from error

    def _put(self, pack: Pack) -> bool:
        """Have a pack; False where it was there. From another file system it is copied first."""
        path = self.pack_path(pack.digest)
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_size == pack.size:
                os.utime(path)
                return False
        try:
            pack.path.replace(path)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            with pack.path.open("rb") as source, replacing(path, unfinished=self._unfinished()) as target:
                shutil.copyfileobj(source, target)
        return True

    def _write_index(self, index: UnitIndex) -> None:
        with replacing(self._folder / "index", unfinished=self._unfinished()) as stream:
            stream.write(encode_unit_index(index))

    def _unfinished(self) -> Path:
        return self.scratch / secrets.token_hex(8)

    def _with_room(self, index: UnitIndex) -> UnitIndex:
        """Without the packs that were not used for longest, if there are too many bytes."""
        if index.size <= self.bytes_max:
            return index
        used = self.last_used(index.packs)
        left, gone = index.size, []
        for pack in sorted(index.packs, key=lambda pack: (used.get(pack, 0), pack)):
            if left <= self.bytes_max * _ROOM:
                break
            left -= index.packs[pack].size
            gone.append(pack)
        return pruned(index.without_packs(gone))

    def last_used(self, packs: Collection[Digest]) -> Mapping[Digest, int]:
        """See `Store.last_used`; packs that are gone are left out."""
        used = {}
        for pack in packs:
            with contextlib.suppress(OSError):
                used[pack] = self.pack_path(pack).stat().st_mtime_ns
        return used

    def _remove_strangers(self, packs: Collection[Digest]) -> None:
        """Remove packs that the index does not know, and what killed processes left. Only while the lock is held."""
        known = {pack.hex for pack in packs}
        for file in _files(self._folder / "packs"):
            if file.name not in known:
                Path(file.path).unlink(missing_ok=True)
        now_ns = (self._folder / "index").stat().st_mtime_ns
        sweep(self.scratch, now_ns)


class _File(Struct, frozen=True):
    store: DirectoryStore
    stream: BinaryIO

    def frame(self, entry: UnitEntry) -> bytes:
        """See PackSource."""
        try:
            # an index may say anything, and memory for all that it says would be taken first
            left = max(os.fstat(self.stream.fileno()).st_size - entry.offset, 0)
            data = os.pread(self.stream.fileno(), min(entry.length, left), entry.offset)
        except OSError as error:
            raise CacheUnavailable(f"cannot read {self.store.name}: {error.strerror or error}") from error
        if len(data) != entry.length:
            raise CacheUnavailable(f"a pack of {self.store.name} is cut off")
        return data


def _files(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as found:
        return list(found)
