"""How a cache changes under the tags of a registry, so that nobody's save is lost.

A registry has no way to replace a tag only if nobody else has. So what is saved is put under two tags, `<tag>-next`
first and `<tag>` second, each time with everything that was under both; and a save is over only when it has seen that
both hold all of it after its own writes. Of two that save at once, none can overwrite both tags without having read
what the other one wrote. Of three, two that were held up between looking and writing could, one of them each tag. So
who has seen a sign of others looks again a little later, and a save puts back whatever it has seen on its way.

Where tags are immutable, each save has a tag of its own: `<tag>-1`, `<tag>-2` and so on. The second one to want a
number is refused, reads again, and takes the next one. That tags are immutable is found out by the first save, which
gives `<tag>-next` an empty cache before the real one; `<tag>` itself never exists there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Protocol

from msgspec import Struct

from cargoship.errors import CacheUnavailable, RegistryRefused
from cargoship.http.budget import Budget
from cargoship.http.retry import CONTENTION
from cargoship.oci.descriptor import Blob, BytesBlob, Descriptor
from cargoship.oci.digest import Digest
from cargoship.unitcache.packs.index import UnitIndex
from cargoship.unitcache.packs.index_format import INDEX_BYTES_MAX, decode_unit_index
from cargoship.unitcache.stores.manifests import NO_PACK, cache_manifest, index_descriptor

_IMMUTABLE = ("immutable", "cannot be overwritten", "imagetagalreadyexists")
_RACES = ("digest_invalid", "manifest_invalid", "blob_unknown", "blob unknown")
_LATER_S = 0.5
"""More than lies, as a rule, between a look at a tag and the end of writing it."""

Change = Callable[[UnitIndex], UnitIndex]


class _State(Struct, frozen=True):
    """What is under the two tags: digests of manifests, and everything that is in both."""

    main: Digest | None
    following: Digest | None
    index: UnitIndex


class TagPlace(Protocol):
    """Where tags are: a client of a registry, or of anything else that keeps blobs and a few names."""

    @property
    def budget(self) -> Budget:
        """How long others are waited for."""
        ...

    def find_manifest(self, repository: str, reference: str, /) -> Digest | None:
        """What is under a tag."""
        ...

    def manifest(self, repository: str, reference: Digest, /) -> BytesBlob:
        """The manifest that was under a tag."""
        ...

    def blob_bytes(self, repository: str, descriptor: Descriptor, /, *, limit_bytes: int) -> bytes:
        """A small blob."""
        ...

    def upload(self, repository: str, blob: Blob, /) -> object:
        """Send a blob that is not there."""
        ...

    def put_manifest(self, repository: str, reference: str, manifest: BytesBlob, /) -> object:
        """Put a manifest under a tag, in place of what is there."""
        ...

    def tags(self, repository: str, /) -> Iterable[str]:
        """All tags."""
        ...


@dataclass(frozen=True)
class Tags:
    """The tags of one cache. `indexes` remembers what manifests were read, by their digests.

    The methods raise RegistryError's family, ContentInvalid, and CacheUnavailable for a tag of something else.
    """

    client: TagPlace
    repository: str
    tag: str
    name: str
    """For people."""
    indexes: MutableMapping[Digest, UnitIndex] = field(repr=False)

    def load(self) -> UnitIndex:
        """All that is saved."""
        main = self._digest(self.tag)
        if main is not None:
            return self._index(main)
        newest = max(self._numbers(), default=0)
        return self._index_under(self._numbered(newest)) if newest else UnitIndex()

    def save(self, change: Change) -> UnitIndex:
        """Change what is saved; what it is then."""
        written: set[Digest] = set()
        seen: list[UnitIndex] = []
        for attempt in range(CONTENTION.tries):
            state = self._read(seen)
            index = change(_all_of(seen))
            digest = cache_manifest(index)[0].descriptor.digest
            if state.main == digest == state.following:
                return index
            # where there is nothing yet, several may be about to begin
            crowded = attempt > 0 or state.main is None or state.main != state.following
            following = self._begun(state, written)
            if state.main is None and state.following and state.index == UnitIndex() and self._numbers():
                return self._save_numbered(change)
            self._prepare(index, written)
            # what took longest is done: for as little time as may be, somebody else's write goes unseen
            if self._digest(self._next) == following:
                try:
                    self._put(index, self._next, written)
                except RegistryRefused as error:
                    if state.main is not None or not _says(error, _IMMUTABLE):
                        raise
                    return self._save_numbered(change)
                # from here on others see it; who has read before that has not written yet, or it is seen here
                if self._digest(self.tag) == state.main:
                    self._put(index, self.tag, written)
                    if self._settled(digest, change, seen) and not (crowded and self._disturbed(digest, change, seen)):
                        return index
            self.wait(attempt)
        raise self._crowded()

    def wait(self, attempt: int) -> None:
        """Let others go on, longer each time."""
        budget = self.client.budget
        budget.sleep(CONTENTION.wait_s(attempt + 1, budget.jitter()))

    @property
    def _next(self) -> str:
        return f"{self.tag}-next"

    def _numbered(self, number: int) -> str:
        return f"{self.tag}-{number}"

    def _numbers(self) -> list[int]:
        pattern = re.compile(re.escape(self.tag) + r"-([1-9]\d{0,8})")
        found = (pattern.fullmatch(tag) for tag in self.client.tags(self.repository))
        return [int(match[1]) for match in found if match]

    def _index(self, digest: Digest) -> UnitIndex:
        index = self.indexes.get(digest)
        if index is None:
            manifest = self.client.manifest(self.repository, digest)
            config = index_descriptor(manifest, where=self.name)
            index = decode_unit_index(self.client.blob_bytes(self.repository, config, limit_bytes=INDEX_BYTES_MAX))
            self.indexes[digest] = index
        return index

    def _index_under(self, tag: str) -> UnitIndex:
        digest = self._digest(tag)
        return UnitIndex() if digest is None else self._index(digest)

    def _read(self, seen: list[UnitIndex]) -> _State:
        """What is there now, which `seen` gets too."""
        main = self._digest(self.tag)
        following = self._digest(self._next)
        index = UnitIndex()
        for digest in dict.fromkeys((main, following)):
            if digest is not None:
                index = index.merged(self._index(digest))
        seen.append(index)
        return _State(main, following, index)

    def _digest(self, tag: str) -> Digest | None:
        return self.client.find_manifest(self.repository, tag)

    def _begun(self, state: _State, written: set[Digest]) -> Digest | None:
        """What is under the first tag now; where there was nothing at all, an empty cache."""
        if state.main is None and state.following is None:
            self._prepare(UnitIndex(), written)
            if self._digest(self._next) is None:
                return self._put(UnitIndex(), self._next, written)
        return state.following

    def _prepare(self, index: UnitIndex, written: set[Digest]) -> BytesBlob:
        """The manifest of an index, with everything that it names in its place."""
        manifest, config = cache_manifest(index)
        digest = manifest.descriptor.digest
        if digest not in written:
            self.client.upload(self.repository, config)
            if not index.packs:
                self.client.upload(self.repository, NO_PACK)
            written.add(digest)
        return manifest

    def _put(self, index: UnitIndex, tag: str, written: set[Digest]) -> Digest:
        manifest = self._prepare(index, written)
        self.client.put_manifest(self.repository, tag, manifest)
        self.indexes[manifest.descriptor.digest] = index
        return manifest.descriptor.digest

    def _settled(self, digest: Digest, change: Change, seen: list[UnitIndex]) -> bool:
        """Whether both tags have all that there is: what this save adds, and what others do."""
        state = self._read(seen)
        if state.main == digest == state.following:
            return True
        whole = change(state.index)
        found = (state.main, state.following)
        return all(each is not None and _contains(self._index(each), whole) for each in found)

    def _disturbed(self, digest: Digest, change: Change, seen: list[UnitIndex]) -> bool:
        """Whether somebody who had looked before has written after all."""
        self.client.budget.sleep(_LATER_S)
        return not self._settled(digest, change, seen)

    def _save_numbered(self, change: Change) -> UnitIndex:
        written: set[Digest] = set()
        for attempt in range(CONTENTION.tries):
            newest = max(self._numbers(), default=0)
            before = self._index_under(self._numbered(newest)) if newest else UnitIndex()
            index = change(before)
            if newest and index == before:
                return index
            tag = self._numbered(newest + 1)
            try:
                if self._digest(tag) is None:
                    digest = self._put(index, tag, written)
                    if self._digest(tag) == digest:
                        return index
            except RegistryRefused as error:
                if not _says(error, _IMMUTABLE):
                    raise
            self.wait(attempt)
        raise self._crowded()

    def _crowded(self) -> CacheUnavailable:
        return CacheUnavailable(f"the cache {self.name}: others saved at once, {CONTENTION.tries} times in a row")


def is_race(error: RegistryRefused) -> bool:
    """Whether a registry may have stumbled over two that wrote the same at once, or collected garbage meanwhile."""
    return _says(error, _RACES)


def _all_of(indexes: Sequence[UnitIndex]) -> UnitIndex:
    """Together; of what several have, that of the latest."""
    return reduce(UnitIndex.merged, reversed(indexes), UnitIndex())


def _contains(index: UnitIndex, other: UnitIndex) -> bool:
    there = index.entries.keys() >= other.entries.keys() and index.plans.keys() >= other.plans.keys()
    return there and (not other.signatures or _listed(index) >= _listed(other))


def _listed(index: UnitIndex) -> set[Digest]:
    return set().union(*(each.listed for each in index.signatures.values()))


def _says(error: RegistryRefused, words: Sequence[str]) -> bool:
    text = error.message.lower()
    return any(word in text for word in words)
