"""A store that is read and never written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from cargoship.errors import CacheUnavailable
from cargoship.oci.digest import Digest
from cargoship.unitcache.packs.index import UnitEntry, UnitIndex
from cargoship.unitcache.packs.pack import Pack
from cargoship.unitcache.stores.store import PackSource, Saved, Store


@dataclass(frozen=True)
class ReadOnly(Store):
    """What `store` has; nothing is added to it. `reason` says why, in a few words."""

    store: Store
    reason: str = "it was opened for reading"

    @property
    def name(self) -> str:
        """See Store."""
        return self.store.name

    @property
    def writable(self) -> bool:
        """See Store."""
        return False

    def load(self) -> UnitIndex:
        """See Store."""
        return self.store.load()

    def open_pack(self, pack: Digest, size: int, wanted: Sequence[UnitEntry]) -> AbstractContextManager[PackSource]:
        """See Store."""
        return self.store.open_pack(pack, size, wanted)

    def save(self, packs: Sequence[Pack], change: Callable[[UnitIndex], UnitIndex]) -> Saved:  # noqa: ARG002 - Store
        """Raise CacheUnavailable."""
        raise CacheUnavailable(f"the cache {self.name} is not written: {self.reason}")

    def prefetch(self, index: UnitIndex, wanted: Iterable[UnitEntry]) -> None:
        """See Store."""
        self.store.prefetch(index, wanted)

    def last_used(self, packs: Collection[Digest]) -> Mapping[Digest, int]:
        """See Store."""
        return self.store.last_used(packs)

    def stop(self) -> None:
        """See Store."""
        self.store.stop()

    def close(self) -> None:
        """See Store."""
        self.store.close()
