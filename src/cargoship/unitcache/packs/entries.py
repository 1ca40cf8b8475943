"""The entries of an index that was read, by their keys: each becomes a value when somebody asks for it.

A cache that many projects share has tens of thousands of entries, of which a build wants some hundreds, and one that
comes back as a whole wants a handful.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Generic, Protocol, TypeVar

from cargoship.oci.digest import Digest


class Named(Protocol):
    """What an entry and its row have in common."""

    @property
    def name(self) -> str:
        """See `UnitEntry`."""
        ...

    @property
    def seconds(self) -> float:
        """See `UnitEntry`."""
        ...


Row = TypeVar("Row", bound=Named)
Entry = TypeVar("Entry")


class LazyEntries(Mapping[Digest, Entry], Generic[Row, Entry]):
    """`rows` by the digits of their keys; `value` makes an entry of one, once. `packs` are all that they lie in."""

    def __init__(self, rows: Mapping[str, Row], packs: Collection[Digest], value: Callable[[Row], Entry]) -> None:
        self.rows = rows
        self.packs = packs
        self._value = value
        self._made: dict[str, Entry] = {}

    def __getitem__(self, key: Digest) -> Entry:
        """The entry; the same object each time."""
        entry = self._made.get(key.hex)
        if entry is None:
            # of two threads that make one at once, the first one counts
            entry = self._made.setdefault(key.hex, self._value(self.rows[key.hex]))
        return entry

    def __iter__(self) -> Iterator[Digest]:
        """All keys."""
        return map(Digest, self.rows)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.rows)

    def __contains__(self, key: object) -> bool:
        """Whether there is one; none is made for that."""
        return isinstance(key, Digest) and key.hex in self.rows
