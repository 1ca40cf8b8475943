"""Frames of a pack that is elsewhere, several with one request: by ranges, or from one stream where most is wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import BinaryIO, Self

from msgspec import Struct

from cargoship.errors import ContentInvalid
from cargoship.oci.descriptor import Descriptor
from cargoship.registry.client import RegistryClient
from cargoship.unitcache.packs.index import UnitEntry

_GAP_BYTES = 256 * 1024
"""What is read and thrown away rather than asking once more."""
_RUN_BYTES = 64 << 20
"""What several frames that are asked for at once may have together, for it is in memory."""
_SKIP_BYTES = 1 << 20


class Run(Struct, frozen=True):
    """Bytes of a pack that are asked for at once."""

    offset: int
    length: int

    @property
    def end(self) -> int:
        """The first byte after them."""
        return self.offset + self.length


def contiguous_runs(wanted: Sequence[UnitEntry]) -> list[Run]:
    """What to ask for, to get these frames with few requests and little that is of no use."""
    found: list[Run] = []
    for entry in sorted(wanted, key=lambda entry: entry.offset):
        end = entry.offset + entry.length
        last = found[-1] if found else None
        if last and entry.offset - last.end <= _GAP_BYTES and max(last.end, end) - last.offset <= _RUN_BYTES:
            found[-1] = Run(last.offset, max(last.end, end) - last.offset)
        else:
            found.append(Run(entry.offset, entry.length))
    return found


def run_with(runs: Sequence[Run], entry: UnitEntry) -> Run:
    """The one that a frame is asked for with."""
    return next(run for run in runs if run.offset <= entry.offset and entry.offset + entry.length <= run.end)


class RunSource:
    """A `PackSource` that keeps in memory the run that holds the frame that was asked for last."""

    def __init__(self, wanted: Sequence[UnitEntry], read: Callable[[Run], bytes]) -> None:
        self._runs = contiguous_runs(wanted)
        self._read = read
        self._run: Run | None = None
        self._data = b""

    def frame(self, entry: UnitEntry) -> bytes:
        """See PackSource; raises as `read` does."""
        run = run_with(self._runs, entry)
        if run != self._run:
            # not two of them at once
            self._run, self._data = None, b""
            self._data = self._read(run)
            self._run = run
        start = entry.offset - run.offset
        return self._data[start : start + entry.length]


class RegistryPack:
    """A `PackSource`: frames must be asked for in the order of their offsets."""

    def __init__(
        self,
        client: RegistryClient,
        repository: str,
        pack: Descriptor,
        wanted: Sequence[UnitEntry],
        asking: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._client = client
        self._repository = repository
        self._pack = pack
        self._asking = asking
        # a single stream is one request, and goes on by itself where a connection broke
        self._whole = sum(run.length for run in contiguous_runs(wanted)) * 2 > pack.size_bytes
        self._ranges = RunSource(wanted, lambda run: client.blob_range(repository, pack, run.offset, run.length))
        self._open = ExitStack()
        self._stream: BinaryIO | None = None
        self._position = 0

    def __enter__(self) -> Self:
        """The source itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close the connection."""
        self._open.close()

    def frame(self, entry: UnitEntry) -> bytes:
        """See PackSource."""
        with self._asking():
            if self._whole:
                return self._from_stream(entry)
            return self._from_range(entry)

    def _from_stream(self, entry: UnitEntry) -> bytes:
        if self._stream is None or entry.offset < self._position:
            self._open.close()
            self._stream = self._open.enter_context(self._client.open_blob(self._repository, self._pack))
            self._position = 0
        for piece in _pieces(entry.offset - self._position):
            self._read(piece)
        return self._read(entry.length)

    def _read(self, length: int) -> bytes:
        assert self._stream is not None  # noqa: S101 - opened by the caller
        data = self._stream.read(length)
        self._position += len(data)
        if len(data) != length:
            raise ContentInvalid(f"the pack sha256:{self._pack.digest.short} is cut off")
        return data

    def _from_range(self, entry: UnitEntry) -> bytes:
        try:
            return self._ranges.frame(entry)
        except ContentInvalid:
            # a registry without ranges
            self._whole = True
            return self._from_stream(entry)


def _pieces(length: int) -> Iterator[int]:
    while length > 0:
        yield min(length, _SKIP_BYTES)
        length -= _SKIP_BYTES
