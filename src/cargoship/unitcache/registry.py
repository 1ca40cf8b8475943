"""A store in an OCI registry, under a tag: for runners that keep nothing, and for several machines.

A registry has no way to replace a tag only if nobody else has. So what is saved is put under two tags, `<tag>-next`
first and `<tag>` second, each time with everything that was under both; and a save is over only when it has seen that
both hold all of it after its own writes. Of two that save at once, none can overwrite both tags without having read
what the other one wrote.

Where tags are immutable, each save has a tag of its own: `<tag>-1`, `<tag>-2` and so on. The second one to want a
number is refused, reads again, and takes the next one. That tags are immutable is found out by the first save, which
gives `<tag>-next` an empty cache before the real one; `<tag>` itself never exists there.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from cargoship.errors import CacheUnavailable, ContentInvalid, OutputError, RegistryError, RegistryRefused
from cargoship.oci.descriptor import FileBlob
from cargoship.oci.digest import Digest
from cargoship.oci.reference import Reference
from cargoship.registry.client import Access, RegistryClient
from cargoship.registry.parallel import each
from cargoship.registry.upload import BlobOutcome
from cargoship.unitcache.index import Entry, Index
from cargoship.unitcache.manifests import NO_PACK, config_of, manifest_of, pack_descriptor
from cargoship.unitcache.pack import Pack
from cargoship.unitcache.reading import RemotePack
from cargoship.unitcache.store import Saved, Source
from cargoship.unitcache.wire import INDEX_BYTES_MAX, read_index

DEFAULT_TAG = "cache"
_TRIES = 40
_UPLOADS = 4
_WAIT_S = 0.05
_WAIT_LONGEST_S = 2.0
_FAILURES_MAX = 3

Connect = Callable[[Access], RegistryClient]


@dataclass(frozen=True)
class _State:
    """What is under the two tags: digests of manifests, and everything that is in both."""

    main: Digest | None
    following: Digest | None
    index: Index


@dataclass
class _Shared:
    """What threads share."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    clients: dict[Access, RegistryClient] = field(default_factory=dict)
    indexes: dict[Digest, Index] = field(default_factory=dict)
    failures: int = 0
    broken: CacheUnavailable | None = None


@dataclass(frozen=True)
class RegistryStore:
    """The cache under the tag of `reference`; `connect` makes clients, which `close` closes.

    After a registry could not be reached, or was in trouble several times, it is not asked again.
    """

    reference: Reference
    connect: Connect
    writable: bool = True
    shared: _Shared = field(default_factory=_Shared, repr=False)

    @property
    def name(self) -> str:
        """See Store."""
        return str(self.reference.with_tag(self._tag))

    def load(self) -> Index:
        """See Store."""
        with self._asking():
            client = self._client(Access.PULL)
            main = client.find_manifest(self._repository, self._tag)
            if main is not None:
                return self._index(client, main)
            newest = max(self._numbers(client), default=0)
            return self._index_under(client, self._numbered(newest)) if newest else Index()

    @contextlib.contextmanager
    def open_pack(self, pack: Digest, size: int, wanted: Sequence[Entry]) -> Iterator[Source]:
        """See Store."""
        with self._asking():
            client = self._client(Access.PULL)
        with RemotePack(client, self._repository, pack_descriptor(pack, size), wanted, self._asking) as source:
            yield source

    def save(self, packs: Sequence[Pack], change: Callable[[Index], Index]) -> Saved:
        """See Store."""
        if not self.writable:
            raise CacheUnavailable(f"{self.name} may not be written")
        with self._asking():
            client = self._client(Access.PUSH)
            sent = self._send(client, packs)
            known = {pack.digest: pack.info for pack in packs}

            def changed(index: Index) -> Index:
                return change(index.with_packs(known))

            index = self._save_tagged(client, changed)
            return Saved(index, len(sent), sum(pack.size for pack in sent))

    def close(self) -> None:
        """Close all connections."""
        with self.shared.lock:
            for client in self.shared.clients.values():
                client.close()
            self.shared.clients.clear()

    @property
    def _tag(self) -> str:
        return self.reference.tag or DEFAULT_TAG

    @property
    def _next(self) -> str:
        return f"{self._tag}-next"

    @property
    def _repository(self) -> str:
        return self.reference.repository

    def _numbered(self, number: int) -> str:
        return f"{self._tag}-{number}"

    def _client(self, access: Access) -> RegistryClient:
        with self.shared.lock:
            # a client that may push may also pull
            client = self.shared.clients.get(Access.PUSH) or self.shared.clients.get(access)
            if client is None:
                client = self.shared.clients[access] = self.connect(access)
            return client

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        """Errors as those of a cache; a registry that is down is left alone from then on."""
        if self.shared.broken is not None:
            raise self.shared.broken
        try:
            yield
        except (RegistryError, ContentInvalid, OutputError) as error:
            unavailable = CacheUnavailable(f"the cache {self.name}: {error.message}", hint=error.hint)
            with self.shared.lock:
                # what was refused plainly, such as a blob that is gone, was at least quick
                self.shared.failures += 1
                if not isinstance(error, RegistryRefused | ContentInvalid) or self.shared.failures >= _FAILURES_MAX:
                    self.shared.broken = unavailable
            raise unavailable from error

    def _index(self, client: RegistryClient, digest: Digest) -> Index:
        index = self.shared.indexes.get(digest)
        if index is None:
            manifest = client.manifest(self._repository, digest)
            config = config_of(manifest, where=self.name)
            index = read_index(client.blob_bytes(self._repository, config, limit_bytes=INDEX_BYTES_MAX))
            self.shared.indexes[digest] = index
        return index

    def _index_under(self, client: RegistryClient, tag: str) -> Index:
        digest = client.find_manifest(self._repository, tag)
        return Index() if digest is None else self._index(client, digest)

    def _numbers(self, client: RegistryClient) -> list[int]:
        pattern = re.compile(re.escape(self._tag) + r"-([1-9]\d{0,8})")
        found = (pattern.fullmatch(tag) for tag in client.tags(self._repository))
        return [int(match[1]) for match in found if match]

    def _send(self, client: RegistryClient, packs: Sequence[Pack]) -> list[Pack]:
        def send(pack: Pack) -> tuple[Pack, BlobOutcome]:
            blob = FileBlob(pack_descriptor(pack.digest, pack.size), pack.path)
            return pack, client.upload(self._repository, blob)

        if not packs:
            return []
        largest_first = sorted(packs, key=lambda pack: (-pack.size, pack.digest))
        with contextlib.closing(each(send, largest_first, jobs=_UPLOADS, budget=client.budget)) as results:
            return [pack for pack, outcome in results if outcome is BlobOutcome.PUSHED]

    def _read(self, client: RegistryClient) -> _State:
        main = client.find_manifest(self._repository, self._tag)
        following = client.find_manifest(self._repository, self._next)
        indexes = [self._index(client, digest) for digest in dict.fromkeys((main, following)) if digest is not None]
        index = Index()
        for each_index in indexes:
            index = index.merged(each_index)
        return _State(main, following, index)

    def _put(self, client: RegistryClient, index: Index, tag: str, written: set[Digest]) -> Digest:
        manifest, config = manifest_of(index)
        digest = manifest.descriptor.digest
        if digest not in written:
            client.upload(self._repository, config)
            if not index.packs:
                client.upload(self._repository, NO_PACK)
            written.add(digest)
        client.put_manifest(self._repository, tag, manifest)
        self.shared.indexes[digest] = index
        return digest

    def _save_tagged(self, client: RegistryClient, change: Callable[[Index], Index]) -> Index:
        written: set[Digest] = set()
        for attempt in range(_TRIES):
            state = self._read(client)
            index = change(state.index)
            digest = manifest_of(index)[0].descriptor.digest
            if state.main == digest == state.following:
                return index
            if state.following is None and state.main is None:
                empty = self._put(client, Index(), self._next, written)
                state = _State(None, empty, state.index)
            elif state.main is None and state.index == Index() and self._numbers(client):
                return self._save_numbered(client, change)
            try:
                self._put(client, index, self._next, written)
            except RegistryRefused as error:
                if state.main is not None or not _immutable(error):
                    raise
                return self._save_numbered(client, change)
            # from here on others see it: so nobody can have read neither tag since
            if client.find_manifest(self._repository, self._tag) == state.main:
                self._put(client, index, self._tag, written)
                if self._settled(client, digest, change):
                    return index
            self._wait(client, attempt)
        raise CacheUnavailable(f"the cache {self.name}: others saved at the same time, {_TRIES} times in a row")

    def _settled(self, client: RegistryClient, digest: Digest, change: Callable[[Index], Index]) -> bool:
        """Whether both tags have all that there is: what this save adds, and what others do."""
        state = self._read(client)
        if state.main == digest == state.following:
            return True
        whole = change(state.index)
        return all(
            each_digest is not None and _contains(self._index(client, each_digest), whole)
            for each_digest in (state.main, state.following)
        )

    def _save_numbered(self, client: RegistryClient, change: Callable[[Index], Index]) -> Index:
        written: set[Digest] = set()
        for attempt in range(_TRIES):
            newest = max(self._numbers(client), default=0)
            before = self._index_under(client, self._numbered(newest)) if newest else Index()
            index = change(before)
            if newest and index == before:
                return index
            tag = self._numbered(newest + 1)
            try:
                if client.find_manifest(self._repository, tag) is None:
                    digest = self._put(client, index, tag, written)
                    if client.find_manifest(self._repository, tag) == digest:
                        return index
            except RegistryRefused as error:
                if not _immutable(error):
                    raise
            self._wait(client, attempt)
        raise CacheUnavailable(f"the cache {self.name}: others saved at the same time, {_TRIES} times in a row")

    @staticmethod
    def _wait(client: RegistryClient, attempt: int) -> None:
        longest = min(_WAIT_S * 2**attempt, _WAIT_LONGEST_S)
        client.budget.sleep(longest * client.budget.jitter())


def _contains(index: Index, other: Index) -> bool:
    return index.entries.keys() >= other.entries.keys() and index.plans.keys() >= other.plans.keys()


def _immutable(error: RegistryRefused) -> bool:
    text = error.message.lower()
    return any(word in text for word in ("immutable", "cannot be overwritten", "imagetagalreadyexists"))
