"""What a store is: an index and packs, somewhere.

Nothing that goes wrong with a store ends a build. Its methods raise CacheUnavailable, one line for a person: what
could not be read is missed, what could not be written is compiled again next time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from cargoship.errors import CacheUnavailable
from cargoship.oci.digest import Digest
from cargoship.unitcache.packs.index import BuildRecord, UnitEntry, UnitIndex
from cargoship.unitcache.packs.pack import Pack


class Saved(Struct, frozen=True):
    """What a save came to."""

    index: UnitIndex
    """As it is in the store now, with what others have saved meanwhile."""
    packs: int = 0
    """How many packs were sent; those that were there already are not."""
    size: int = 0
    """Their bytes."""


class PackSource(Protocol):
    """The bytes of a pack, some at a time. Nothing is verified here: who reads checks each frame's digest."""

    def frame(self, entry: UnitEntry) -> bytes:
        """The bytes of a frame: `entry.length` of them, or CacheUnavailable."""
        ...


class Store(Protocol):
    """A place for units. Safe to share between threads and processes, and with other machines."""

    @property
    def name(self) -> str:
        """As people read it."""
        ...

    @property
    def writable(self) -> bool:
        """Whether `save` may be called."""
        ...

    def load(self) -> UnitIndex:
        """All that it holds; an empty one where there is nothing yet, or only another format."""
        ...

    def open_pack(self, pack: Digest, size: int, wanted: Sequence[UnitEntry]) -> AbstractContextManager[PackSource]:
        """Open a pack of `size` bytes, to read the frames of `wanted` in the order of their offsets."""
        ...

    def save(self, packs: Sequence[Pack], change: Callable[[UnitIndex], UnitIndex]) -> Saved:
        """Send packs, then change the index, as often as it takes: what others saved meanwhile stays.

        `change` is given the newest index, in which `packs` are known already, and may be called several times. The
        packs' files may be taken away (renamed) by the store. Packs that the changed index does not know any more are
        removed, sooner or later.
        """
        ...

    def prefetch(self, index: UnitIndex, wanted: Iterable[UnitEntry]) -> None:  # noqa: ARG002 - a default
        """Begin to read packs before it is certain that they are needed, where that saves time. Never fails.

        `index` is where the entries are from. `open_pack` waits for what is on its way.
        """
        return  # nothing is far away

    def lacks(self, plan: BuildRecord) -> bool:  # noqa: ARG002 - a default
        """Whether some of its caches that can be written to have not all that this machine has of a build."""
        return False

    def last_used(self, packs: Collection[Digest]) -> Mapping[Digest, int]:  # noqa: ARG002 - a default
        """When packs were read or written last, in nanoseconds since 1970, of those of which that is known."""
        return {}  # services do not say

    def giver(self, pack: Digest) -> str:  # noqa: ARG002 - a default
        """The name of the store that a pack which was opened was read from: of several, the one that had it."""
        return self.name

    def stop(self) -> None:
        """Make what other threads are doing here end soon, for good: for a run that was interrupted."""
        return  # nothing takes long

    def close(self) -> None:
        """Let go of connections; what is left to be written is written."""
        ...


def check_may_save(store: Store) -> None:
    """Refuse to save to a store that is only read; raises CacheUnavailable."""
    if not store.writable:
        raise CacheUnavailable(f"the cache {store.name} may not be written")


class LocalStore(Store, Protocol):
    """A store with a folder of this machine."""

    @property
    def scratch(self) -> Path:
        """Where packs should be made: from there the store takes them without copying."""
        ...

    def pack_path(self, pack: Digest) -> Path:
        """Where a pack is, or would be."""
        ...
