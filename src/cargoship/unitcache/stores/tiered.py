"""A folder of this machine in front of stores that are far away.

What is read from afar stays here; what is saved is saved here first, and then there, together with what this machine
had before and they have not. A store that fails is warned of once, and left alone: the others go on.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from io import RawIOBase
from pathlib import Path

from msgspec.structs import replace

from cargoship.errors import CacheUnavailable
from cargoship.oci.digest import Digest
from cargoship.unitcache.packs.index import BuildRecord, UnitEntry, UnitIndex
from cargoship.unitcache.packs.pack import Pack
from cargoship.unitcache.packs.signatures import covering
from cargoship.unitcache.stores.store import LocalStore, PackSource, Saved, Store

_JOBS = 4
_WHOLE_BYTES = 64 << 20
"""A pack up to this size may be asked for as a whole: some stores hold in memory what was asked for at once."""
_PIECE_BYTES = 1 << 20
"""What of a pack is in memory on its way to a file."""

Warn = Callable[[Store, CacheUnavailable], None]


@dataclass
class _Shared:
    lock: threading.Lock = field(default_factory=threading.Lock)
    warned: set[str] = field(default_factory=set)
    indexes: dict[str, UnitIndex] = field(default_factory=dict)
    """What each store had when it was read, by its name."""
    coming: dict[Digest, Future[None]] = field(default_factory=dict)
    """Packs that were asked for before somebody needs them."""
    brought: list[Pack] = field(default_factory=list)
    """Packs that were read from afar as a whole, in the scratch folder."""
    givers: dict[Digest, str] = field(default_factory=dict)
    """Which store each pack came from."""


@dataclass(frozen=True)
class Tiered(LocalStore):
    """`local` in front of `remotes`. `warn` is called for each store's first failure."""

    local: LocalStore
    remotes: tuple[Store, ...]
    warn: Warn
    shared: _Shared = field(default_factory=_Shared, repr=False)

    @property
    def name(self) -> str:
        """See Store."""
        return " and ".join(store.name for store in self._all)

    @property
    def writable(self) -> bool:
        """See Store."""
        return any(store.writable for store in self._all)

    @property
    def scratch(self) -> Path:
        """See LocalStore."""
        return self.local.scratch

    def pack_path(self, pack: Digest) -> Path:
        """See LocalStore."""
        return self.local.pack_path(pack)

    def load(self) -> UnitIndex:
        """See Store: everything together. Never fails."""
        index = UnitIndex()
        for store in self._all:
            with self._forgiving(store):
                found = store.load()
                self.shared.indexes[store.name] = found
                index = index.merged(found)
        return index

    @contextlib.contextmanager
    def open_pack(self, pack: Digest, size: int, wanted: Sequence[UnitEntry]) -> Iterator[PackSource]:
        """See Store: from the first store that has it. Most of a pack is read as a whole, and kept."""
        with self.shared.lock:
            coming = self.shared.coming.get(pack)
        if coming is not None:
            wait([coming])
        with contextlib.ExitStack() as opened:
            yield self._open(opened, pack, size, wanted)

    def prefetch(self, index: UnitIndex, wanted: Iterable[UnitEntry]) -> None:
        """See Store: packs from afar."""
        packs: dict[Digest, list[UnitEntry]] = {}
        coming = self.shared.coming
        for entry in wanted:
            if entry.pack in index.packs and entry.pack not in coming and not self.pack_path(entry.pack).exists():
                packs.setdefault(entry.pack, []).append(entry)
        if not packs:
            return

        def read(pack: Digest) -> None:
            with contextlib.suppress(CacheUnavailable), contextlib.ExitStack() as opened:
                self._open(opened, pack, index.packs[pack].size, packs[pack])

        # in the order in which they are unpacked
        ordered = sorted(packs, key=lambda pack: -sum(entry.unpacked for entry in packs[pack]))
        pool = ThreadPoolExecutor(_JOBS, thread_name_prefix="bring")
        with self.shared.lock:
            coming |= {pack: pool.submit(read, pack) for pack in ordered if pack not in coming}
        pool.shutdown(wait=False)

    def giver(self, pack: Digest) -> str:
        """See Store."""
        return self.shared.givers.get(pack, self.local.name)

    def lacks(self, plan: BuildRecord) -> bool:
        """See Store."""
        for store in self._all:
            held = self.shared.indexes.get(store.name)
            if (
                held is not None
                and store.writable
                and (plan.key not in held.plans or plan.needed - held.entries.keys())
            ):
                return True
        return False

    def save(self, packs: Sequence[Pack], change: Callable[[UnitIndex], UnitIndex]) -> Saved:
        """See Store. What counts is the local folder; without one that can be written, the first remote store."""
        saved: list[Saved] = []
        with self._forgiving(self.local):
            if self.local.writable:
                saved.append(self.local.save(packs, change))
                packs = [self._moved(pack) for pack in packs]
        for remote in self.remotes:
            if remote.writable:
                with self._forgiving(remote):
                    saved.append(self._save_remote(remote, packs, change, saved[0].index if saved else UnitIndex()))
        if not saved:
            raise CacheUnavailable(f"nothing could be saved in {self.name}")
        return Saved(saved[0].index, sum(each.packs for each in saved), sum(each.size for each in saved))

    def stop(self) -> None:
        """See Store."""
        with self.shared.lock:
            coming = tuple(self.shared.coming.values())
        for each in coming:
            each.cancel()
        for store in self._all:
            store.stop()

    def close(self) -> None:
        """See Store: what was read from afar is kept here, and nothing more is."""
        wait([each for each in self.shared.coming.values() if not each.cancel()])
        brought, self.shared.brought = self.shared.brought, []
        if brought:
            with self._forgiving(self.local):
                self.local.save(brought, self._with_brought)
        for pack in brought:
            pack.path.unlink(missing_ok=True)
        for store in self._all:
            store.close()

    @property
    def _all(self) -> tuple[Store, ...]:
        return (self.local, *self.remotes)

    @contextlib.contextmanager
    def _forgiving(self, store: Store) -> Iterator[None]:
        try:
            yield
        except CacheUnavailable as error:
            with self.shared.lock:
                new = store.name not in self.shared.warned
                self.shared.warned.add(store.name)
            if new:
                self.warn(store, error)

    def _open(self, opened: contextlib.ExitStack, pack: Digest, size: int, wanted: Sequence[UnitEntry]) -> PackSource:
        failure = CacheUnavailable(f"no cache has the pack sha256:{pack.short}")
        keep = self.local.writable and size <= _WHOLE_BYTES and sum(entry.length for entry in wanted) * 2 > size
        with self.shared.lock:
            brought = next((each for each in self.shared.brought if each.digest == pack), None)
        if brought is not None:
            with contextlib.suppress(CacheUnavailable):
                return _opened(opened, brought.path)
        for store in self._all:
            index = self.shared.indexes.get(store.name)
            if index is not None and pack not in index.packs:
                continue
            try:
                path = self._fetch(store, pack, size) if keep and store is not self.local else None
                source: PackSource = (
                    opened.enter_context(store.open_pack(pack, size, wanted)) if path is None else _opened(opened, path)
                )
                self.shared.givers.setdefault(pack, store.name)
                return source  # noqa: TRY300 - what fails is tried at the next one
            except CacheUnavailable as error:
                failure = error
                if store is not self.local:
                    with self._forgiving(store):
                        raise
        raise failure

    def _fetch(self, store: Store, pack: Digest, size: int) -> Path | None:
        """Read a whole pack into a file of the scratch folder, for the local store; None: no file can be written."""
        path = self.scratch / f"{pack.short}-{secrets.token_hex(8)}.pack"
        sha256 = hashlib.sha256()
        everything = UnitEntry(pack, pack, 0, size, pack, size)
        try:
            self.scratch.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file, store.open_pack(pack, size, [everything]) as source:
                for start in range(0, size, _PIECE_BYTES):
                    length = min(_PIECE_BYTES, size - start)
                    data = source.frame(UnitEntry(pack, pack, start, length, pack, length))
                    sha256.update(data)
                    file.write(data)
        except BaseException as error:
            with contextlib.suppress(OSError):
                path.unlink()
            if isinstance(error, OSError):
                return None
            raise
        if sha256.hexdigest() != pack.hex:
            path.unlink()
            raise CacheUnavailable(f"the cache {store.name} has another content than sha256:{pack.short}")
        with self.shared.lock:
            self.shared.brought.append(Pack(path, pack, size, ()))
        return path

    def _with_brought(self, index: UnitIndex) -> UnitIndex:
        """With what remote stores said of packs that are kept here now; what is known and taken here stays."""
        found: dict[Digest, UnitEntry] = {}
        for each in self.shared.indexes.values():
            found |= {key: entry for key, entry in each.entries.items() if entry.pack in index.packs}
        here = self.shared.indexes.get(self.local.name, UnitIndex())
        new = [entry for key, entry in found.items() if key not in index.entries or key in here.refused]
        for each in self.shared.indexes.values():
            index = index.with_signatures(covering(each.signatures, new))
        return index.with_entries(new)

    def _save_remote(
        self, remote: Store, packs: Sequence[Pack], change: Callable[[UnitIndex], UnitIndex], local: UnitIndex
    ) -> Saved:
        """Save there too, and what the new plans need that is here but not there."""
        there = remote.load()
        changed = change(there.with_packs({pack.digest: pack.info for pack in packs}))
        plans = [plan for key, plan in changed.plans.items() if there.plans.get(key) != plan]
        needed = frozenset().union(*(plan.needed for plan in plans)) - changed.entries.keys()
        lacking = [local.entries[key] for key in needed if key in local.entries]
        carried = covering(local.signatures, lacking)
        sent = {pack.digest for pack in packs} | there.packs.keys()
        known = {entry.pack: local.packs[entry.pack] for entry in lacking}
        more = [
            Pack(self.local.pack_path(digest), digest, info.size, (), info.units)
            for digest, info in known.items()
            if digest not in sent
        ]

        def with_lacking(index: UnitIndex) -> UnitIndex:
            index = change(index.with_packs(known)).with_signatures(carried)
            return index.with_entries(
                entry for entry in lacking if entry.key not in index.entries or entry.key in there.refused
            )

        return remote.save([*packs, *more], with_lacking)

    def _moved(self, pack: Pack) -> Pack:
        """A pack that the local store has taken."""
        path = self.local.pack_path(pack.digest)
        return replace(pack, path=path) if path.is_file() else pack


@dataclass(frozen=True)
class _Scratch:
    """A pack in the scratch folder, of which a frame at a time is in memory."""

    stream: RawIOBase

    def frame(self, entry: UnitEntry) -> bytes:
        """See PackSource."""
        try:
            return os.pread(self.stream.fileno(), entry.length, entry.offset)
        except OSError as error:
            raise CacheUnavailable(f"cannot read what came from a cache: {error.strerror or error}") from error


def _opened(opened: contextlib.ExitStack, path: Path) -> _Scratch:
    try:
        return _Scratch(opened.enter_context(path.open("rb", buffering=0)))
    except OSError as error:
        raise CacheUnavailable(f"cannot read what came from a cache: {error.strerror or error}") from error
