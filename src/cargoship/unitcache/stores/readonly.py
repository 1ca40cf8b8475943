"""A store that is read and never written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from cargoship.errors import CacheUnavailable
from cargoship.oci.digest import Digest
from cargoship.unitcache.index import Entry, Index
from cargoship.unitcache.pack import Pack
from cargoship.unitcache.store import Saved, Source, Store


@dataclass(frozen=True)
class ReadOnly:
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

    def load(self) -> Index:
        """See Store."""
        return self.store.load()

    def open_pack(self, pack: Digest, size: int, wanted: Sequence[Entry]) -> AbstractContextManager[Source]:
        """See Store."""
        return self.store.open_pack(pack, size, wanted)

    def save(self, packs: Sequence[Pack], change: Callable[[Index], Index]) -> Saved:  # noqa: ARG002 - Store
        """Raise CacheUnavailable."""
        raise CacheUnavailable(f"the cache {self.name} is not written: {self.reason}")

    def close(self) -> None:
        """See Store."""
        self.store.close()
